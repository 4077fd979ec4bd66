"""Any order of events ends each job once: in a final state, within its bounds, at one cost."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.jobs import labelling
from pawfect_service.jobs import moves as t
from pawfect_service.jobs.feedback import rate
from pawfect_service.jobs.paths import session_path
from tests.service.jobs.session import LABELS
from tests.service.machine.driven_worker import SID, UID, Fate
from tests.service.machine.ledger import CONTRACT, possible
from tests.service.machine.world import World

WORKERS = st.integers(0, 1)
# Effects of a job that nothing disturbs, from its start to its end.
WHOLE = 13
STEPS_ON = st.integers(1, WHOLE)
FATES = st.sampled_from(Fate)
# Within a backoff, over the labels' deadline, over a lease, over a fill, over the job's deadline.
WAITS = st.sampled_from([0.5, 4.0, 16.0, 31.0, 61.0, 301.0])
# What ends a job at once, or every run would end by it.
SELDOM = st.sampled_from([True, False, False])
JUMPS = st.sampled_from([-86_400.0, -40.0, 40.0, 86_400.0])
NO_LABELS = PawfectError(ErrorKind.MODEL_DOWN, "sam3_labeling: down")
# Fields that somebody writes by hand.
EDITS: list[dict[str, Any]] = [
    {"processingStatus": "done"},
    {"processingStatus": "completed"},
    {"processingStatus": "processing", "lease": None, "result": None},
    {"lease": {"owner": "x", "since": 0, "until": 1e10}, "processingStatus": "processing"},
    {"lease": {"owner": "../x", "since": "0", "until": float("nan")}},
    {"counts": {"labelWaits": -1, "passingFailures": 0, "starts": 0, "publications": 0}},
    {"counts": None},
    {"job": 7},
    {"jobDeadline": "tomorrow"},
    {"jobDeadline": 1e11, "labelDeadline": 1e11, "expiresAt": 1e11},
    {"paths": {"original": "users/other/sessions/s/original.jpg", "mask": "m"}},
    {"result": {"start": 99, "edited": "x", "preview": "y"}},
    {"error": {"kind": "NO_SUCH", "message": ""}},
]


VANISHING = ("edited.jpg", "attempts/job1-1-edited.jpg")


class ContractMachine(RuleBasedStateMachine):
    """What clients, labels, workers, the queue and the clock may do to one session."""

    def make(self) -> World:
        return World()

    def __init__(self) -> None:
        super().__init__()
        self.world = self.make()

    @initialize(published=st.booleans(), labelled=st.booleans())
    def first(self, published: bool, labelled: bool) -> None:
        self.world.post(published)
        if labelled:
            self.labels(came=True)

    @rule(number=WORKERS, steps=STEPS_ON, fate=FATES)
    def work(self, number: int, steps: int, fate: Fate) -> None:
        if not self.world.messages:
            self.world.post()
        self.world.deliver(number)
        for _ in range(steps):
            self.world.step(number, fate)

    @rule(number=WORKERS, after=st.booleans())
    def crash(self, number: int, after: bool) -> None:
        self.world.crash(number, after)

    @rule(times=st.integers(1, 4), steps=STEPS_ON, after=st.booleans())
    def crash_again_and_again(self, times: int, steps: int, after: bool) -> None:
        for _ in range(times):
            self.work(0, steps, Fate.DONE)
            self.crash(0, after)
            self.world.now += CONTRACT.lease_s

    @rule(times=st.integers(1, 4), steps=STEPS_ON, number=WORKERS, made=st.booleans())
    def break_off(self, times: int, steps: int, number: int, made: bool) -> None:
        """The store breaks off in the middle of a call, which it has carried out or not."""
        for _ in range(times):
            self.work(number, steps - 1, Fate.DONE)
            self.world.break_off(number, made)
            self.world.now += CONTRACT.backoff_s(1)

    @rule(steps=STEPS_ON, seconds=st.sampled_from([31.0, 61.0]), fate=FATES)
    def stall(self, steps: int, seconds: float, fate: Fate) -> None:
        """A worker stands still in its work while others go on."""
        self.work(0, steps, fate)
        self.world.now += seconds
        self.work(1, WHOLE, Fate.DONE)

    @rule(seconds=WAITS)
    def wait(self, seconds: float) -> None:
        self.world.now += seconds

    @rule(seconds=JUMPS)
    def clock_jumps(self, seconds: float) -> None:
        self.world.now += seconds
        self.world.gone_back += max(-seconds, 0)

    @rule(came=st.booleans())
    def labels(self, came: bool) -> None:
        job = self.job()
        if came:
            self.world.move(labelling.set_labels, job=job, labels=LABELS)
        else:
            self.world.move(labelling.set_labels_error, job=job, error=NO_LABELS)

    @rule(published=st.booleans())
    def post(self, published: bool) -> None:
        self.world.post(published)

    @rule(held=st.booleans())
    def duplicate(self, held: bool) -> None:
        """The queue delivers a message twice, the one that is out among them."""
        if held and self.world.messages:
            self.world.messages[0].visible = self.world.now
        else:
            self.world.publish(self.job())

    @rule(really=SELDOM)
    def cancel(self, really: bool) -> None:
        if really:
            self.world.move(t.cancel)

    @rule(rating=st.integers(1, 5))
    def rate(self, rating: int) -> None:
        """The owner says how good the result is, whenever."""
        before = self.world.read()
        step = self.world.move(rate, rating=rating)
        completed = before is not None and before["processingStatus"] == "completed"
        assert (step.answer is t.Answer.RECORDED) == (completed and possible(before))

    @rule(really=SELDOM)
    def withdraw(self, really: bool) -> None:
        """The request of the present job fails at last, whatever has become of the job."""
        if really:
            self.world.withdraw(self.job())

    @rule()
    def expire(self) -> None:
        self.world.move(t.expire)

    @rule(really=SELDOM)
    def delete(self, really: bool) -> None:
        if really:
            self.world.write(None)

    @rule(edit=st.sampled_from(EDITS), really=SELDOM)
    def edited_by_hand(self, edit: dict[str, Any], really: bool) -> None:
        document = self.world.read()
        if document is not None and really:
            self.world.write({**document, **edit})
            self.world.ledger.forget()

    @rule(name=st.sampled_from(VANISHING))
    def file_vanishes(self, name: str) -> None:
        path = session_path(UID, SID, name)
        self.world.vanished |= self.world.get(path) is not None
        self.world.delete(path)

    @rule(job=st.sampled_from(["job99", "owner1"]))
    def stray_message(self, job: str) -> None:
        self.world.publish(job)

    def job(self) -> str:
        document = self.world.read()
        job = document["job"] if document else None
        return job if isinstance(job, str) else "job1"

    @rule(fate=st.sampled_from([Fate.DONE, Fate.PASSING, Fate.RUNNING]))
    def quiet(self, fate: Fate) -> None:
        """Nothing disturbs for a while: all ends, and the next rules start from there."""
        self.world.settle_down(fate)

    def teardown(self) -> None:
        self.world.settle_down(Fate.DONE)


# How many runs: a few each time, and as many as the environment says where all is run.
RUNS = int(os.environ.get("PAWFECT_CONTRACT_RUNS", "10000"))
FEW = 500
STEPS = 12


def bounded(count: int, steps: int = STEPS) -> settings:
    return settings(
        max_examples=count,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def test_an_undisturbed_job_completes_after_its_labels_were_waited_for() -> None:
    machine = ContractMachine()
    machine.first(published=True, labelled=False)
    machine.quiet(Fate.DONE)
    document = machine.world.read()
    assert document
    assert document["processingStatus"] == "completed"
    assert document["counts"] == {
        "labelWaits": 2,
        "passingFailures": 0,
        "starts": 1,
        "publications": 0,
    }
    assert machine.world.get(session_path(UID, SID, "edited.jpg")) == b"job1-1-edited.jpg"


def test_a_copy_that_comes_after_the_next_job_brings_no_old_picture_back() -> None:
    machine = ContractMachine()
    machine.first(published=True, labelled=True)
    while machine.world.get(session_path(UID, SID, "preview.jpg")) is None:
        machine.work(0, 1, Fate.DONE)
    machine.work(0, 1, Fate.DONE)
    late = machine.world.workers[0].effect
    assert late.call == "copy", "its lease was its own"
    source, target = late.args
    machine.wait(61.0)
    machine.work(1, 1, Fate.DONE)
    while machine.world.move(t.expire).answer is not t.Answer.OVER:
        machine.work(1, 1, Fate.DONE)
    machine.crash(1, after=False)
    assert machine.world.get(source), "its files are still there"
    machine.post(published=True)
    machine.labels(came=True)
    machine.work(1, 99, Fate.DONE)
    document = machine.world.read()
    assert document
    assert document["processingStatus"] == "completed"
    assert document["job"] != "job1"
    edited = machine.world.get(target)
    machine.work(0, 1, Fate.DONE)
    assert machine.world.get(target) == edited == f"{document['job']}-1-edited.jpg".encode()


@pytest.mark.parametrize("least", [FEW, pytest.param(RUNS, marks=pytest.mark.slow)])
def test_any_order_of_rules_ends_within_the_contract(least: int) -> None:
    runs = 0

    class Counted(ContractMachine):
        def __init__(self) -> None:
            nonlocal runs
            super().__init__()
            runs += 1

    run_state_machine_as_test(Counted, settings=bounded(least))
    assert runs >= least
