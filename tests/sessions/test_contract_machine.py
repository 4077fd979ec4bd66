"""Any order of events ends each job once: in a final state, within its bounds, at one cost."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from pawfect.errors import ErrorKind, PawfectError
from pawfect_sessions import transitions as t
from pawfect_sessions.documents import session_path
from pawfect_sessions.parts import SceneLabels
from tests.sessions.world import CONTRACT, SID, UID, Fate, Message, World

WORKERS = st.integers(0, 1)
FATES = st.sampled_from(Fate)
# Within a backoff, over the labels' deadline, over a lease, over a fill, over the job's deadline.
WAITS = st.sampled_from([0.5, 4.0, 16.0, 31.0, 61.0, 301.0])
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

    @initialize(published=st.booleans())
    def first(self, published: bool) -> None:
        self.world.post(published)

    @rule(number=WORKERS, steps=st.integers(1, 9), fate=FATES)
    def work(self, number: int, steps: int, fate: Fate) -> None:
        self.world.deliver(number)
        for _ in range(steps):
            self.world.step(number, fate)

    @rule(number=WORKERS, after=st.booleans())
    def crash(self, number: int, after: bool) -> None:
        self.world.crash(number, after)

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
            labels = SceneLabels(
                labels=("grass",),
                scores=(0.9,),
                coverage=(1.0,),
                source="sam3",
                model="m",
                timestamp=self.world.now,
            )
            self.world.move(t.set_labels, job=job, labels=labels)
        else:
            self.world.move(t.set_labels_error, job=job, error=NO_LABELS)

    @rule(published=st.booleans())
    def post(self, published: bool) -> None:
        self.world.post(published)

    @rule(held=st.booleans())
    def duplicate(self, held: bool) -> None:
        """The queue delivers a message twice, the one that is out among them."""
        if held and self.world.messages:
            self.world.messages[0].visible = self.world.now
        else:
            self.world.messages.append(Message(self.job(), self.world.now))

    @rule()
    def cancel(self) -> None:
        self.world.move(t.cancel)

    @rule()
    def expire(self) -> None:
        self.world.move(t.expire)

    @rule()
    def delete(self) -> None:
        self.world.write(None)

    @rule(edit=st.sampled_from(EDITS))
    def edited_by_hand(self, edit: dict[str, Any]) -> None:
        document = self.world.read()
        if document is not None:
            self.world.write({**document, **edit})
            # What was true of the job before is no longer held against it.
            world = self.world
            for seen in (world.costs, world.results, world.ends, world.granted):
                seen.clear()

    @rule(name=st.sampled_from(VANISHING))
    def file_vanishes(self, name: str) -> None:
        self.world.vanished = True
        self.world.delete(session_path(UID, SID, name))

    @rule(job=st.sampled_from(["job99", "owner1"]))
    def stray_message(self, job: str) -> None:
        self.world.messages.append(Message(job, self.world.now))

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


# The machine's events by number, for scripts: a byte chooses one, the next says how.
# Zero does nothing, so that a failing script shrinks to the events that matter.
PICK = (
    lambda machine, n: None,
    lambda machine, n: machine.work(n % 2, 1 + n // 2 % 9, list(Fate)[n // 18 % 4]),
    lambda machine, n: machine.work(n % 2, 1 + n // 2 % 3, Fate.DONE),
    lambda machine, n: machine.work(n % 2, 9, Fate.DONE),
    lambda machine, n: machine.crash(n % 2, n % 4 > 1),
    lambda machine, n: machine.wait((0.5, 4.0, 16.0, 31.0, 61.0, 301.0)[n % 6]),
    lambda machine, n: machine.clock_jumps((-86_400.0, -40.0, 40.0, 86_400.0)[n % 4]),
    lambda machine, n: machine.labels(n % 2 == 0),
    lambda machine, n: machine.post(n % 4 > 0),
    lambda machine, n: machine.duplicate(n % 2 == 0),
    lambda machine, n: (machine.cancel, machine.expire, machine.delete)[n % 3](),
    # Seldom, or every job would end by them.
    lambda machine, n: machine.edited_by_hand(EDITS[n % len(EDITS)]) if n < 40 else None,
    lambda machine, n: machine.file_vanishes(VANISHING[n % 2]) if n < 40 else None,
    lambda machine, n: machine.stray_message(("job99", "owner1")[n % 2]),
    lambda machine, n: machine.quiet((Fate.DONE, Fate.PASSING, Fate.RUNNING)[n % 3]),
)
# How many scripts: 10,000 are the suite's own.
RUNS = int(os.environ.get("PAWFECT_CONTRACT_RUNS", "10000"))


def play(machine: ContractMachine, script: bytes) -> None:
    """Let a script happen to a session, and then all come to an end."""
    machine.first(published=len(script) % 8 > 0)
    for which, how in zip(script[::2], script[1::2], strict=False):
        PICK[which % len(PICK)](machine, how)
    machine.teardown()


def bounded(count: int) -> settings:
    return settings(
        max_examples=count,
        stateful_step_count=20,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def test_an_undisturbed_job_completes_after_its_labels_were_waited_for() -> None:
    machine = ContractMachine()
    machine.first(published=True)
    machine.quiet(Fate.DONE)
    document = machine.world.read()
    assert document
    assert document["processingStatus"] == "completed"
    assert document["counts"] == {
        "labelWaits": 3,
        "passingFailures": 0,
        "starts": 1,
        "publications": 0,
    }
    assert machine.world.get(session_path(UID, SID, "edited.jpg")) == b"job1-1-edited.jpg"


def test_a_server_that_stays_away_fails_the_job_at_its_bound() -> None:
    machine = ContractMachine()
    machine.first(published=True)
    machine.labels(came=True)
    machine.quiet(Fate.PASSING)
    document = machine.world.read()
    assert document
    assert document["processingStatus"] == "failed"
    assert document["error"]["kind"] == "UNAVAILABLE"
    assert document["counts"]["passingFailures"] == CONTRACT.passing_failures + 1
    assert document["cost"] is None


def test_any_order_of_rules_ends_within_the_contract() -> None:
    run_state_machine_as_test(ContractMachine, settings=bounded(RUNS // 10))


@bounded(RUNS)
@given(script=st.binary(min_size=50, max_size=80))
def test_any_script_of_events_ends_within_the_contract(script: bytes) -> None:
    play(ContractMachine(), script)
