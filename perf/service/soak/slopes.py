"""How a process's memory goes over its life: slopes, and what it holds at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

# A life shorter than this has no slope, s.
SHORTEST_S: Final = 30.0
# What a process does first is no growth: the share of a life that is left out, and at most s.
_WARMING: Final = 0.25
_LONGEST_WARMING_S: Final = 120.0
# Of the normal distribution, for an interval of 90 %.
_Z90: Final = 1.645
# Pairs grow with the square of the samples.
_MOST_SAMPLES: Final = 200


@dataclass(frozen=True)
class Sample:
    """What a process held at one moment.

    Attributes:
        at_s: on a steady clock, s.
        mb: resident memory, MB (10^6 bytes).
        descriptors: open files and sockets.
        threads: of it.
    """

    at_s: float
    mb: float
    descriptors: int
    threads: int


@dataclass(frozen=True)
class Slope:
    """How memory grew, MB per hour.

    Attributes:
        least_squares: the fit's slope.
        robust: the median of the slopes of all pairs (Theil 1950, Sen 1968).
        low: lower end of the robust one's interval of 90 %.
        high: upper end.
        over_s: length of what was measured, s.
    """

    least_squares: float
    robust: float
    low: float
    high: float
    over_s: float


def slope(samples: Sequence[Sample]) -> Slope | None:
    """Return the slope of a life without its beginning; None for one too short.

    The interval is Sen's (1968): order statistics of the pairs' slopes, by the variance of
    Kendall's S without ties. Samples that hang together make it narrower than it should be.
    """
    if not samples or samples[-1].at_s - samples[0].at_s < SHORTEST_S:
        return None
    life_s = samples[-1].at_s - samples[0].at_s
    since = samples[0].at_s + min(_WARMING * life_s, _LONGEST_WARMING_S)
    kept = [sample for sample in samples if sample.at_s >= since]
    kept = kept[:: math.ceil(len(kept) / _MOST_SAMPLES)]
    if len(kept) < 3:
        return None
    hours = np.array([sample.at_s for sample in kept]) / 3600
    memory = np.array([sample.mb for sample in kept])
    first, second = np.triu_indices(len(kept), 1)
    pairs = np.sort((memory[second] - memory[first]) / (hours[second] - hours[first]))
    count = len(kept)
    spread = _Z90 * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = max(int((len(pairs) - spread) / 2), 0)
    high = min(math.ceil((len(pairs) + spread) / 2), len(pairs) - 1)
    return Slope(
        float(np.polyfit(hours - hours[0], memory, 1)[0]),
        float(np.median(pairs)),
        float(pairs[low]),
        float(pairs[high]),
        float((hours[-1] - hours[0]) * 3600),
    )
