"""Which candidate wins: judges that answered for all, their mean by axis, the weighted potential.

potential = (a consistency + b realism + c identity) / (a + b + c), over the axes that a judge who
answered for every candidate has scored. A judge that was silent on one of them counts for none: no
candidate is compared by a score that another has not got.

Where the first candidate is the picture as it came (`SearchPlan.unedited`), the others are compared
with it, and it wins only by a higher potential in which identity counts: it is consistent with
itself whoever it shows, so neither the floor nor the other axes alone let it win.

Of a swap (`SearchPlan.margin`) the first candidate is the raw one, and its identity a floor: who is
below it by more than the margin, or whose face the local judge could not compare, never wins while
the raw swap is there. Such a candidate is not compared with the others either: a face that was lost
must not silence the axis for those that kept it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pawfect.contract.scores import AXES, BEST, CONSISTENCY, IDENTITY
from pawfect.contract.search import SearchPlan
from pawfect.contract.search_report import Candidate
from pawfect.scores.likeness import SIMILARITY
from pawfect.scores.local import JUDGE

# Scores are means of rounded numbers: nothing above this is to be had.
_ALL_BUT_BEST: Final = BEST - 1e-6


@dataclass(frozen=True)
class Ranking:
    """All candidates compared.

    Attributes:
        candidates: in their own order, with scores, potential and whether they reach the floor.
        best_first: numbers of those that were made, the best first.
        judges: by axis, the judges that count.
        silent: by judge and axis, as "judge: axis", why one does not.
    """

    candidates: tuple[Candidate, ...]
    best_first: tuple[int, ...]
    judges: Mapping[str, tuple[str, ...]]
    silent: Mapping[str, str]

    @property
    def best(self) -> Candidate:
        """The candidate that wins; IndexError where none was made."""
        return self.by_number[self.best_first[0]]

    @property
    def by_number(self) -> Mapping[int, Candidate]:
        """The candidates by number."""
        return {one.number: one for one in self.candidates}


def rank(candidates: Sequence[Candidate], plan: SearchPlan) -> Ranking:
    """Compare candidates.

    First come those that keep the raw swap's identity, then those that reach the floor, then by
    potential, at the same potential by number; an unedited picture is first or last. Candidates
    that have an error are not compared.

    Args:
        candidates: in any order, each number once.
        plan: weights and floor.
    """
    given = [_held(one, candidates, plan) for one in sorted(candidates, key=_number)]
    compared = [one for one in given if one.error is None and one.keeps_identity]
    judges = _counting(compared)
    ranked = tuple(_scored(one, judges, plan) for one in given)
    order = sorted(
        (one for one in ranked if one.error is None),
        key=lambda one: (
            not one.keeps_identity, not one.above_floor, -(one.potential or 0.0), one.number,
        ),
    )  # fmt: skip
    if plan.unedited:
        order = _with_unedited(order, plan.weights[IDENTITY] > 0 and IDENTITY in judges)
    numbers = tuple(one.number for one in order)
    return Ranking(ranked, numbers, judges, _silent(compared, judges))


def similarity_of(candidate: Candidate) -> float | None:
    """Return the cosine between a candidate's face and the reference's, as the local judge has it.

    None where the judge could not compare them.
    """
    for one in candidate.judgements:
        value = one.parts.get(SIMILARITY) if one.judge == JUDGE else None
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    return None


def _held(candidate: Candidate, candidates: Sequence[Candidate], plan: SearchPlan) -> Candidate:
    """Return a candidate with whether it keeps the raw swap's identity."""
    raw = next((one for one in candidates if one.number == 0 and one.error is None), None)
    if plan.margin is None or raw is None or candidate.number == 0:
        return replace(candidate, keeps_identity=True)
    own, floor = similarity_of(candidate), similarity_of(raw)
    kept = own is not None and floor is not None and own >= floor - plan.margin
    return replace(candidate, keeps_identity=kept)


def _with_unedited(best_first: Sequence[Candidate], identified: bool) -> list[Candidate]:
    """Return candidates, best first, with the unedited picture first or last.

    Args:
        best_first: as if it were one of them.
        identified: whether identity counts.
    """
    unedited = [one for one in best_first if one.number == 0]
    edits = [one for one in best_first if one.number != 0]
    if unedited and edits and identified:
        (own,) = unedited
        if (own.potential or 0.0) > (edits[0].potential or 0.0):
            return [own, *edits]
    return [*edits, *unedited]


def can_be_beaten(ranking: Ranking) -> bool:
    """Say whether a further candidate could have a higher potential than the best has."""
    best = ranking.best
    return not best.above_floor or best.potential is None or best.potential < _ALL_BUT_BEST


def _number(candidate: Candidate) -> int:
    return candidate.number


def _score(candidate: Candidate, judge: str, axis: str) -> float | None:
    return next(
        (
            one.scores[axis]
            for one in candidate.judgements
            if one.judge == judge and axis in one.scores
        ),
        None,
    )


def _names(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Return all judges that said anything, in the order in which they first did."""
    return tuple(dict.fromkeys(j.judge for one in candidates for j in one.judgements))


def _counting(candidates: Sequence[Candidate]) -> dict[str, tuple[str, ...]]:
    judges = _names(candidates)
    found = {
        axis: tuple(
            judge
            for judge in judges
            if all(_score(one, judge, axis) is not None for one in candidates)
        )
        for axis in AXES
    }
    return {axis: names for axis, names in found.items() if names}


def _scored(
    candidate: Candidate, judges: Mapping[str, tuple[str, ...]], plan: SearchPlan
) -> Candidate:
    if candidate.error is not None:
        return candidate.unranked()
    scores = {}
    for axis, names in judges.items():
        given = [score for name in names if (score := _score(candidate, name, axis)) is not None]
        # Of one that is not compared, a judge may have said nothing.
        if given:
            scores[axis] = sum(given) / len(given)
    whole = sum(plan.weights[axis] for axis in scores)
    potential = None
    if whole:
        potential = sum(plan.weights[axis] * score for axis, score in scores.items()) / whole
    local = _score(candidate, JUDGE, CONSISTENCY)
    return replace(
        candidate,
        scores=scores,
        potential=potential,
        above_floor=local is None or local >= plan.floor,
    )


def _silent(
    candidates: Sequence[Candidate], judges: Mapping[str, tuple[str, ...]]
) -> dict[str, str]:
    """Say of each judge and axis that somebody asked it for and that does not count, why."""
    why: dict[str, str] = {}
    for judge in _names(candidates):
        for axis in AXES:
            if judge in judges.get(axis, ()):
                continue
            own = [j for one in candidates for j in one.judgements if j.judge == judge]
            reasons = [j.silent[axis] for j in own if axis in j.silent]
            scored = sum(axis in j.scores for j in own)
            if reasons or scored:
                few = f"it scored {scored} of {len(candidates)} candidates"
                why[f"{judge}: {axis}"] = f"{few}: {reasons[0]}" if reasons else few
    return why
