"""The searches that are compared on one hole: one try, the best of many, two stages, the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pawfect.contract.scores import CONSISTENCY, REALISM
from pawfect.contract.search import SearchParams, SearchPlan, search_plan
from pawfect.search.potential import rank
from pawfect.search.tries import global_tries, local_tries
from perf.search.candidates import ENGINE, Made, Maker
from perf.search.holes import Hole

# Candidates of every search here; of two stages half of them are children.
CANDIDATES: Final = 8
ONE_STAGE: Final = search_plan(SearchParams(k_global=CANDIDATES, k_local=0))
TWO_STAGES: Final = search_plan(SearchParams(k_global=4, m_global=2, k_local=2))
SEED: Final = 0
POTENTIAL: Final = "potential"
# Scores: more is better. Measures are the other way round.
SCORES: Final = (POTENTIAL, CONSISTENCY, REALISM)


@dataclass(frozen=True)
class Row:
    """One candidate of a search.

    Attributes:
        variation: what it differs by.
        parent: number of its parent, or None.
        look: ST-LPIPS to the truth.
        cpu_seconds: to make and judge it.
        scores: by SCORES and by measure, as far as they are known.
    """

    variation: str
    parent: int | None
    look: float
    cpu_seconds: float
    scores: dict[str, float]


@dataclass(frozen=True)
class Searched:
    """What the searches found on one hole.

    Attributes:
        name: the hole's.
        source: the photo's.
        part: tune or held.
        group: what kind of picture it is.
        area: px.
        one_stage: its candidates, in order.
        two_stages: likewise; the first of them are the same.
        best_of: by how many candidates of the one stage there are, from 1, the number that wins.
        winner: the number that wins of two stages.
    """

    name: str
    source: str
    part: str
    group: str
    area: int
    one_stage: tuple[Row, ...]
    two_stages: tuple[Row, ...]
    best_of: tuple[int, ...]
    winner: int

    @property
    def one(self) -> float:
        """ST-LPIPS of one try, the undiffused."""
        return self.one_stage[0].look

    @property
    def chosen(self) -> float:
        """ST-LPIPS of the best of all by the potential."""
        return self.one_stage[self.best_of[-1]].look

    @property
    def searched(self) -> float:
        """ST-LPIPS of what two stages found."""
        return self.two_stages[self.winner].look

    @property
    def oracle(self) -> float:
        """ST-LPIPS of the best of all by the truth."""
        return min(row.look for row in self.one_stage)

    @property
    def searched_oracle(self) -> float:
        """ST-LPIPS of the best candidate of two stages by the truth."""
        return min(row.look for row in self.two_stages)


def search_hole(hole: Hole, kept: Path) -> Searched:
    """Make all candidates of a hole's searches, and have the potential choose.

    Args:
        hole: with its truth.
        kept: folder of candidates made earlier.
    """
    maker = Maker(hole.removal, kept)
    tries = global_tries(ONE_STAGE, ENGINE, SEED)
    made = [maker.make(one) for one in tries]
    best_of = [_best(made[:count], ONE_STAGE) for count in range(1, CANDIDATES + 1)]
    first = made[: TWO_STAGES.k_global]
    ranking = rank([one.candidate for one in first], TWO_STAGES)
    parents = [tries[number] for number in ranking.best_first[: TWO_STAGES.m_global]]
    children = [
        maker.make(child, made[child.parent.number])
        for child in local_tries(TWO_STAGES, ENGINE, SEED, parents)
        if child.parent is not None
    ]
    both = [*first, *children]
    removal = hole.removal
    return Searched(
        removal.name,
        hole.source,
        hole.part,
        removal.group,
        int((removal.hole > 0).sum()),
        _rows(made, ONE_STAGE),
        _rows(both, TWO_STAGES),
        tuple(best_of),
        _best(both, TWO_STAGES),
    )


def _best(made: Sequence[Made], plan: SearchPlan) -> int:
    return rank([one.candidate for one in made], plan).best.number


def _rows(made: Sequence[Made], plan: SearchPlan) -> tuple[Row, ...]:
    ranked = rank([one.candidate for one in made], plan).by_number
    rows = []
    for one in made:
        candidate = ranked[one.tried.number]
        scores = dict(one.judgement.parts) | dict(candidate.scores)
        if candidate.potential is not None:
            scores[POTENTIAL] = candidate.potential
        seconds = one.cpu_seconds + one.judge_seconds
        rows.append(Row(one.tried.variation.name, candidate.parent, one.look, seconds, scores))
    return tuple(rows)
