"""The schedule of bad luck: seeded, complete, and in the first part of the run."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from perf.service.soak.orders import ORDERS
from perf.service.soak.schedule import EVENTS, GAP_S, MODELS, STORM, schedule


@pytest.mark.parametrize("load_s", [40.0, 110.0, 1770.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_kind_of_event_comes_within_the_storm(seed, load_s):
    events = schedule(seed, load_s)
    assert {event.kind for event in events} == set(EVENTS)
    times = [event.at_s for event in events]
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] < STORM * load_s
    assert all((event.lasts_s > 0) is bool(event.kind.lasts_s) for event in events)


def test_the_same_seed_gives_the_same_schedule_and_another_one_another():
    assert schedule(7, 300.0) == schedule(7, 300.0)
    assert schedule(7, 300.0) != schedule(8, 300.0)


def test_a_long_run_has_each_event_several_times_and_time_to_recover_between():
    events = schedule(1, 1770.0)
    counts = Counter(event.kind.name for event in events)
    assert min(counts.values()) >= 3
    gaps = [b.at_s - a.at_s for a, b in itertools.pairwise(events)]
    assert min(gaps) > 0.6 * GAP_S


@pytest.mark.parametrize("seed", range(5))
def test_no_two_restarts_of_the_server_follow_each_other(seed):
    restarts = [event.kind.restarts for event in schedule(seed, 1770.0)]
    assert not any(a and b for a, b in itertools.pairwise(restarts))


def test_every_affected_kind_can_be_ordered_here():
    affected = {kind.affects for kind in EVENTS if kind.affects} | set(MODELS.values())
    assert all(ORDERS[name].refused is None for name in affected)
