"""A discrete-event simulation of jobs, labels, workers and replicas, with SimPy.

A replica's GPU takes one denoising step after another: the steps of the jobs that it holds take
turns, and batching them gains nothing where a step alone fills the card, as it does on a T4 by
arithmetic. A CPU engine has a lane for each core.
"""

from __future__ import annotations

import math
import random
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import simpy

from pawfect_service.jobs.contract import JobContract
from perf.service.scaling.rule import Autoscaler, Rule

HOUR_S: Final = 3600.0
BURST_S: Final = 300.0
# Sigma of the logarithm of the time that labels take.
LABEL_SPREAD: Final = 0.5
# Bounds of the waiting for labels, and the backoff.
CONTRACT: Final = JobContract()
Process = Generator[simpy.Event, Any, None]


@dataclass(frozen=True)
class Service:
    """What one job takes on one replica alone.

    Attributes:
        name: of the card and engine.
        steps: pieces in which the work takes turns with other jobs'.
        step_s: of one piece, s.
        around_s: of what the job does besides, which others do not wait for, s.
        in_flight: jobs that one replica holds at a time.
        label_s: of the replica's work for the labels of a job, s, a piece of its own.
        price_per_hour: of a replica, US$.
        lanes: pieces that run side by side, none the slower for it.
    """

    name: str
    steps: int
    step_s: float
    around_s: float
    in_flight: int
    label_s: float
    price_per_hour: float
    lanes: int = 1

    @property
    def alone_s(self) -> float:
        """One job on an idle replica, s."""
        return self.steps * self.step_s + self.around_s


@dataclass(frozen=True)
class Load:
    """What arrives.

    Attributes:
        jobs_per_hour: mean rate, Poisson.
        hours: how long.
        burst: rate during a burst in the middle of each hour over the mean rate; 1: none.
        label_s: median time from the request until labels are there on an idle machine, beyond the
            GPU's own, s; 0: they come with the request.
        labels_fail: share of jobs whose labels never come.
    """

    jobs_per_hour: float
    hours: float = 4.0
    burst: float = 1.0
    label_s: float = 0.5
    labels_fail: float = 0.01


@dataclass
class Simulated:
    """What came of one simulation.

    Attributes:
        waits_s: from queued to the start of the fill, per finished job.
        totals_s: from queued to finished, likewise.
        replica_s: time that replicas were paid for, their start among it.
        unlabelled: jobs that went on without labels.
        replicas: that serve, at each look of the autoscaler.
    """

    waits_s: list[float] = field(default_factory=list)
    totals_s: list[float] = field(default_factory=list)
    replica_s: float = 0.0
    unlabelled: int = 0
    replicas: list[int] = field(default_factory=list)


def quantile(values: list[float], share: float) -> float:
    """Return a quantile; not a number where there are no values."""
    return float(np.quantile(values, share)) if values else math.nan


class _Replica:
    def __init__(self, env: simpy.Environment, service: Service) -> None:
        self.gpu = simpy.Resource(env, service.lanes)
        self.places = simpy.Resource(env, service.in_flight)


