"""The engines that are compared: time and memory of each by size and number of steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from pawfect.costs import CASES, Costs
from pawfect.profile import FluxSettings, Profile, load_profile
from perf.flux.cards import T4
from perf.flux.configs import Configs, configs_of
from perf.flux.estimates import estimate_with
from perf.flux.memory import Plan, plan_of
from perf.flux.storage import FUSED, TORCH

SIZES: Final = (512, 768, 1024)
STEPS: Final = (8, 12, 20, 28)
TARGET_S: Final = 30.0
# Of the reference photo, 1600 x 1200.
PHOTO_PIXELS: Final = 1600 * 1200


@dataclass(frozen=True)
class Engine:
    """One way to hold and compute the transformer.

    Attributes:
        name: for people.
        entry: of the weights' manifest.
        modulation: `layers` or `cached`.
        kernels: of integer layers: `fused` (comfy-kitchen) or `torch`.
    """

    name: str
    entry: str
    modulation: str
    kernels: str = TORCH


ENGINES: Final = (
    Engine("Q4_0, modulation in the layers", "flux-fill-dev-q4_0", "layers"),
    Engine("Q4_0, cached modulation", "flux-fill-dev-q4_0", "cached"),
    Engine("int8, torch's kernels", "flux-fill-dev-turbo-int8", "cached", TORCH),
    Engine("int8, fused kernels", "flux-fill-dev-turbo-int8", "cached", FUSED),
    Engine("int4, torch's kernels", "flux-fill-dev-turbo-int4", "cached", TORCH),
    Engine("int4, fused kernels", "flux-fill-dev-turbo-int4", "cached", FUSED),
)


def profile_of(engine: Engine, text_tokens: int = 128) -> tuple[Profile, FluxSettings, Configs]:
    """Return the t4 profile with an engine in it, its settings and full-size configs."""
    base = load_profile("t4")
    if base.flux is None:
        raise ValueError("t4: expected FLUX")
    settings = replace(base.flux, modulation=engine.modulation, text_tokens=text_tokens)
    weights = MappingProxyType({**base.weights, "flux_transformer": engine.entry})
    profile = replace(base, weights=weights, flux=settings)
    found = configs_of(profile, kernels=engine.kernels)
    if found is None:
        raise ValueError("t4: expected published models")
    return profile, settings, found


def costs(engine: Engine, text_tokens: int = 128) -> dict[str, Costs]:
    """Return an engine's costs on a T4 by case."""
    profile, settings, found = profile_of(engine, text_tokens)
    return {case: estimate_with(profile, settings, found, case) for case in CASES}


def memory(engine: Engine, side: int, batch: int = 1, **settings: int) -> Plan:
    """Return an engine's memory plan with windows of this side, px.

    Args:
        engine: which.
        side: of the largest window, px.
        batch: steps that share a call.
        settings: of FLUX that differ from the t4 profile's, such as tile_px.
    """
    profile, flux, _ = profile_of(engine)
    changed = replace(profile, flux=replace(flux, **settings))  # type: ignore[arg-type]
    plan = plan_of(changed, side=side, batch=batch, kernels=engine.kernels)
    if plan is None:
        raise ValueError("t4: expected published models")
    return plan


def total_s(known: Costs, side: int, steps: int) -> float:
    """Return the seconds of one request with one square window, its prompt encoded before.

    Labels are asked for twice: around the hole, and inside the fill to check it. The patch fill
    runs beside them on the CPU.
    """
    tokens, pixels = (side // 16) ** 2, side * side
    spent = steps * known.step_ms(tokens) + known.encode_ms(pixels) + known.decode_ms(pixels)
    return (spent + 2 * known.labels_ms + known.rest_ms(PHOTO_PIXELS)) / 1000


@dataclass(frozen=True)
class Cell:
    """One engine at one size and number of steps; seconds are modelled.

    Attributes:
        engine: its name.
        side: px.
        steps: of denoising.
        step_s: of one step by case.
        total_s: of the request by case.
        memory_gib: of all processes, windows up to this size.
        fits: whether that is within the card's usable memory.
    """

    engine: str
    side: int
    steps: int
    step_s: dict[str, float]
    total_s: dict[str, float]
    memory_gib: float
    fits: bool

    @property
    def verdict(self) -> str:
        """Which cases end under the target: `yes` for all, else which, and whether it fits."""
        under = [case for case in CASES if self.total_s[case] < TARGET_S]
        told = "yes" if len(under) == len(CASES) else f"{under[-1]} only" if under else "no"
        return told if self.fits else f"{told}, does not fit"


def cells() -> Iterator[Cell]:
    """Yield all cells of engine x size x steps."""
    usable = T4.usable_gib or 0.0
    for engine in ENGINES:
        known = costs(engine)
        for side in SIZES:
            held = memory(engine, side).total
            for steps in STEPS:
                yield Cell(
                    engine.name,
                    side,
                    steps,
                    {
                        case: round(known[case].step_ms((side // 16) ** 2) / 1000, 3)
                        for case in CASES
                    },
                    {case: round(total_s(known[case], side, steps), 1) for case in CASES},
                    round(held, 2),
                    held < usable,
                )
