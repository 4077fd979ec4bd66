"""What came of each variant, counted by hand."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pawfect_service.variants.answers import Figures, figures_of
from pawfect_service.variants.file import Rule, Variant, Variants
from pawfect_service.variants.intervals import mean_rating, share_of
from pawfect_service.variants.rule import fallen

FILE = Variants(
    "one",
    rule=Rule(4, failed=0.3, rating=3.0),
    variants=(
        Variant("high", "cutout", 25.0, False, {"preset": "high"}),
        Variant("idle", "cutout", 0.0, True, {"preset": "fast"}),
    ),
)


def job(variant: str | None, status: str = "completed", **fields: Any) -> dict[str, Any]:
    """A job's document, as far as it counts."""
    request = {} if variant is None else {"variant": variant}
    report = json.dumps({"sharpness": fields.pop("sharpness", None), **fields.pop("report", {})})
    rating = fields.pop("rating", None)
    document = {"processingStatus": status, "request": request, "report": report, **fields}
    return document if rating is None else {**document, "jobFeedback": {"rating": rating}}


def cost(seconds: float) -> dict[str, Any]:
    return {"cost": {"amount": 0.0, "unit": "USD", "seconds": seconds}}


SHORT = {"fallbacks": [{"stage": "network", "kind": "OUT_OF_MEMORY"}, {"kind": None}]}
JOBS = [
    job("high", rating=5, sharpness=0.5, **cost(1.0)),
    job("high", rating=4, sharpness=0.7, report=SHORT, **cost(2.0)),
    job("high", rating=2, **cost(3.0)),
    job("high", "failed", error={"kind": "OUT_OF_MEMORY", "message": "m"}),
    job("high", "failed", error={"kind": "INTERNAL", "message": "m"}),
    job("high", "cancelled"),
    job("high", "pending"),
    job("own-choice", rating=1, **cost(9.0)),
    job("former", **cost(4.0)),
    job("default", **cost(5.0)),
    job(None, rating=1),
]


def figures(
    documents: list[dict[str, Any]], variants: Variants | None = FILE
) -> dict[str, Figures]:
    return {each.variant: each for each in figures_of(documents, variants, "cutout")}


def test_each_variants_jobs_are_counted_and_others_left_out():
    found = figures(JOBS)
    assert list(found) == ["high", "idle", "default", "former", "own-choice"]
    high = found["high"]
    assert (high.share, high.staging, high.answers, high.ratings) == (25.0, False, 5, 3)
    assert high.rating
    assert high.rating.value == pytest.approx(11 / 3)
    assert high.failed
    assert (high.failed.value, high.out_of_memory and high.out_of_memory.value) == (0.4, 0.4)
    assert (high.seconds_p50, high.seconds_p95) == pytest.approx((2.0, 2.9))
    assert high.sharpness == pytest.approx(0.6)
    idle = found["idle"]
    assert (idle.share, idle.staging, idle.answers) == (0.0, True, 0)
    assert idle.rating is idle.failed is idle.seconds_p50 is idle.sharpness is None
    assert (found["default"].share, found["default"].answers) == (75.0, 1)
    assert (found["former"].share, found["own-choice"].share) == (None, None)
    assert [each.share for each in figures(JOBS, None).values()] == [None] * 4


@pytest.mark.parametrize(
    "edited",
    [
        {"report": "{"},
        {"report": 7},
        {"report": "[1]"},
        {"report": '{"fallbacks": 5, "sharpness": "high"}'},
        {"report": '{"fallbacks": [null, {"kind": ["x"]}]}'},
        {"report": '{"sharpness": NaN}'},
        {"jobFeedback": 5},
        {"jobFeedback": {"rating": 9}},
        {"jobFeedback": {"rating": True}},
        {"jobFeedback": {"rating": 5.0}},
        {"cost": [1]},
        {"cost": {"seconds": True}},
        {"cost": {"seconds": float("inf")}},
        {"request": "variant"},
        {"request": {"variant": 7}},
        {"error": "OUT_OF_MEMORY"},
    ],
)
def test_a_document_edited_by_hand_counts_as_far_as_it_can_be_read(edited: dict[str, Any]):
    one = figures([{**job("high", rating=4, sharpness=0.5, **cost(1.0)), **edited}])["high"]
    counts = one.answers, one.ratings, one.seconds_p50, one.sharpness
    for count, whole in zip(counts, (1, 1, 1.0, 0.5), strict=True):
        assert count in (whole, 0, None)
    assert one.answers == ("request" not in edited)
    assert not (one.failed and one.failed.value)


