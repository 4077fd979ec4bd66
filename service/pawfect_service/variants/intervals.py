"""How sure a share or a mean rating is, from so many answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from pawfect_service.jobs.fields import RATINGS

# Both ends are missed in one case of twenty.
_Z: Final = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Estimate:
    """A value and its interval of 95 %.

    Attributes:
        value: the mean of the answers.
        low: the interval's lower end.
        high: its upper end.
    """

    value: float
    low: float
    high: float


def share_of(hits: float, answers: int) -> Estimate | None:
    """Return a share, 0 to 1, with Wilson's score interval; None without an answer.

    E. B. Wilson 1927, "Probable inference, the law of succession, and statistical inference". It
    never leaves 0 to 1 and means something from one answer on.

    Args:
        hits: how many of the answers count; a part of one counts as that part.
        answers: how many there are.
    """
    if not answers:
        return None
    share = hits / answers
    square = _Z * _Z / answers
    middle = (share + square / 2) / (1 + square)
    half = _Z / (1 + square) * math.sqrt(share * (1 - share) / answers + square / (4 * answers))
    return Estimate(share, max(middle - half, 0.0), min(middle + half, 1.0))


def mean_rating(ratings: list[int]) -> Estimate | None:
    """Return a mean rating with an interval; None without a rating.

    The ratings are brought to 0 to 1, and the interval is Wilson's of that mean. A value between 0
    and 1 varies at most as hits and misses of the same mean do, so it holds at least as often as it
    says: wider than need be where ratings agree, never too narrow where there are few.
    """
    least, most = RATINGS
    span = most - least
    found = share_of(sum(ratings) / span - len(ratings) * least / span, len(ratings))
    if found is None:
        return None
    return Estimate(*(least + span * end for end in (found.value, found.low, found.high)))
