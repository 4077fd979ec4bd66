"""Profiles: one file each says which models load, on what, with which weights, and the limits."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from types import MappingProxyType
from typing import Annotated, Any, Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import DENOISING
from pawfect.contract.tables import SOME, TableError, read_table
from pawfect.costs import StageCost, stages_of
from pawfect.model import TORCH, Model
from pawfect.models import MODELS
from pawfect.settings import (
    CaptionSettings,
    ChainSettings,
    CheckSettings,
    Count,
    CutoutSettings,
    EditSettings,
    Engine,
    FacesSettings,
    FluxSettings,
    KleinSettings,
    LabelSettings,
    LamaSettings,
    Limits,
    OnnxSettings,
    ProtectSettings,
    ReadingSettings,
    SwapSettings,
)

PROFILE_VARIABLE: Final = "PAWFECT_PROFILE"
# Stands in place of a profile's `allow_noncommercial`: true for research, or with a licence that
# was bought; false for what is sold.
NONCOMMERCIAL_VARIABLE: Final = "PAWFECT_ALLOW_NONCOMMERCIAL"
_SAID: Final = MappingProxyType({"true": True, "false": False})
# Components of networks that say what is a subject or what is written, or find or swap faces: fills
# go without them.
FINDERS: Final = frozenset({"matting", "protect", "reading", "faces", "swap"})
DEFAULT_PROFILE: Final = "embedded"


class ProfileError(ValueError):
    """A profile that does not exist or whose file says something impossible."""


@dataclass(frozen=True)
class Profile:
    """What one server runs.

    Attributes:
        name: the profile's name, as in PAWFECT_PROFILE.
        description: one line for people.
        models: the Triton models that load.
        engines: engines that are there, in the order in which `auto` takes them.
        limits: bounds.
        weights: entries of the weights' manifest by component (flux, flux_transformer, klein,
            klein_transformer, klein_text, edit, edit_transformer, edit_text, sam3, florence2, lama,
            matting, protect, reading, faces, swap); see `entry`.
        allow_noncommercial: false leaves out engines whose weights' licence forbids what is sold,
            and swaps of faces; PAWFECT_ALLOW_NONCOMMERCIAL stands in its place where it is set.
        flux, klein, edit, sam3, florence2, lama, onnx, cutout, protect, reading, faces, swap: how
            it runs; None where it is not there.
        check: None where denoised fills leave unchecked.
        budget: by model, the milliseconds within which 95 of 100 requests are to be answered.
        cost: what each stage of its chains takes, by `pawfect.costs.stages_of`; empty where that
            is not known.
    """

    name: str
    description: str
    models: Annotated[tuple[str, ...], SOME]
    engines: Annotated[tuple[Engine, ...], SOME]
    limits: Limits
    weights: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    allow_noncommercial: bool = True
    flux: FluxSettings | None = None
    klein: KleinSettings | None = None
    edit: EditSettings | None = None
    sam3: LabelSettings | None = None
    florence2: CaptionSettings | None = None
    lama: LamaSettings | None = None
    onnx: OnnxSettings | None = None
    cutout: CutoutSettings | None = None
    protect: ProtectSettings | None = None
    reading: ReadingSettings | None = None
    faces: FacesSettings | None = None
    swap: SwapSettings | None = None
    check: CheckSettings | None = None
    budget: Mapping[str, Count] = field(default_factory=lambda: MappingProxyType({}))
    cost: Mapping[str, StageCost] = field(default_factory=lambda: MappingProxyType({}))

    def engine(self, asked: str, without: Collection[str] = ()) -> tuple[str, str]:
        """Return the engine for a request and why.

        Args:
            asked: auto or an engine.
            without: engines that `auto` passes over, since nothing of their weights is here.

        Raises:
            PawfectError: UNAVAILABLE where the profile lacks the engine asked for.
        """
        if asked == "auto":
            first = next((e for e in self.engines if e not in without), self.engines[0])
            return first, f"first engine of profile {self.name}"
        if asked not in self.engines:
            problem = f"engine={asked}: profile {self.name} has {', '.join(self.engines)} only"
            raise PawfectError(ErrorKind.UNAVAILABLE, problem)
        return asked, "asked for"

    def chain(self, name: str) -> ChainSettings | None:
        """Return how a denoising model runs, by its name; None where it is not there."""
        settings: ChainSettings | None = getattr(self, name) if name in DENOISING else None
        return settings

    @property
    def chains(self) -> tuple[str, ...]:
        """The denoising models that it has, in the order of DENOISING."""
        return tuple(name for name in DENOISING if self.chain(name) is not None)

    @property
    def denoising(self) -> tuple[str, ...]:
        """The engines among them, in the order in which `auto` takes them."""
        return tuple(name for name in self.engines if name in self.chains)

    def entry(self, component: str) -> str:
        """Return the entry of a component that a model of this profile needs.

        A part of a model that `weights` does not name, such as klein_text, is the whole one's,
        klein.
        """
        return self.weights[component if component in self.weights else _whole(component)]

    @property
    def fill_weights(self) -> Mapping[str, str]:
        """The entries that fills are made with, by component: all but those of `FINDERS`."""
        return {part: entry for part, entry in self.weights.items() if part not in FINDERS}

    def settings(self, model: Model) -> Any:
        """Return the table that a model needs; None where it needs none."""
        return getattr(self, model.settings) if model.settings else None

    def device(self, model: Model) -> str:
        """Return where a model computes, cpu or cuda."""
        settings = self.settings(model)
        return "cpu" if settings is None else str(getattr(settings, model.device))

    @property
    def neural(self) -> bool:
        """Whether any of its models needs torch."""
        models = map(MODELS.__getitem__, self.models)
        return any(model.weights and model.runtime == TORCH for model in models)


def profile_names() -> tuple[str, ...]:
    """Return the names of the profiles that come with the package."""
    files = (resources.files("pawfect") / "profiles").iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


def load_profile(name: str | None = None) -> Profile:
    """Read a profile.

    Args:
        name: its name; None: the one of PAWFECT_PROFILE, else `embedded`.

    Raises:
        ProfileError: no such profile, a file with missing, unknown or impossible entries, or an
            environment that says neither true nor false of its use.
    """
    name = name or os.environ.get(PROFILE_VARIABLE) or DEFAULT_PROFILE
    if name not in profile_names():
        raise ProfileError(f"profile: expected one of {', '.join(profile_names())}, got {name!r}")
    text = (resources.files("pawfect") / "profiles" / f"{name}.toml").read_text("utf-8")
    return _licensed(parse_profile(name, tomllib.loads(text)))


def _licensed(profile: Profile) -> Profile:
    """Return a profile with what the environment says of its use."""
    said = os.environ.get(NONCOMMERCIAL_VARIABLE)
    if not said:
        return profile
    if said not in _SAID:
        raise ProfileError(f"{NONCOMMERCIAL_VARIABLE}: expected true or false, got {said!r}")
    return replace(profile, allow_noncommercial=_SAID[said])


def parse_profile(name: str, table: Mapping[str, Any]) -> Profile:
    """Check a profile's entries and return it; raises ProfileError as `load_profile` does."""
    try:
        if "name" in table:
            raise TableError(name, "its name in the file's", "an entry name")
        profile = read_table(Profile, {**table, "name": name}, name)
        _check_models(profile)
        _check_costs(profile)
    except TableError as error:
        raise ProfileError(str(error)) from None
    return profile


