"""What a search tries, as a property of its plan."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect.contract.search import PRESETS, SearchParams, SearchPlan, search_plan
from pawfect.search.tries import (
    GUIDANCE,
    NEIGHBOURHOOD,
    RENOISED,
    SEED,
    UNDIFFUSED,
    WORST_PART,
    global_tries,
    local_tries,
)

# Proposer and engine.
WAYS = st.sampled_from(
    [
        *(("inpaint", engine) for engine in ("flux", "klein", "edit", "lama", "patch")),
        *(("edit", engine) for engine in ("edit", "klein")),
        *(("swap", engine) for engine in ("edit", "klein")),
    ]
)
SEEDS = st.integers(0, 2**63 - 1)


@st.composite
def plans(draw: st.DrawFn) -> SearchPlan:
    k_global = draw(st.integers(1, 64))
    weights = MappingProxyType({"consistency": 1.0, "realism": 1.0, "identity": 0.0})
    m_global = draw(st.integers(0, k_global))
    return SearchPlan(k_global, m_global, draw(st.integers(0, 16)), weights, 4.0)


@given(plans(), WAYS, SEEDS, st.randoms(use_true_random=False))
def test_numbers_follow_each_other_and_every_try_is_another(plan, way, seed, random):
    proposer, engine = way
    first = global_tries(plan, engine, seed, proposer)
    parents = random.sample(first, plan.m_global)
    children = local_tries(plan, engine, seed, parents, proposer)
    every = (*first, *children)
    assert [one.number for one in every] == list(range(plan.total))
    assert all(0 <= one.seed < 2**63 for one in every)
    made = {(one.seed, one.variation.name, one.parent and one.parent.number) for one in every}
    assert len(made) == plan.total
    assert every == (
        *global_tries(plan, engine, seed, proposer),
        *local_tries(plan, engine, seed, parents, proposer),
    )


@given(plans(), WAYS, SEEDS)
def test_the_undiffused_is_always_first_and_has_the_requests_seed(plan, way, seed):
    first, *others = global_tries(plan, way[1], seed, way[0])
    assert (first.variation.name, first.seed, first.phase) == (UNDIFFUSED, seed, "global")
    assert all(one.variation.name != UNDIFFUSED for one in others)


@given(plans(), SEEDS)
def test_children_start_from_their_parents_noise_only_where_it_had_some(plan, seed):
    parents = global_tries(plan, "flux", seed)[: plan.m_global]
    for child in local_tries(plan, "flux", seed, parents):
        assert child.phase == "local"
        assert child.variation.name in (RENOISED, NEIGHBOURHOOD)
        assert child.parent is not None
        if child.parent.variation.name == UNDIFFUSED:
            assert child.variation.name == RENOISED
    for child in local_tries(plan, "patch", seed, global_tries(plan, "patch", seed)[:1]):
        assert child.variation.name == WORST_PART


def test_edits_differ_by_seed_and_where_the_model_is_guided_by_guidance():
    plan = search_plan(SearchParams(proposer="edit", k_global=6))
    names = {
        engine: {one.variation.name for one in global_tries(plan, engine, 0, "edit")}
        for engine in ("edit", "klein")
    }
    assert names == {"edit": {UNDIFFUSED, SEED, GUIDANCE}, "klein": {UNDIFFUSED, SEED}}


def test_presets_make_as_many_as_they_say():
    totals = {name: search_plan(SearchParams(preset=name)).total for name in PRESETS}
    assert totals == {"eacps": 4 + 2 * 2, "photoreal": 8 + 3 * 4}


@pytest.mark.parametrize("engine", ["edit", "klein", "swap"])
def test_a_swap_is_drawn_at_each_size_once_however_many_candidates_there_are(engine):
    weights = MappingProxyType({"consistency": 1.0, "realism": 1.0, "identity": 0.0})
    tries = global_tries(SearchPlan(40, 0, 0, weights, 4.0), engine, 3, "swap")
    boosted = [one.variation.settings["step"] for one in tries if one.variation.name == "boosted"]
    assert boosted == [1, 2]
    assert len(tries) == (3 if engine == "swap" else 40)


def test_a_swap_at_another_size_has_no_neighbours_in_noise():
    weights = MappingProxyType({"consistency": 1.0, "realism": 1.0, "identity": 0.0})
    plan = SearchPlan(4, 4, 4, weights, 4.0)
    tries = global_tries(plan, "klein", 3, "swap")
    for child in local_tries(plan, "klein", 3, tries, "swap"):
        assert child.parent is not None
        if child.parent.variation.name in ("undiffused", "boosted"):
            assert child.variation.name == RENOISED
