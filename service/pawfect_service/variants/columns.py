"""The figures of variants as texts, for the terminal's table and for the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pawfect_service.variants.answers import Figures
from pawfect_service.variants.intervals import Estimate

_NONE: Final = "-"
# How the intervals are made, for whoever reads them.
ABOUT: Final = (
    "Intervals of 95 % by Wilson's score; that of a rating treats 1 to 5 as 0 to 1, so it is "
    "rather too wide than too narrow. Seconds are the server's, of completed jobs. "
    "default: the server's own choices; own-choice: the request named them itself."
)


def _share(each: Figures) -> str:
    share = _NONE if each.share is None else f"{each.share:g} %"
    return f"{share}, staging" if each.staging else share


def _part(found: Estimate | None) -> str:
    if found is None:
        return _NONE
    return f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"


def _rating(each: Figures) -> str:
    if each.rating is None:
        return _NONE
    found = each.rating
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f}) of {each.ratings}"


def _number(value: float | None, digits: int) -> str:
    return _NONE if value is None else f"{value:.{digits}f}"


COLUMNS: Final[dict[str, Callable[[Figures], str]]] = {
    "variant": lambda each: each.variant,
    "share": _share,
    "n": lambda each: str(each.answers),
    "rating": _rating,
    "seconds p50": lambda each: _number(each.seconds_p50, 2),
    "p95": lambda each: _number(each.seconds_p95, 2),
    "out of memory": lambda each: _part(each.out_of_memory),
    "failed": lambda each: _part(each.failed),
    "edge score": lambda each: _number(each.sharpness, 3),
}
