"""Profiles: one file each says which models load, which engines there are, and the limits."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import resources
from typing import Any, Final

from pawfect.contract import MODELS
from pawfect.errors import ErrorKind, PawfectError
from pawfect.parameters import ENGINES

PROFILE_VARIABLE: Final = "PAWFECT_PROFILE"
DEFAULT_PROFILE: Final = "embedded"


class ProfileError(ValueError):
    """A profile that does not exist or whose file says something impossible."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one server.

    Attributes:
        max_in_flight: requests that one orchestrator instance holds at a time, at least 1.
    """

    max_in_flight: int


@dataclass(frozen=True)
class Profile:
    """What one server runs.

    Attributes:
        name: the profile's name, as in PAWFECT_PROFILE.
        description: one line for people.
        models: the Triton models that load.
        engines: engines that are there, in the order in which `auto` takes them.
        limits: bounds.
    """

    name: str
    description: str
    models: tuple[str, ...]
    engines: tuple[str, ...]
    limits: Limits

    def engine(self, asked: str) -> tuple[str, str]:
        """Return the engine for a request and why.

        Args:
            asked: auto, flux or patch.

        Raises:
            PawfectError: UNAVAILABLE where the profile lacks the engine asked for.
        """
        if asked == "auto":
            return self.engines[0], f"first engine of profile {self.name}"
        if asked not in self.engines:
            raise PawfectError(
                ErrorKind.UNAVAILABLE,
                f"engine={asked}: profile {self.name} has {', '.join(self.engines)} only",
            )
        return asked, "asked for"


def profile_names() -> tuple[str, ...]:
    """Return the names of the profiles that come with the package."""
    files = (resources.files("pawfect") / "profiles").iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


def load_profile(name: str | None = None) -> Profile:
    """Read a profile.

    Args:
        name: its name; None: the one of PAWFECT_PROFILE, else `embedded`.

    Raises:
        ProfileError: no such profile, or a file with missing, unknown or impossible entries.
    """
    name = name or os.environ.get(PROFILE_VARIABLE) or DEFAULT_PROFILE
    if name not in profile_names():
        raise ProfileError(f"profile: expected one of {', '.join(profile_names())}, got {name!r}")
    text = (resources.files("pawfect") / "profiles" / f"{name}.toml").read_text("utf-8")
    return parse_profile(name, tomllib.loads(text))


def parse_profile(name: str, table: Mapping[str, Any]) -> Profile:
    """Check a profile's entries and return it; raises ProfileError as `load_profile` does."""
    _require_keys(name, table, {"description", "models", "engines", "limits"})
    _require_keys(f"{name}: limits", table["limits"], {spec.name for spec in fields(Limits)})
    unknown = sorted(set(table["models"]) - set(MODELS))
    if unknown or not table["models"]:
        raise ProfileError(
            f"{name}: models: expected some of {', '.join(MODELS)}, got {unknown or 'none'}"
        )
    engines = tuple(table["engines"])
    if not engines or "auto" in engines or not set(engines) <= set(ENGINES):
        raise ProfileError(f"{name}: engines: expected some of flux, patch, got {list(engines)}")
    held = table["limits"]["max_in_flight"]
    if type(held) is not int or held < 1:
        raise ProfileError(
            f"{name}: max_in_flight: expected an integer of at least 1, got {held!r}"
        )
    return Profile(name, table["description"], tuple(table["models"]), engines, Limits(held))


def _require_keys(where: str, table: Mapping[str, Any], expected: set[str]) -> None:
    if set(table) != expected:
        raise ProfileError(f"{where}: expected {sorted(expected)}, got {sorted(table)}")
