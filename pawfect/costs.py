"""What the stages of a request take: a profile's table `[cost]`, as the planner reads it."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from pawfect.contract.tables import SOME, at_least, one_of, rising
from pawfect.picture.canvas import TOKEN_PX

CASES: Final = ("low", "likely", "high")
# Rows of the table that each chain has of its own, as its Triton models without its name. The
# first is one denoising step.
PARTS: Final = ("transformer", "vae_encoder", "vae_decoder", "text_encoder")
# Rows that all chains share: naming surfaces, and the work around a chain (cleaning the mask,
# compositing, checking).
SHARED: Final = ("scene_labels", "rest")

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
        step_ms: of one whole denoising step, by the tokens of its pictures: the canvas's and those
            of all references.
        encode_ms: of the VAE's encoder, by pixels of one picture.
        decode_ms: of the VAE's decoder, by pixels of the canvas.
        text_ms: of the text encoder, for a prompt that no cache holds.
        labels_ms: of SAM3, or of Florence-2 where SAM3 is missing.
        rest_ms: of the work around the chain, by pixels of the photo: cleaning the mask,
            compositing and checking.
    """

    step_ms: Callable[[int], float]
    encode_ms: Callable[[int], float]
    decode_ms: Callable[[int], float]
    text_ms: float
    labels_ms: float
    rest_ms: Callable[[int], float]


def stages_of(chains: Iterable[str]) -> tuple[str, ...]:
    """Return the rows of the table of a profile with these chains, in their order there."""
    own = tuple(f"{chain}_{part}" for chain in chains for part in PARTS)
    return (*own, *SHARED)


def costs_of(table: Mapping[str, StageCost], chain: str) -> Costs | None:
    """Return the likely costs of one chain by a profile's table `[cost]`.

    Args:
        table: by `stages_of`; may be empty.
        chain: flux, klein or edit.

    Returns:
        The costs, or None where the table has none of this chain.
    """
    if not set(stages_of([chain])) <= set(table):
        return None
    step, encode, decode, text, labels, rest = (table[stage] for stage in stages_of([chain]))
    return Costs(
        step_ms=lambda tokens: step.ms(tokens * TOKEN_PX**2),
        encode_ms=encode.ms,
        decode_ms=decode.ms,
        text_ms=text.ms(0),
        labels_ms=labels.ms(0),
        rest_ms=rest.ms,
    )
