"""The planner: never past the deadline, never worse with more time, every class in its place."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect.diffusion.schedule import first_step
from pawfect.orchestrator import budget
from pawfect.orchestrator.planner import (
    LEAST_STEPS,
    Wish,
    choose,
    expected_ms,
    in_words,
    least_deadline_ms,
    plans,
    smaller,
)
from pawfect.picture.box import Box
from tests.pawfect.orchestrator.cards import SIZES, card, cards, wishes

deadlines = st.integers(1, 600_000)
T4 = card(25)
# A hole that needs the largest size, in a photo of 12 MP.
LARGE = Wish((Box(1000, 1000, 1700, 1700),), 3000, 4000, SIZES, steps=28)


@given(wishes(), cards, deadlines)
def test_no_plan_is_expected_past_the_deadline(wish, costs, deadline):
    plan = choose(wish, costs, deadline)
    if plan is not None:
        assert plan.expected_ms == pytest.approx(expected_ms(wish, plan, costs))
        assert plan.expected_ms <= budget.PLAN_SHARE * deadline


@given(wishes(), cards, deadlines, deadlines)
def test_a_longer_deadline_never_gives_a_worse_class(wish, costs, one, other):
    short, long = (choose(wish, costs, within) for within in sorted((one, other)))
    if short is not None:
        assert long is not None
        assert long.quality <= short.quality


@given(wishes(), cards, deadlines, st.floats(1, 10))
def test_a_faster_card_never_gives_a_worse_class(wish, costs, deadline, times):
    faster = replace(
        costs,
        step_ms=lambda tokens: costs.step_ms(tokens) / times,
        encode_ms=lambda pixels: costs.encode_ms(pixels) / times,
        decode_ms=lambda pixels: costs.decode_ms(pixels) / times,
    )
    slow, fast = (choose(wish, one, deadline) for one in (costs, faster))
    if slow is not None:
        assert fast is not None
        assert fast.quality <= slow.quality


@given(wishes(), cards)
def test_some_plan_fits_just_from_the_least_deadline_on(wish, costs):
    needed, least = least_deadline_ms(wish, costs)
    assert choose(wish, costs, needed) is not None
    assert choose(wish, costs, 0.99 * budget.PLAN_SHARE * (needed - 1)) is None
    assert all(plan.expected_ms >= least.expected_ms for plan in plans(wish, costs))


@given(wishes(), st.one_of(cards, st.none()))
def test_the_first_plan_is_all_that_was_wished(wish, costs):
    best, *others = plans(wish, costs)
    assert (best.quality, best.size, best.steps) == (0, wish.sizes[-1], wish.steps)
    assert [plan.quality for plan in others] == list(range(1, len(others) + 1))
    assert len({(plan.canvases, plan.steps) for plan in (best, *others)}) == 1 + len(others)
    for plan in (best, *others):
        assert len(plan.canvases) == len(wish.holes)
        assert min(LEAST_STEPS, wish.steps) <= plan.steps <= wish.steps


def test_the_classes_are_in_their_order():
    assert [(plan.size, plan.steps) for plan in plans(LARGE, T4)] == [
        (1024, 28), (1024, 21), (1024, 14),
        (768, 28), (768, 21), (768, 14),
        (512, 28), (512, 21), (512, 14), (512, 7),
    ]  # fmt: skip


def test_steps_that_the_request_names_outlast_the_size():
    named = replace(LARGE, steps=20, explicit=True)
    order = [(plan.size, plan.steps) for plan in plans(named, T4)]
    assert order[:4] == [(1024, 20), (768, 20), (512, 20), (1024, 15)]
    for deadline in range(1000, 200_000, 1000):
        plan = choose(named, T4, deadline)
        if plan is not None and plan.steps < 20:
            # Only where no size leaves them whole.
            assert all(
                other.expected_ms > budget.PLAN_SHARE * deadline
                for other in plans(named, T4)
                if other.steps == 20
            )


def test_a_size_that_changes_no_canvas_is_no_class():
    small = replace(LARGE, holes=(Box(1000, 1000, 1040, 1040),))
    assert [(plan.size, plan.steps) for plan in plans(small, T4)] == [
        (1024, 28), (1024, 21), (1024, 14), (512, 7),
    ]  # fmt: skip


def test_without_costs_only_the_sizes_are_left_to_choose():
    assert [(plan.size, plan.steps) for plan in plans(LARGE, None)] == [
        (1024, 28), (768, 28), (512, 28),
    ]  # fmt: skip
    assert choose(LARGE, None, 1) == next(plans(LARGE, None))


def test_eight_distilled_steps_at_768_px_fit_thirty_seconds_of_a_t4():
    plan = choose(replace(LARGE, sizes=SIZES[:2], steps=8, finds_labels=True), T4, 30_000)
    assert (plan.quality, plan.size, plan.steps) == (0, 768, 8)
    assert (
        in_words(plan) == f"{max(plan.canvases[0].height, plan.canvases[0].width)} px and 8 steps"
    )


@given(wishes(), cards, deadlines)
def test_where_memory_is_short_each_next_plan_has_a_smaller_canvas(wish, costs, within):
    plan = next(plans(wish, costs))
    tried = [max(canvas.tokens for canvas in plan.canvases)]
    while plan is not None:
        plan = smaller(wish, plan, costs, within)
        if plan is not None:
            assert plan.expected_ms <= within
            tried.append(max(canvas.tokens for canvas in plan.canvases))
    assert tried == sorted(set(tried), reverse=True)
    assert len(tried) <= len(wish.sizes)


@given(st.integers(1, 100), st.floats(0.05, 1))
def test_only_the_steps_that_run_are_counted(steps, strength):
    wish = replace(LARGE, sizes=SIZES[:1], steps=steps, strength=strength)
    plan = next(plans(wish, T4))
    none = expected_ms(wish, plan, replace(T4, step_ms=lambda tokens: 0.0))
    took = (plan.expected_ms - none) / T4.step_ms(plan.canvases[0].tokens)
    assert took == pytest.approx(steps - first_step(steps, strength))
