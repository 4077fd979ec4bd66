"""Comparing as a move: bounded, once a pair, and gone with the job that it was about."""

from __future__ import annotations

import json
from functools import partial
from itertools import combinations
from typing import Any

import pytest

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs.comparing import compare, preferred, ranks_of
from pawfect_service.jobs.document import from_document
from pawfect_service.jobs.fields import MOST_COMPARISONS, Comparison
from pawfect_service.jobs.kinds import SEARCH
from pawfect_service.jobs.move import Answer
from pawfect_service.process.comparisons_command import agreement_in
from pawfect_service.sessions import deciding
from pawfect_service.variants.agreement import Agreement, agreement_of
from tests.service.jobs.session import CONTRACT, COST, RunSession


def candidate(number: int, potential: Any, **more: Any) -> dict[str, Any]:
    return {"number": number, "potential": potential, "error": None, **more}


REPORT = json.dumps({"candidates": [candidate(n, n / 10, above_floor=n != 9) for n in range(30)]})


class Searched(RunSession):
    """A completed search of thirty candidates; the ninth is under the floor."""

    def __init__(self) -> None:
        super().__init__()
        self.document = None
        self("queue_job", job="j1", kind=SEARCH, request={"k_global": 30})
        self.start()
        self("claim_result", job="j1", owner="w1", report=REPORT, cost=COST)
        self.complete()

    def compared(self, left: int, right: int, choice: Any) -> Answer:
        move = partial(compare, left=left, right=right, choice=choice)
        change = deciding("u", self.sid, CONTRACT, move)(self.document, self.now)
        if change.document is not None:
            self.document = json.loads(json.dumps(change.document))
        answer = change.answer.answer
        assert isinstance(answer, Answer)
        return answer


def test_a_search_has_so_many_comparisons_and_no_more():
    session = Searched()
    pairs = list(combinations(range(30), 2))
    for left, right in pairs[:MOST_COMPARISONS]:
        assert session.compared(left, right, "left") is Answer.RECORDED
    with pytest.raises(PawfectError, match=f"comparisons: expected at most {MOST_COMPARISONS}"):
        session.compared(*pairs[MOST_COMPARISONS], "left")
    assert session.compared(*pairs[0], "left") is Answer.RECORDED, "it is there already"
    assert len(session.session.job_comparisons) == MOST_COMPARISONS


def test_a_comparison_changes_nothing_else_and_is_absent_where_there_is_none():
    session = Searched()
    assert session.document is not None
    assert "jobComparisons" not in session.document
    before = session.session
    session.now += 5
    session.compared(3, 4, "right")
    (said,) = session.session.job_comparisons
    assert said == Comparison(left=3, right=4, choice="right", at=session.now)
    same = {"job_comparisons": (), "updated_at": before.updated_at}
    assert session.session.model_copy(update=same) == before


@pytest.mark.parametrize(
    "edited",
    [
        [{"left": 1, "right": 1, "choice": "left", "at": 1.0}],
        [{"left": 1, "right": 2, "choice": "both", "at": 1.0}],
        [{"left": 1, "right": 2, "choice": "left", "at": 1.0}] * (MOST_COMPARISONS + 1),
        "none",
    ],
)
def test_comparisons_edited_by_hand_into_something_else_are_an_impossible_document(edited):
    session = Searched()
    document = {**(session.document or {}), "jobComparisons": edited}
    with pytest.raises(PawfectError, match=r"document\.jobComparisons"):
        from_document("u", session.sid, document)


def test_the_search_prefers_by_floor_then_potential_and_says_nothing_without_one():
    ranks = ranks_of(
        json.dumps(
            {
                "candidates": [
                    candidate(0, 6.0),
                    candidate(1, 9.0, above_floor=False),
                    candidate(2, 6.0),
                    candidate(3, None),
                    candidate(4, 9.9, error="no memory"),
                    candidate(5, True),
                    "six",
                ]
            }
        )
    )
    assert preferred(ranks, 0, 1) == "left", "what is under the floor wins over nothing above it"
    assert preferred(ranks, 1, 0) == "right"
    assert preferred(ranks, 0, 2) == "none"
    assert [preferred(ranks, 0, n) for n in (3, 4, 5, 6)] == [None] * 4
    for broken in (None, "", "[]", "{}", '{"candidates": 3}'):
        assert ranks_of(broken) == {}


def test_all_searches_together_are_counted_without_what_was_edited():
    session = Searched()
    for left, right, choice in ((1, 2, "right"), (2, 5, "left"), (9, 8, "right"), (3, 4, "none")):
        session.compared(left, right, choice)
    document = session.document or {}
    assert agreement_of(REPORT, session.session.job_comparisons) == Agreement(4, 3, 2)
    edited = {**document, "jobComparisons": [*document["jobComparisons"][:1], {"left": "x"}, 7]}
    never = {"report": REPORT}
    assert agreement_in([document, edited, never]) == (2, Agreement(5, 4, 3))
    assert Agreement().share is None
