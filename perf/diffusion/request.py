"""What one request takes, by what its stages cost: the sum that the pages of `make t4` show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pawfect.costs import Costs

# Of the reference photo, 1600 x 1200.
PHOTO_PIXELS: Final = 1600 * 1200


def request_s(known: Costs, side: int, steps: int, pictures: int = 1, prompts: int = 0) -> float:
    """Return the seconds of one request with one square window.

    Labels are asked for twice: around the hole, and inside the fill to check it. The patch fill
    runs at the same time on the CPU.

    Args:
        known: of the card.
        side: of the window, px.
        steps: that are run.
        pictures: of the window's size that each step is shown, the canvas with them.
        prompts: that no cache holds.
    """
    tokens, pixels = pictures * (side // 16) ** 2, side * side
    spent = steps * known.step_ms(tokens) + known.encode_ms(pixels) + known.decode_ms(pixels)
    spent += prompts * known.text_ms
    return (spent + 2 * known.labels_ms + known.rest_ms(PHOTO_PIXELS)) / 1000


def rounded(by_case: Mapping[str, float], digits: int) -> dict[str, float]:
    """Return seconds by case, rounded."""
    return {case: round(value, digits) for case, value in by_case.items()}
