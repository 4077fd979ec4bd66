"""Which candidate wins, and which judges count."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect.contract.scores import AXES, Judgement
from pawfect.contract.search import SearchPlan
from pawfect.contract.search_report import Candidate
from pawfect.scores.likeness import SIMILARITY
from pawfect.search.potential import can_be_beaten, rank, similarity_of


def plan(floor: float = 0.0, **weights: float) -> SearchPlan:
    given_ = {"consistency": 1.0, "realism": 1.0, "identity": 2.0} | weights
    return SearchPlan(4, 2, 2, MappingProxyType(given_), floor)


def candidate(number: int, **judges: dict[str, float]) -> Candidate:
    """One that some judges scored; an axis of -1 is silent."""
    judgements = tuple(
        Judgement(
            judge,
            {axis: score for axis, score in scores.items() if score >= 0},
            {axis: "429" for axis, score in scores.items() if score < 0},
        )
        for judge, scores in judges.items()
    )
    return Candidate(number, "global", number, "seed", judgements=judgements)


def local(consistency: float, realism: float = 5.0) -> dict[str, float]:
    return {"consistency": consistency, "realism": realism}


def test_the_potential_is_the_weighted_mean_of_what_is_scored():
    one = candidate(0, local=local(6, 9), gemini={**local(8, 7), "identity": 4})
    (ranked,) = rank([one], plan(consistency=1, realism=4, identity=1.5)).candidates
    assert ranked.scores == {"consistency": 7, "realism": 8, "identity": 4}
    assert ranked.potential == pytest.approx((1 * 7 + 4 * 8 + 1.5 * 4) / 6.5)


def test_a_judge_that_was_silent_on_one_candidate_counts_for_none():
    pair = [
        candidate(0, local=local(5), gemini=local(10)),
        candidate(1, local=local(6), gemini=local(-1)),
    ]
    ranking = rank(pair, plan())
    assert ranking.judges == {"consistency": ("local",), "realism": ("local", "gemini")}
    assert [one.scores["consistency"] for one in ranking.candidates] == [5, 6]
    assert ranking.silent == {"gemini: consistency": "it scored 1 of 2 candidates: 429"}
    assert ranking.best.number == 1


def test_an_axis_that_nobody_scored_has_no_weight():
    ranking = rank([candidate(0, local=local(6, 8))], plan(identity=100))
    assert ranking.candidates[0].potential == 7
    assert "identity" not in ranking.judges


def test_without_a_judge_that_counts_the_first_one_made_wins():
    ranking = rank([candidate(2), candidate(1)], plan())
    assert (ranking.best.number, ranking.best.potential) == (1, None)
    assert (
        rank([candidate(0, local=local(5))], plan(consistency=0, realism=0)).best.potential is None
    )


def test_under_the_floor_nothing_wins_while_something_is_above_it():
    low, high = candidate(0, local=local(3.9, 10)), candidate(1, local=local(4.0, 0))
    ranking = rank([low, high], plan(floor=4.0))
    assert ranking.best_first == (1, 0)
    assert [one.above_floor for one in ranking.candidates] == [False, True]
    assert can_be_beaten(rank([low], plan(floor=4.0)))


def test_a_candidate_that_failed_is_compared_with_none():
    failed = replace(candidate(0), error="INTERNAL: broken")
    ranking = rank([failed, candidate(1, local=local(2))], plan())
    assert ranking.best_first == (1,)
    assert ranking.judges["consistency"] == ("local",)
    assert ranking.candidates[0].potential is None


def test_nothing_beats_full_marks():
    assert not can_be_beaten(rank([candidate(0, local=local(10, 10))], plan()))
    assert can_be_beaten(rank([candidate(0, local=local(10, 9.99))], plan()))
    assert can_be_beaten(rank([candidate(0)], plan()))


SCORES = st.dictionaries(st.sampled_from(AXES), st.floats(0, 10), min_size=1)


@given(
    st.lists(st.dictionaries(st.sampled_from(["local", "a", "b"]), SCORES), min_size=1, max_size=6),
    st.floats(0, 10),
)
def test_the_order_is_that_of_floor_potential_and_number(judged, floor):
    every = [candidate(number, **judges) for number, judges in enumerate(judged)]
    ranking = rank(every, plan(floor))
    assert sorted(ranking.best_first) == list(range(len(every)))
    places = [ranking.by_number[number] for number in ranking.best_first]
    keys = [(not one.above_floor, -(one.potential or 0), one.number) for one in places]
    assert keys == sorted(keys)
    for one in ranking.candidates:
        assert one.potential is None or 0 <= one.potential <= 10 + 1e-9
    backwards = rank(every[::-1], plan(floor))
    assert backwards.best_first == ranking.best_first


def edits(*judged: dict[str, dict[str, float]], floor: float = 4.0):
    """The ranking of an unedited picture, the first, and of edits of it."""
    own = [candidate(number, **judges) for number, judges in enumerate(judged)]
    return rank(own, replace(plan(floor), unedited=True))


def test_an_unedited_picture_does_not_win_where_nobody_judged_identity():
    ranking = edits({"local": local(9, 9)}, {"local": local(5, 5)}, {"local": local(6, 6)})
    assert ranking.best_first == (2, 1, 0)
    assert ranking.candidates[0].potential == 9


def test_nor_by_the_floor_alone():
    ranking = edits(
        {"local": local(9, 3), "gemini": {"identity": 1}},
        {"local": local(3, 3), "gemini": {"identity": 9}},
        {"local": local(2, 3), "gemini": {"identity": 10}},
    )
    assert [one.above_floor for one in ranking.candidates] == [True, False, False]
    assert ranking.best_first == (2, 1, 0)


def test_it_wins_by_a_higher_potential_in_which_identity_counts():
    pair = {"local": local(9), "gemini": {"identity": 9}}, {"local": local(9)}
    same = {"local": local(9), "gemini": {"identity": 9}}
    worse = {"local": local(9), "gemini": {"identity": 8}}
    assert edits(pair[0], worse).best_first == (0, 1)
    assert edits(pair[0], same).best_first == (1, 0)
    assert edits(pair[0], pair[1]).best_first == (1, 0), "the judge of identity was silent"
    unweighted = [candidate(0, **same), candidate(1, **worse)]
    ranking = rank(unweighted, replace(plan(identity=0), unedited=True))
    assert ranking.best_first == (1, 0)


def test_it_is_what_there_is_where_no_edit_was_made():
    assert edits({"local": local(5)}).best_first == (0,)


def swap(number: int, similarity: float | None, **judges: dict[str, float]) -> Candidate:
    """A candidate of a swap, with the cosine that the local judge measured."""
    given_ = candidate(number, **{"local": local(5), **judges})
    own, *others = given_.judgements
    parts = {} if similarity is None else {SIMILARITY: similarity}
    return replace(given_, judgements=(replace(own, parts=parts), *others))


def swaps(*given_: Candidate, margin: float = 0.05):
    return rank(given_, replace(plan(), margin=margin))


def test_a_swap_below_the_raw_ones_identity_by_more_than_the_margin_never_wins():
    better = {"gemini": {"realism": 10, "identity": 10, "consistency": 10}}
    worse = {"gemini": dict.fromkeys(AXES, 0)}
    for similarity, wins in ((0.5, True), (0.45, True), (0.449, False), (-1.0, False)):
        ranking = swaps(swap(0, 0.5, **worse), swap(1, similarity, **better))
        assert ranking.best.number == (1 if wins else 0), similarity
        assert ranking.by_number[1].keeps_identity == wins


@pytest.mark.parametrize("lost", [None, float("nan"), float("inf")])
def test_a_face_that_cannot_be_compared_is_below_any_margin(lost):
    better = {"gemini": dict.fromkeys(AXES, 10)}
    ranking = swaps(swap(0, 0.1), swap(1, lost, **better))
    assert ranking.best_first == (0, 1)
    ranking = swaps(swap(0, lost), swap(1, 0.9, **better))
    assert ranking.best_first == (0, 1), "nor is anything compared with a raw swap without one"


def test_a_lost_face_silences_no_axis_for_those_that_kept_theirs():
    kept = {"local": {"consistency": 5.0, "realism": 5.0, "identity": 6.0}}
    lost = {"local": {"consistency": 5.0, "realism": 5.0, "identity": -1}}
    ranking = swaps(swap(0, 0.4, **kept), swap(1, 0.5, **kept), swap(2, None, **lost))
    assert ranking.judges["identity"] == ("local",)
    assert ranking.silent == {}
    assert "identity" not in ranking.by_number[2].scores


def test_without_a_raw_swap_or_a_margin_nobody_is_held_to_it():
    without = swaps(swap(1, 0.1), swap(2, 0.9))
    assert all(one.keeps_identity for one in without.candidates)
    failed = replace(swap(0, 0.9), error="INTERNAL: broken")
    assert swaps(failed, swap(1, 0.1)).best_first == (1,)
    ranking = rank([swap(0, 0.9), swap(1, 0.1)], plan())
    assert all(one.keeps_identity for one in ranking.candidates)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(-1, 1)),
            st.dictionaries(st.sampled_from(["local", "a"]), SCORES),
            st.booleans(),
        ),
        min_size=1,
        max_size=7,
    ),
    st.floats(0, 10),
    st.floats(0, 0.5),
    st.randoms(use_true_random=False),
)
def test_the_best_swap_is_never_below_the_raw_ones_identity_less_the_margin(
    given_, floor, margin, random
):
    every = []
    for number, (similarity, judges, fails) in enumerate(given_):
        one = swap(number, similarity, **judges)
        every.append(replace(one, error="INTERNAL: no") if fails and number else one)
    random.shuffle(every)
    ranking = rank(every, replace(plan(floor), margin=margin))
    raw, best = (ranking.by_number[number] for number in (0, ranking.best_first[0]))
    if best.number != 0:
        own, lowest = similarity_of(best), similarity_of(raw)
        assert own is not None
        assert lowest is not None
        assert own >= lowest - margin
    keeping = [ranking.by_number[number].keeps_identity for number in ranking.best_first]
    assert keeping == sorted(keeping, reverse=True), "all that keep it come first"
    allowed = {
        one.number
        for one in every
        if one.error is None
        and (
            one.number == 0
            or (
                given_[0][0] is not None
                and given_[one.number][0] is not None
                and given_[one.number][0] >= given_[0][0] - margin
            )
        )
    }
    assert {one.number for one in ranking.candidates if one.keeps_identity and not one.error} == (
        allowed
    )
