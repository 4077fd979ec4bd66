"""What the stages of a request take: a profile's table `[cost]`, as the planner reads it."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from pawfect.contract.tables import SOME, at_least, one_of, rising
from pawfect.picture.canvas import TOKEN_PX

CASES: Final = ("low", "likely", "high")
# The rows of the table: a denoising step, the other models, and the work around FLUX (cleaning the
# mask, compositing, checking).
STAGES: Final = (
    "flux_transformer",
    "flux_vae_encoder",
    "flux_vae_decoder",
    "flux_text_encoder",
    "scene_labels",
    "rest",
)


Times = Annotated[tuple[Annotated[float, at_least(0)], ...], SOME]


@dataclass(frozen=True)
class StageCost:
    """What one stage takes, by size.

    Attributes:
        basis: `modelled` or `measured`.
        on: the card or processor it holds for.
        px: sides of the squares that the times are for, rising; one side alone: the time is the
            same for all sizes.
        low: ms at each of these sides, at the card's fastest rates.
        likely: ms, at its usual rates.
        high: ms, at its slowest rates.
    """

    basis: Annotated[str, one_of("modelled", "measured")]
    on: str
    px: Annotated[tuple[int, ...], rising(TOKEN_PX, least=0)]
    low: Times
    likely: Times
    high: Times

    def ms(self, pixels: float, case: str = "likely") -> float:
        """Return the time for an area, ms: linear between two sizes, and beyond the outer ones.

        Args:
            pixels: the area, px.
            case: one of CASES.
        """
        times = {"low": self.low, "likely": self.likely, "high": self.high}[case]
        areas = [side * side for side in self.px]
        if len(areas) == 1:
            return times[0]
        after = min(max(bisect(areas, pixels), 1), len(areas) - 1)
        share = (pixels - areas[after - 1]) / (areas[after] - areas[after - 1])
        return max(times[after - 1] + share * (times[after] - times[after - 1]), 0.0)


@dataclass(frozen=True)
class Costs:
    """Expected milliseconds of each stage, for one canvas alone on the card.

    Attributes:
        step_ms: of one whole denoising step, by image tokens.
        encode_ms: of `flux_vae_encoder`, by pixels of the canvas.
        decode_ms: of `flux_vae_decoder`, likewise.
        text_ms: of `flux_text_encoder`, for a prompt that no cache holds.
        labels_ms: of SAM3, or of Florence-2 where SAM3 is missing.
        rest_ms: of the work around FLUX, by pixels of the photo: cleaning the mask, compositing and
            checking.
    """

    step_ms: Callable[[int], float]
    encode_ms: Callable[[int], float]
    decode_ms: Callable[[int], float]
    text_ms: float
    labels_ms: float
    rest_ms: Callable[[int], float]


def costs_of(table: Mapping[str, StageCost]) -> Costs | None:
    """Return the likely costs of a profile's table `[cost]`, or None where it has none."""
    if not table:
        return None
    return Costs(
        step_ms=lambda tokens: table["flux_transformer"].ms(tokens * TOKEN_PX**2),
        encode_ms=table["flux_vae_encoder"].ms,
        decode_ms=table["flux_vae_decoder"].ms,
        text_ms=table["flux_text_encoder"].ms(0),
        labels_ms=table["scene_labels"].ms(0),
        rest_ms=table["rest"].ms,
    )
