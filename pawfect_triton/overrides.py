"""What a model's config may change of the profile, where an audit serves many settings in turn.

One parameter of the config, `audit`, holds JSON. Only whoever writes a model's config can set it:
the repository's owner, and an audit's own server on this machine, which alone is started with model
control.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Annotated, Any, Final

from pawfect.contract.errors import invalid
from pawfect.contract.tables import TableError, at_least, multiple_of, read_table
from pawfect.picture.canvas import TOKEN_PX
from pawfect.profile import Profile, load_profile
from pawfect.settings import Attention

PARAMETER: Final = "audit"


@dataclass(frozen=True)
class Overrides:
    """What differs from the profile; None leaves it as it is.

    Attributes:
        transformer: another entry of the weights' manifest for `flux_transformer`.
        size: the one working size, px, a multiple of 16.
        check: False: FLUX fills leave unchecked, so that each setting shows its own picture.
        verbatim: whether a request's PROMPT reaches FLUX word for word.
        attention: what computes FLUX's attention, see `pawfect.profile.FluxSettings`.
        tile_px: side above which the VAE works in tiles, px; 0: never.
    """

    transformer: str | None = None
    size: Annotated[int, multiple_of(TOKEN_PX)] | None = None
    check: bool = True
    verbatim: bool = False
    attention: Attention | None = None
    tile_px: Annotated[int, at_least(0)] | None = None

    def parameter(self) -> dict[str, dict[str, str]]:
        """Return the config's `parameters` that `read` understands."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return {PARAMETER: {"string_value": json.dumps(given, sort_keys=True)}}

    def applied(self, profile: Profile) -> Profile:
        """Return the profile with what differs; a profile without FLUX stays as it is."""
        if profile.flux is None:
            return profile
        given = {
            "sizes": None if self.size is None else (self.size,),
            "attention": self.attention,
            "tile_px": self.tile_px,
        }
        differs: dict[str, Any] = {
            name: value for name, value in given.items() if value is not None
        }
        profile = replace(profile, flux=replace(profile.flux, **differs))
        if self.transformer not in (None, profile.weights["flux_transformer"]):
            weights = {**profile.weights, "flux_transformer": self.transformer}
            # The profile's costs are those of its own transformer.
            profile = replace(profile, weights=MappingProxyType(weights), cost=MappingProxyType({}))
        return profile if self.check else replace(profile, check=None)


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
