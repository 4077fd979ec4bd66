"""The move by which a search's owner says which of two candidates is better, not knowing which won.

A pair is compared once: afterwards its owner is told what the search prefers, so another choice
would no longer be blind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pawfect.contract.errors import invalid
from pawfect.contract.numbers import is_number
from pawfect_service.jobs.contract import Status
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.fields import MOST_COMPARISONS, Comparison
from pawfect_service.jobs.kinds import SEARCHES
from pawfect_service.jobs.move import Answer, Moment, Step
from pawfect_service.strict import lenient_json

Choice = Literal["left", "right", "none"]
LEFT: Final = "left"
RIGHT: Final = "right"
NEITHER: Final = "none"


@dataclass(frozen=True)
class Rank:
    """What a search compares a candidate by.

    Attributes:
        keeps_identity: of a swap, whether it is enough like the character; one that is goes first.
        above_floor: whether its local consistency reaches the floor; then one that does.
        potential: 0 to 10; None where no judge counts.
    """

    keeps_identity: bool
    above_floor: bool
    potential: float | None


def ranks_of(report: str | None) -> dict[int, Rank]:
    """Return the candidates of a search's report that were made, by number.

    Args:
        report: JSON text; what somebody has edited into something else has none.
    """
    entries = (lenient_json(report) or {}).get("candidates")
    found = {}
    for one in entries if isinstance(entries, list) else ():
        number = one.get("number") if isinstance(one, Mapping) else None
        if type(number) is int and one.get("error") is None:
            kept, above = (one.get(name) is not False for name in ("keeps_identity", "above_floor"))
            found[number] = Rank(kept, above, _number(one.get("potential")))
    return found


def _number(value: Any) -> float | None:
    return float(value) if is_number(value) else None


def preferred(ranks: Mapping[int, Rank], left: int, right: int) -> Choice | None:
    """Return which of two candidates the search prefers; none: neither; None: it cannot say.

    As the search ranks them: first those that keep a swap's identity, then those that reach the
    floor, then by potential.
    """
    one, other = ranks.get(left), ranks.get(right)
    if one is None or other is None or one.potential is None or other.potential is None:
        return None
    first = (one.keeps_identity, one.above_floor, one.potential)
    second = (other.keeps_identity, other.above_floor, other.potential)
    if first == second:
        return NEITHER
    return LEFT if first > second else RIGHT


def compare(at: Moment, *, left: int, right: int, choice: Choice) -> Step:
    """Write down which of two candidates the owner takes for the better one.

    Args:
        at: the session, the clock and the bounds.
        left: number of the one candidate.
        right: number of the other.
        choice: left, right, or none: neither is better.

    Returns:
        RECORDED, also for the same once more; TAKEN where that pair has another choice already;
        NOT_DONE where the job is not completed; OVER where there is no session.

    Raises:
        PawfectError: INVALID_ARG for a job that is no search, for what are no two candidates with a
            picture, and for one comparison too many.
    """
    session = at.session
    if session is None:
        return at.stay(Answer.OVER)
    _check(session, left, right)
    if session.processing_status is not Status.COMPLETED:
        return at.stay(Answer.NOT_DONE)
    ranks = ranks_of(session.report)
    for name, number in (("left", left), ("right", right)):
        if number not in ranks:
            raise invalid(name, "a candidate of the search that has a picture", number)
    said = Comparison(left=left, right=right, choice=choice, at=at.now)
    for had in session.job_comparisons:
        if had.pair == said.pair:
            same = _chosen(had) == _chosen(said)
            return at.stay(Answer.RECORDED if same else Answer.TAKEN)
    if len(session.job_comparisons) >= MOST_COMPARISONS:
        raise invalid("comparisons", f"at most {MOST_COMPARISONS} of one search", "one more")
    return at.noted(Answer.RECORDED, session, job_comparisons=(*session.job_comparisons, said))


def _check(session: SessionDocument, left: int, right: int) -> None:
    if session.kind not in SEARCHES:
        raise invalid("version", "one that is a search", f"one that is {session.kind.name}")
    if left == right:
        raise invalid("right", "another candidate than left", right)


def _chosen(said: Comparison) -> int | None:
    """Return the number of the candidate that was chosen; None: neither."""
    return {LEFT: said.left, RIGHT: said.right}.get(said.choice)