@pytest.mark.parametrize(("hits", "answers"), [(0, 1), (1, 1), (3, 20), (10, 10), (57, 300)])
def test_a_shares_interval_is_wilsons(hits: int, answers: int):
    found = share_of(hits, answers)
    assert found
    oracle = stats.binomtest(hits, answers).proportion_ci(0.95, method="wilson")
    assert found.value == hits / answers
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), abs=1e-9)
    assert share_of(0, 0) is None


@given(st.lists(st.integers(1, 5), min_size=1, max_size=60))
def test_a_ratings_interval_stays_within_the_ratings_and_holds_the_mean(ratings: list[int]):
    found = mean_rating(ratings)
    assert found
    assert found.value == pytest.approx(sum(ratings) / len(ratings))
    assert 1 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 5
    # As wide as the normal approximation by the ratings' own spread, but for Wilson's own factor,
    # 1 / sqrt(1 + z^2 / n), 0.94 at 30 ratings.
    mean, count = found.value, len(ratings)
    spread = math.sqrt(sum((each - mean) ** 2 for each in ratings) / count)
    if count >= 30:
        assert found.high - found.low >= 2 * 1.9599 * spread / math.sqrt(count) * 0.93


def test_ratings_of_one_and_five_alone_are_hits_and_misses():
    found, share = mean_rating([1] * 7 + [5] * 3), share_of(3, 10)
    assert found
    assert share
    ends = (share.value, share.low, share.high)
    assert (found.value, found.low, found.high) == pytest.approx([1 + 4 * end for end in ends])
    assert mean_rating([]) is None


def test_the_rule_takes_back_what_fails_or_is_not_liked_once_there_are_answers():
    def reasons(documents: list[dict[str, Any]], variants: Variants = FILE) -> dict[str, str]:
        return fallen(list(figures(documents, variants).values()), variants)

    failing = [job("high", "failed")] * 2 + [job("high")] * 2
    assert reasons(failing) == {"high": "50.0% of 4 failed, more than 30.0%"}
    assert reasons(failing[1:]) == {}, "three answers"
    assert reasons([job("high", "failed"), *[job("high")] * 3]) == {}
    disliked = [job("high", rating=each) for each in (1, 2, 3, 5)]
    assert reasons(disliked) == {"high": "4 ratings of 2.75 on average, less than 3"}
    assert reasons([*disliked[:3], job("high")]) == {}, "three ratings"
    assert reasons([job("idle", "failed")] * 4).keys() == {"idle"}, "staged"
    wrong = job("high", "failed", error={"kind": "INVALID_ARG", "message": "m"})
    assert reasons([wrong] * 9 + [job("high")] * 4) == {}, "the requests' own fault"
    assert figures([wrong, job("high")])["high"].answers == 1
    for free in ("default", "own-choice", "former"):
        assert reasons([job(free, "failed")] * 9) == {}
    nobody = Variants("one", rule=FILE.rule, variants=(Variant("high", "cutout"),))
    assert reasons(failing, nobody) == {}, "nobody gets it"
    assert reasons(failing, Variants("one", variants=FILE.variants)) == {}, "no rule"


def test_jobs_from_before_a_variants_stage_are_left_out_of_its_figures_alone():
    old = [job(name, "failed", queuedAt=99.0) for name in ("high", "default")]
    new = [job("high", queuedAt=100.0), job("high")]
    counted = {each.variant: each for each in figures_of(old + new, FILE, "cutout", {"high": 100})}
    assert (counted["high"].answers, counted["default"].answers) == (1, 1)
    assert counted["high"].failed
    assert counted["high"].failed.value == 0
