"""What an audit varies, engine by engine: the axes of a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, get_args

from pawfect.chains import CHAINS
from pawfect.contract.parameters import DENOISING, InpaintParams
from pawfect.contract.tables import Rule, TableError, field_types, one_of
from pawfect.diffusion.tokens import VAE_PX
from pawfect.picture.canvas import TOKEN_PX
from pawfect.profile import Profile
from pawfect.settings import Attention
from pawfect.weights.manifest import manifest
from perf.audit.engines import engine_of, engines_of, has, settings_of

LARGEST_SIZE: Final = 2048
AXES: Final = (
    "engine", "quantisation", "guidance", "steps", "strength", "references", "prompt", "size",
    "attention", "tile_px",
)  # fmt: skip
# Axes that not every engine has.
SOME_HAVE: Final = ("guidance", "references")
# The VAE halves a tile that does not fit, down to this, px (`pawfect.diffusion.autoencoder`).
TILE_PX: Final = 4 * VAE_PX
ONCE: Final = Rule(
    lambda values: 0 < len(values) == len(set(values)), "at least one value, each once"
)
_SIZE: Final = Rule(
    lambda size: 0 < size <= LARGEST_SIZE and size % TOKEN_PX == 0,
    f"a multiple of {TOKEN_PX} up to {LARGEST_SIZE}",
)
_TILE: Final = Rule(
    lambda px: 0 <= px <= LARGEST_SIZE and px % TILE_PX == 0,
    f"a multiple of {TILE_PX} up to {LARGEST_SIZE}, or 0",
)


def bounds(parameter: str) -> Rule:
    """Return the rule of a request parameter."""
    rule: Rule = get_args(field_types(InpaintParams)[parameter])[1]
    return rule


@dataclass(frozen=True)
class Axes:
    """What is varied.

    Attributes:
        quantisation: entries of the weights' manifest for the engines' transformers.
        steps: denoising steps.
        prompt: names of prompts. Over-specified ones are a known cause of bad fills.
        size: working sizes, px.
        engine: denoising engines of the profile; not said: its first.
        guidance: guidance scales, of engines that are guided; not said: the profile's own, as are
            all below.
        strength: 1: from noise; below: from the photo as its floor fills it.
        references: whether steps are shown that photo too, of engines that can do without.
        attention: what computes the transformer's attention.
        tile_px: sides, px, above which the VAE works in tiles, 0: never.
    """

    quantisation: Annotated[tuple[Annotated[str, one_of(*manifest())], ...], ONCE]
    steps: Annotated[tuple[Annotated[int, bounds("steps")], ...], ONCE]
    prompt: Annotated[tuple[str, ...], ONCE]
    size: Annotated[tuple[Annotated[int, _SIZE], ...], ONCE]
    engine: Annotated[tuple[Annotated[str, one_of(*DENOISING)], ...], ONCE] | None = None
    guidance: Annotated[tuple[Annotated[float, bounds("guidance_scale")], ...], ONCE] | None = None
    strength: Annotated[tuple[Annotated[float, bounds("strength")], ...], ONCE] | None = None
    references: Annotated[tuple[bool, ...], ONCE] | None = None
    attention: Annotated[tuple[Attention, ...], ONCE] | None = None
    tile_px: Annotated[tuple[Annotated[int, _TILE], ...], ONCE] | None = None

    def by_engine(self, profile: Profile) -> dict[str, Mapping[str, tuple[Any, ...]]]:
        """Return the values of each axis by engine: the profile's own where none are said.

        An engine has its own entries of `quantisation` alone, and None of a setting that it lacks.

        Raises:
            TableError: a profile without a denoising engine, an engine that it lacks, no entry for
                an engine, an entry for none, a setting that no engine has.
        """
        there = engines_of(profile)
        if not there:
            raise TableError("profile", "one with a denoising engine", profile.name)
        chosen = self.engine or there[:1]
        if strangers := [engine for engine in chosen if engine not in there]:
            expected = f"some of {', '.join(there)}, which profile {profile.name} has"
            raise TableError("axes: engine", expected, ", ".join(strangers))
        of_none = [name for name in self.quantisation if engine_of(name) not in chosen]
        if of_none:
            expected = f"transformers of {', '.join(chosen)}"
            raise TableError("axes: quantisation", expected, ", ".join(of_none))
        for axis in SOME_HAVE:
            said = getattr(self, axis)
            if said is not None and not any(has(profile, engine, axis) for engine in chosen):
                titles = " or ".join(CHAINS[engine].title for engine in chosen)
                raise TableError(f"axes: {axis}", f"none: {titles} has no such setting", said)
        return {engine: self._of(engine, profile) for engine in chosen}

    def _of(self, engine: str, profile: Profile) -> Mapping[str, tuple[Any, ...]]:
        settings = settings_of(profile, engine)
        own = {"guidance": settings.guidance_scale, "references": settings.refers}
        own |= {name: getattr(settings, name) for name in ("strength", "attention", "tile_px")}
        values = {name: getattr(self, name) or (own.get(name),) for name in AXES}
        entries = tuple(name for name in self.quantisation if engine_of(name) == engine)
        if not entries:
            expected = f"one of {CHAINS[engine].title} at least"
            raise TableError("axes: quantisation", expected, ", ".join(self.quantisation))
        lacking = {axis: (None,) for axis in SOME_HAVE if not has(profile, engine, axis)}
        return {**values, "engine": (engine,), "quantisation": entries, **lacking}

    def left_out(self, profile: Profile) -> list[str]:
        """Return what is said of a setting that some engines lack, a line for each of these."""
        return [
            f"{CHAINS[engine].title} has no {axis}: its cells go without"
            for engine, values in self.by_engine(profile).items()
            for axis in SOME_HAVE
            if getattr(self, axis) is not None and values[axis] == (None,)
        ]
