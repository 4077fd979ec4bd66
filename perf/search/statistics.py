"""Means with intervals, and how well a score ranks the candidates of one hole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Draws of the bootstrap: the interval's ends are then known to some hundredth of its width.
DRAWS: Final = 4000
LEVELS: Final = (0.025, 0.975)
# Looks nearer to each other than this are equal: a pattern that repeats is filled the same always.
EQUAL: Final = 1e-6

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def text(self, digits: int) -> str:
        """Return it as `value (low to high)`."""
        return f"{self.value:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


def bootstrap(
    figure: Callable[..., float], sources: Sequence[str], *columns: Sequence[float]
) -> Interval:
    """Return a figure of columns with its interval, drawn by source.

    Holes of one photo are alike: whole photos are drawn with replacement (cluster bootstrap;
    Davison and Hinkley, 1997), always by the same numbers.

    Args:
        figure: takes the columns as FLOAT64 [N].
        sources: [N], the photo of each hole.
        columns: [N] each.
    """
    arrays = [np.asarray(column, np.float64) for column in columns]
    names = sorted(set(sources))
    rows = [np.flatnonzero(np.asarray(sources) == name) for name in names]
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        chosen = np.concatenate([rows[n] for n in random.integers(len(rows), size=len(rows))])
        drawn.append(figure(*(array[chosen] for array in arrays)))
    low, high = np.nanquantile(drawn, LEVELS)
    return Interval(figure(*arrays), float(low), float(high))


def mean(values: Values) -> float:
    """Return the mean."""
    return float(values.mean())


def gap_closed(one: Values, chosen: Values, oracle: Values) -> float:
    """Return which share of the way from one try to the oracle's best was gone; 1 is all of it."""
    gap = float((one - oracle).mean())
    return float((one - chosen).mean()) / gap if gap > 0 else float("nan")


def rank_correlation(scores: Sequence[float], looks: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation of scores with the likeness to the truth.

    Args:
        scores: [N], more is better.
        looks: [N], ST-LPIPS, less is better.

    Returns:
        -1 to 1; 0 where all scores are equal; None where all looks are, or there is but one.
    """
    far = np.asarray(looks, np.float64)
    if far.size < 2 or float(np.ptp(far)) < EQUAL:
        return None
    ranks = [_ranks(np.asarray(scores, np.float64)), _ranks(-far)]
    centred = [each - each.mean() for each in ranks]
    both = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float((centred[0] * centred[1]).sum()) / both if both else 0.0


def _ranks(values: Values) -> Values:
    """Return ranks from 0; equal values share their mean rank."""
    return np.asarray(
        [((values < one).sum() + (values <= one).sum() - 1) / 2 for one in values], np.float64
    )
