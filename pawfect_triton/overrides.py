"""What a model's config may change of the profile, where an audit serves many settings in turn.

One parameter of the config, `audit`, holds JSON. Only whoever writes a model's config can set it:
the repository's owner, and an audit's own server on this machine, which alone is started with model
control.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Annotated, Any, Final

from pawfect.contract.errors import invalid
from pawfect.contract.tables import TableError, at_least, multiple_of, read_table
from pawfect.picture.canvas import TOKEN_PX
from pawfect.profile import Profile, load_profile
from pawfect.settings import Attention, ChainSettings, Engine

PARAMETER: Final = "audit"


@dataclass(frozen=True)
class Overrides:
    """What differs from the profile; None leaves it as it is.

    Attributes:
        transformer: another entry of the weights' manifest for the engine's transformer.
        size: the one working size, px, a multiple of 16.
        check: False: fills leave unchecked, so that each setting shows its own picture.
        verbatim: whether a request's PROMPT reaches the model word for word.
        attention: what computes its attention, see `pawfect.settings.ChainSettings`.
        tile_px: side above which the VAE works in tiles, px; 0: never.
        engine: the denoising engine that all this is of, and that `auto` takes first; None: the
            first that the profile has.
        references: whether its steps are shown the photo as its floor fills it.
    """

    transformer: str | None = None
    size: Annotated[int, multiple_of(TOKEN_PX)] | None = None
    check: bool = True
    verbatim: bool = False
    attention: Attention | None = None
    tile_px: Annotated[int, at_least(0)] | None = None
    engine: Engine | None = None
    references: bool | None = None

    def parameter(self) -> dict[str, dict[str, str]]:
        """Return the config's `parameters` that `read` understands."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return {PARAMETER: {"string_value": json.dumps(given, sort_keys=True)}}

    def applied(self, profile: Profile) -> Profile:
        """Return the profile with what differs; one without a denoising engine stays as it is.

        Raises:
            PawfectError: INVALID_ARG for an engine that the profile lacks or that does not denoise,
                and for references of one that has no such setting.
        """
        if not profile.denoising:
            return profile
        engine = self.engine or profile.denoising[0]
        if engine not in profile.denoising:
            raise invalid(PARAMETER, f"engine {' or '.join(profile.denoising)}", engine)
        others = (name for name in profile.engines if name != engine)
        order = profile.engines if self.engine is None else (engine, *others)
        # A table is named as its engine.
        table: dict[str, Any] = {engine: self._settings(engine, profile)}
        profile = replace(profile, engines=order, **table)
        component = f"{engine}_transformer"
        if self.transformer not in (None, profile.weights[component]):
            weights = {**profile.weights, component: self.transformer}
            # The profile's costs are those of its own transformer.
            profile = replace(profile, weights=MappingProxyType(weights), cost=MappingProxyType({}))
        return profile if self.check else replace(profile, check=None)

    def _settings(self, engine: str, profile: Profile) -> ChainSettings:
        """Return the engine's table with what differs."""
        settings = profile.chain(engine)
        assert settings is not None
        given = {
            "sizes": None if self.size is None else (self.size,),
            "attention": self.attention,
            "tile_px": self.tile_px,
            "references": self.references,
        }
        differs: dict[str, Any] = {
            name: value for name, value in given.items() if value is not None
        }
        if strangers := set(differs) - {field.name for field in fields(settings)}:
            raise invalid(PARAMETER, f"a setting of {engine}", ", ".join(sorted(strangers)))
        return replace(settings, **differs)


def read(args: Mapping[str, str]) -> Overrides:
    """Read the overrides of a model's config; none where it has no such parameter.

    Args:
        args: as `initialize` gets them.

    Raises:
        PawfectError: INVALID_ARG for what is no JSON, an unknown key or a value of another type.
    """
    given = json.loads(args["model_config"]).get("parameters", {}).get(PARAMETER)
    if given is None:
        return Overrides()
    try:
        return read_table(Overrides, json.loads(given["string_value"]))
    except json.JSONDecodeError:
        raise invalid(PARAMETER, "JSON", repr(given["string_value"])) from None
    except TableError as error:
        raise invalid(error.where or PARAMETER, error.expected, error.got) from None


def served_profile(args: Mapping[str, str]) -> Profile:
    """Return the server's profile with the overrides of one model's config."""
    return read(args).applied(load_profile())
