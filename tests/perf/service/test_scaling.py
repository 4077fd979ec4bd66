"""The simulation of the queue: against queueing theory, against itself, and the rule it runs."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.service.scaling.rule import Autoscaler, load_rule
from perf.service.scaling.simulation import CONTRACT, HOUR_S, Load, Service, Simulation, quantile

CARD = Service("card", 1, 10.0, 0.0, 1, 0.0, 1.0)
ROOT = Path(__file__).parents[3]


def simulated(service=CARD, load=None, slots=100, replicas=1, **more):
    return Simulation(service, load or Load(180.0), slots, replicas, **more).run()


@pytest.mark.parametrize("busy", [0.3, 0.8])
def test_one_replica_waits_as_queueing_theory_says(busy):
    # Poisson arrivals, a fixed time, one server: Pollaczek and Khinchine.
    load = Load(busy * HOUR_S / CARD.step_s, hours=200, label_s=0)
    waits = simulated(load=load).waits_s
    expected = busy * CARD.step_s / (2 * (1 - busy))
    assert sum(waits) / len(waits) == pytest.approx(expected, rel=0.1)


def test_every_job_that_arrives_is_finished_and_a_seed_repeats_itself():
    load = Load(600, hours=2, burst=10)
    one, other = simulated(load=load, replicas=3), simulated(load=load, replicas=3)
    assert one == other
    assert len(one.totals_s) == len(one.waits_s) == pytest.approx(1200, rel=0.15)
    assert min(one.totals_s) >= CARD.alone_s - 1e-6


def test_jobs_that_share_a_card_take_turns_at_its_steps():
    # Two jobs of ten steps held at a time end together, after the time of both.
    service = replace(CARD, steps=10, step_s=1.0, in_flight=2)
    load = Load(20_000, hours=2.5 / HOUR_S, label_s=0)
    found = simulated(service, load)
    assert len(found.totals_s) > 4
    assert found.totals_s[0] > 18
    assert sum(found.totals_s) > 0
    beside = simulated(replace(service, lanes=2), load)
    assert beside.totals_s[0] == pytest.approx(10)
    assert max(beside.totals_s) < 0.7 * max(found.totals_s)


def test_a_job_waits_for_its_labels_no_longer_than_the_contract():
    load = Load(60, hours=10, labels_fail=1.0)
    found = simulated(load=load, replicas=8)
    assert found.unlabelled == len(found.totals_s)
    # The deadline is looked at when the message comes again.
    assert max(found.waits_s) <= CONTRACT.label_wait_s + CONTRACT.backoff_min_s * 2**4 + 60
    prompt = simulated(load=replace(load, labels_fail=0.0), replicas=8)
    assert prompt.unlabelled == 0
    assert quantile(prompt.waits_s, 0.5) <= 2 * CONTRACT.backoff_min_s


def test_more_replicas_wait_less_and_cost_more():
    load = Load(600, hours=4, burst=5)
    runs = [simulated(load=load, replicas=count) for count in (2, 4, 8)]
    waits = [quantile(run.waits_s, 0.95) for run in runs]
    assert waits == sorted(waits, reverse=True)
    assert [run.replica_s for run in runs] == sorted(run.replica_s for run in runs)


def test_the_rule_follows_a_burst_and_costs_less_than_replicas_for_its_peak():
    rule = load_rule()
    load = Load(300, hours=6, burst=10)
    scaled = simulated(load=load, rule=rule, replicas=rule.min_replicas)
    fixed = simulated(load=load, replicas=rule.max_replicas)
    alone = simulated(load=load, replicas=rule.min_replicas)
    counts = scaled.replicas
    assert min(counts) >= rule.min_replicas
    assert rule.min_replicas < max(counts) <= rule.max_replicas
    assert counts[-1] < max(counts)
    assert scaled.replica_s < fixed.replica_s
    assert quantile(scaled.waits_s, 0.95) < quantile(alone.waits_s, 0.95)


@given(st.lists(st.integers(0, 500), min_size=1, max_size=200))
def test_the_autoscaler_stays_within_its_bounds_and_is_slow_to_leave(backlogs):
    rule = load_rule()
    autoscaler, present, history = Autoscaler(rule), rule.min_replicas, []
    for index, backlog in enumerate(backlogs):
        now = index * rule.sync_s
        wanted = autoscaler.wanted(now, backlog, present)
        assert rule.min_replicas <= wanted <= rule.max_replicas
        needed = math.ceil(backlog / rule.jobs_per_replica)
        history.append((now, needed))
        if wanted < present:
            recent = [count for at, count in history if at >= now - rule.scale_down_s]
            assert max(recent) <= present + 1
            assert wanted >= min(max(needed, rule.min_replicas), rule.max_replicas)
        present = wanted


def test_requests_that_wait_within_the_servers_ask_for_replicas_too():
    rule = load_rule()
    # A backlog of nothing: nobody comes by the queue.
    assert Autoscaler(rule).wanted(0.0, 0, 1, pending=0) == rule.min_replicas
    three = math.ceil(3 * rule.pending_per_replica)
    assert Autoscaler(rule).wanted(0.0, 0, 1, pending=three) == 3
    # The larger need counts, and one within a tenth of what there is changes nothing.
    jobs = math.ceil(5 * rule.jobs_per_replica)
    assert Autoscaler(rule).wanted(0.0, jobs, 1, pending=three) == 5
    assert Autoscaler(replace(rule, pending_per_replica=10)).wanted(0.0, 0, 2, pending=21) == 2


def test_callers_past_the_queue_wait_less_where_pending_requests_count():
    card = replace(CARD, steps=10, step_s=1.0, in_flight=4)
    blind = replace(load_rule(), jobs_per_replica=1e6)
    load = Load(500, hours=3, burst=5, label_s=0)
    seen = simulated(card, load, rule=blind)
    unseen = simulated(card, load, rule=replace(blind, pending_per_replica=1e6))
    assert max(seen.replicas) > max(unseen.replicas) == 1
    assert quantile(seen.waits_s, 0.95) < quantile(unseen.waits_s, 0.95)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("pending_per_replica = 1", "pending_per_replica = 0", "pending_per_replica"),
        ("min_replicas = 1", "min_replicas = 9", "max_replicas"),
        ("sync_s = 15", "sync_s = 0", "sync_s"),
        ("sync_s = 15", "sync = 15", "expected"),
        ("start_s = 240", 'start_s = "soon"', "start_s"),
    ],
)
def test_an_impossible_rule_is_refused(tmp_path, old, new, says):
    text = (ROOT / "deploy/scaling.toml").read_text()
    path = tmp_path / "scaling.toml"
    path.write_text(text.replace(old, new))
    assert old in text
    with pytest.raises(ValueError, match=says):
        load_rule(path)
