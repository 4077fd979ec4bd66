"""The clock of a request: what stages take is never counted twice."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.orchestrator.control import Control, StageTimes


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


# Each event: time goes by, then a stage begins, or the one that has run longest ends.
EVENTS = st.lists(
    st.tuples(st.floats(0, 100), st.sampled_from(["labels", "floor", "steps", None])), max_size=40
)


@given(EVENTS)
def test_overlapping_stages_never_sum_to_more_than_the_time_that_passed(events):
    clock = Clock()
    times, running = StageTimes(clock), []
    busy = 0.0
    for passed, stage in events:
        clock.now += passed
        busy += passed * bool(running)
        if stage is not None:
            running.append(ExitStack())
            running[-1].enter_context(times.measured(stage))
        elif running:
            running.pop(0).close()
    spent = times.ms()
    assert all(ms >= 0 for ms in spent.values())
    # Nothing is lost either, but for the rounding.
    assert 1000 * busy - 0.01 * len(spent) - 1e-6 <= sum(spent.values()) <= 1000 * busy + 1e-6


def test_stages_at_once_share_the_time_and_one_alone_has_it_all():
    clock = Clock()
    times = StageTimes(clock)
    with times.measured("floor"):
        clock.now += 1
        with times.measured("labels"):
            clock.now += 2
        clock.now += 4
    assert times.ms() == {"floor": 6000, "labels": 1000}


def test_a_stage_that_fails_is_measured_and_clocks_with_a_reserve_share_the_times():
    clock = Clock()
    control = Control(60_000, clock=clock)

    def broken() -> None:
        with control.reserving(1000).stage("steps"):
            clock.now += 3
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        broken()
    assert control.stage_ms == {"steps": 3000}


def test_no_stage_begins_past_the_deadline():
    clock = Clock()
    control = Control(1000, clock=clock)
    clock.now += 2
    with pytest.raises(PawfectError) as caught, control.stage("steps"):
        pass
    assert caught.value.kind is ErrorKind.DEADLINE
    assert control.stage_ms == {}


def test_a_reserving_clock_ends_early_and_shares_the_rest():
    cancelled = False
    control = Control(10_000, lambda: cancelled)
    early = control.reserving(4000).reserving(1000)
    assert early.started == control.started
    assert 4000 < control.remaining_ms() - early.remaining_ms() < 5001
    with early.stage("denoise"):
        pass
    assert "denoise" in control.stage_ms
    late_clock = control.reserving(11_000)
    control.check("x")
    for clock, kind in ((late_clock, ErrorKind.DEADLINE), (early, ErrorKind.CANCELLED)):
        cancelled = kind is ErrorKind.CANCELLED
        with pytest.raises(Exception, match=kind.value):
            clock.check("x")