class Simulation:
    """One run; `run` returns what came of it.

    Args:
        service: what a job takes.
        load: what arrives.
        slots: jobs that all workers together hold at a time.
        replicas: how many serve from the start.
        rule: None: their number is fixed.
    """

    def __init__(
        self,
        service: Service,
        load: Load,
        slots: int,
        replicas: int,
        rule: Rule | None = None,
    ) -> None:
        self._service, self._load, self._rule = service, load, rule
        self._random = random.Random(0)
        self._env = simpy.Environment()
        self._workers = simpy.Resource(self._env, slots)
        self._ready = [_Replica(self._env, service) for _ in range(replicas)]
        self._asked = replicas
        self._backlog = 0
        self._changed = self._env.event()
        self._found = Simulated()

    def run(self) -> Simulated:
        """Simulate until all jobs that arrived are done."""
        arrivals = self._env.process(self._arrive())
        if self._rule is not None:
            self._env.process(self._scale(self._rule, arrivals))
        self._env.run(arrivals)
        while self._backlog:
            self._env.step()
        if self._rule is None:
            self._found.replica_s = len(self._ready) * self._env.now
        return self._found

    def _arrive(self) -> Process:
        load, last = self._load, self._load.hours * HOUR_S
        quiet = HOUR_S - BURST_S
        # The mean over the hour stays what was asked for.
        base = load.jobs_per_hour / (quiet + load.burst * BURST_S)
        while True:
            at = self._env.now % HOUR_S
            starts = (HOUR_S - BURST_S) / 2
            bursting = starts <= at < starts + BURST_S
            rate = base * (load.burst if bursting else 1.0)
            edge = next(e for e in (starts, starts + BURST_S, HOUR_S) if e > at) - at
            gap = self._random.expovariate(rate)
            # Memoryless: an arrival beyond the edge is drawn anew at the rate that holds there.
            yield self._env.timeout(min(gap, edge))
            if self._env.now >= last:
                return
            if gap <= edge:
                self._backlog += 1
                self._env.process(self._job())

    def _job(self) -> Process:
        env, load = self._env, self._load
        queued = env.now
        labelled = env.event()
        if load.label_s == 0:
            labelled.succeed()
        elif self._random.random() >= load.labels_fail:
            env.process(self._label(labelled))
        waits, backoff = 0, CONTRACT.backoff_min_s
        while True:
            slot = self._workers.request()
            yield slot
            late = env.now - queued >= CONTRACT.label_wait_s
            if labelled.triggered or late or waits >= CONTRACT.label_waits:
                break
            waits += 1
            self._workers.release(slot)
            yield env.timeout(backoff)
            backoff = min(2 * backoff, CONTRACT.backoff_max_s)
        self._found.unlabelled += not labelled.triggered
        yield from self._fill(queued)
        self._workers.release(slot)
        self._found.totals_s.append(env.now - queued)
        self._backlog -= 1

    def _label(self, labelled: simpy.Event) -> Process:
        load = self._load
        spread = math.exp(self._random.gauss(0.0, LABEL_SPREAD))
        yield self._env.timeout(load.label_s * spread)
        replica = self._random.choice(self._ready)
        with replica.gpu.request() as turn:
            yield turn
            yield self._env.timeout(self._service.label_s)
        labelled.succeed()

    def _fill(self, queued: float) -> Process:
        service = self._service
        while True:
            replica = min(self._ready, key=lambda one: one.places.count + len(one.places.queue))
            if replica.places.count < service.in_flight:
                break
            yield self._changed
        with replica.places.request() as place:
            yield place
            self._found.waits_s.append(self._env.now - queued)
            yield self._env.timeout(service.around_s)
            for _ in range(service.steps):
                with replica.gpu.request() as turn:
                    yield turn
                    yield self._env.timeout(service.step_s)
        self._tell()

    def _tell(self) -> None:
        self._changed.succeed()
        self._changed = self._env.event()

    def _scale(self, rule: Rule, arrivals: simpy.Process) -> Process:
        autoscaler = Autoscaler(rule)
        while arrivals.is_alive or self._backlog:
            # What Triton counts as pending: a job's step that waits while another's is computed.
            pending = sum(len(replica.gpu.queue) for replica in self._ready)
            wanted = autoscaler.wanted(self._env.now, self._backlog, self._asked, pending)
            for _ in range(wanted - self._asked):
                self._env.process(self._start(rule))
            # What goes ends what it holds; it is asked for nothing new.
            for _ in range(min(self._asked - wanted, len(self._ready) - 1)):
                self._ready.pop()
            self._asked = max(wanted, 1)
            self._found.replicas.append(len(self._ready))
            self._found.replica_s += self._asked * rule.sync_s
            yield self._env.timeout(rule.sync_s)

    def _start(self, rule: Rule) -> Process:
        yield self._env.timeout(rule.start_s)
        if len(self._ready) < self._asked:
            self._ready.append(_Replica(self._env, self._service))
            self._tell()