def _check_models(profile: Profile) -> None:
    """Raise TableError unless all models are known and have what they need."""
    if unknown := sorted(set(profile.models) - set(MODELS)):
        expected = f"some of {', '.join(MODELS)}"
        raise TableError(f"{profile.name}: models", expected, ", ".join(unknown))
    if strangers := sorted(set(profile.budget) - set(profile.models)):
        raise TableError(f"{profile.name}: budget", "models of it", ", ".join(strangers))
    for engine in set(profile.engines) & {*DENOISING, "lama"}:
        own = {model.name for model in MODELS.values() if model.settings == engine}
        if lacking := sorted(own - set(profile.models)):
            expected, got = f"models {', '.join(sorted(own))}", f"none {', '.join(lacking)}"
            raise TableError(f"{profile.name}: engine {engine}", expected, got)
    for model in map(MODELS.__getitem__, profile.models):
        settings = profile.settings(model)
        has_weights = all({part, _whole(part)} & set(profile.weights) for part in model.weights)
        if (settings is None and model.settings) or not has_weights:
            expected = f"a table {model.settings} and weights of {', '.join(model.weights)}"
            raise TableError(f"{profile.name}: model {model.name}", expected, "not both")


def _whole(component: str) -> str:
    """Return the component of the model that a component is a part of, or its own name."""
    return component.partition("_")[0]


def _check_costs(profile: Profile) -> None:
    """Raise TableError unless there is a cost of each stage, or of none of a chain's."""
    where = f"{profile.name}: cost"
    known = [
        name for name in profile.chains if any(row.startswith(f"{name}_") for row in profile.cost)
    ]
    stages = stages_of(known or profile.chains)
    if profile.cost and set(profile.cost) != set(stages):
        raise TableError(where, ", ".join(stages), ", ".join(profile.cost))
    for stage, cost in profile.cost.items():
        times = {len(cost.low), len(cost.likely), len(cost.high)}
        if times != {len(cost.px)}:
            raise TableError(f"{where}: {stage}", f"a time for each of {list(cost.px)} px", times)
