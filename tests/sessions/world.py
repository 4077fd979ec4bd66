"""A model of everything around one session: a clock, a store, a queue, workers that may die.

A worker is a generator of effects, each one call to a store; between two of them anything may
happen. The world carries them out, on dictionaries here and on a real store in a subclass.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from pawfect.errors import ErrorKind, PawfectError, QueueAction
from pawfect_sessions import transitions as t
from pawfect_sessions.contract import EDITED, MOVES, PREVIEW, JobContract, Status
from pawfect_sessions.documents import attempt_path, from_document, session_path
from pawfect_sessions.impossible import readable
from pawfect_sessions.parts import Cost
from pawfect_sessions.sessions import deciding
from pawfect_sessions.stores.base import Document

UID, SID = "u", "s"
CONTRACT = JobContract(
    label_waits=2, passing_failures=2, starts=4, publications=2, job_s=300.0, fill_s=60.0
)
# Made from each start, so that files tell whose they are.
NAMES = (EDITED, PREVIEW)
PASSING = PawfectError(ErrorKind.UNAVAILABLE, "server: away")
PERMANENT = PawfectError(ErrorKind.INVALID_ARG, "MASK: expected another one")


class Fate(enum.Enum):
    """What a look at the running fill finds."""

    DONE = "done"
    RUNNING = "running"
    PASSING = "passing"
    PERMANENT = "permanent"


@dataclass(frozen=True)
class Move:
    """A transition of the session's document."""

    transition: Any
    named: dict[str, Any]


@dataclass(frozen=True)
class Put:
    path: str
    data: bytes


@dataclass(frozen=True)
class Copy:
    source: str
    target: str


@dataclass(frozen=True)
class Delete:
    path: str


@dataclass(frozen=True)
class Fill:
    """A look at the fill; answered with a Fate."""


Effect = Move | Put | Copy | Delete | Fill
Work = Generator[Effect, Any, QueueAction | None]


def content(job: str, start: int, name: str) -> bytes:
    return f"{job}-{start}-{name}".encode()


def work(job: str, owner: str) -> Work:
    """A worker's way through one delivery, as the contract has it."""
    mine = {"job": job, "owner": owner}
    step = yield Move(t.take_up, mine)
    if step.answer is t.Answer.RUN:
        start = step.session.counts.starts
        fate = yield Fill()
        while fate is Fate.RUNNING:
            step = yield Move(t.extend_lease, mine)
            if step.answer is t.Answer.LATE:
                fate = Fate.PASSING
            elif step.answer is not t.Answer.GO_ON:
                return step.answer.queue
            else:
                fate = yield Fill()
        if fate is not Fate.DONE:
            passing = fate is Fate.PASSING
            move, error = (
                (t.passing_failure, PASSING) if passing else (t.permanent_failure, PERMANENT)
            )
            step = yield Move(move, {**mine, "error": error})
            return step.answer.queue
        files = [attempt_path(UID, SID, job, start, name) for name in NAMES]
        for path, name in zip(files, NAMES, strict=True):
            yield Put(path, content(job, start, name))
        cost = Cost(amount=float(start), unit="USD", seconds=1.0)
        claim = {"uid": UID, "sid": SID, **mine, "report": "{}", "cost": cost}
        step = yield Move(t.claim_result, claim)
        if step.answer is not t.Answer.WON:
            for path in files:
                yield Delete(path)
    if step.answer not in (t.Answer.WON, t.Answer.PUBLISH):
        return step.answer.queue
    return (yield from publish(job, mine, step.session.result))


def publish(job: str, mine: dict[str, Any], result: Any) -> Work:
    """Copy a claimed result to its names and complete the job."""
    for source, name in zip((result.edited, result.preview), NAMES, strict=True):
        step = yield Move(t.extend_lease, mine)
        if step.answer is t.Answer.LATE:
            step = yield Move(t.put_back, mine)
        if step.answer is not t.Answer.GO_ON:
            return step.answer.queue
        if not (yield Copy(source, session_path(UID, SID, name))):
            step = yield Move(t.permanent_failure, {**mine, "error": PERMANENT})
            return step.answer.queue
    step = yield Move(t.complete, {"uid": UID, "sid": SID, "job": job})
    return step.answer.queue


@dataclass
class Message:
    job: str
    visible: float
    nacks: int = 0
    deliveries: int = 0
    receipt: str = ""
    name: str = ""


@dataclass
class Worker:
    """One worker on one delivery, before its next effect."""

    owner: str
    message: Message
    steps: Work
    effect: Effect


@dataclass
class World:
    """One session and all that happens to it. `edited` says that somebody wrote by hand."""

    now: float = 1e9
    messages: list[Message] = field(default_factory=list)
    workers: dict[int, Worker] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    document: Document | None = None
    costs: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    ends: dict[str, Any] = field(default_factory=dict)
    names: int = 0
    granted: Counter[tuple[str, Any, t.Answer]] = field(default_factory=Counter)
    vanished: bool = False
    gone_back: float = 0.0

    # --- the store, in memory -------------------------------------------------------------------

    def read(self) -> Document | None:
        return self.document

    def write(self, document: Document | None) -> None:
        """Replace the document by hand."""
        self.document = document

    def transact(self, decide: Any) -> Any:
        change = decide(self.document, self.now)
        if change.document is not None:
            self.document = change.document
        return change.answer

    def put(self, path: str, data: bytes) -> None:
        self.files[path] = data

    def copy(self, source: str, target: str) -> bool:
        if source not in self.files:
            return False
        self.files[target] = self.files[source]
        return True

    def get(self, path: str) -> bytes | None:
        return self.files.get(path)

    def delete(self, path: str) -> None:
        self.files.pop(path, None)

    # --- the queue: `messages` says what it has, and when each is due by the script's clock ------

    def publish(self, job: str) -> None:
        self.messages.append(Message(job, self.now))

    def take(self, message: Message) -> None:
        """A worker has the message in its hands, whoever had it before."""

    def answer(self, message: Message, action: QueueAction) -> None:
        """Tell the queue what becomes of it."""

    # --- what happens ---------------------------------------------------------------------------

    def name(self, of: str) -> str:
        self.names += 1
        return f"{of}{self.names}"

    def move(self, transition: Any, **named: Any) -> t.Step:
        """Make a move, and hold what it wrote against what was there."""
        before = self.read()
        step = self.transact(
            deciding(UID, SID, lambda session, now: transition(session, now, CONTRACT, **named))
        )
        assert isinstance(step, t.Step)
        self.check(before, self.read())
        granted = transition, step.answer
        if granted in _GRANTED:
            assert step.session
            assert step.session.job == named["job"], "a grant for another job"
            self.granted[named["job"], *granted] += 1
            assert self.granted[named["job"], *granted] <= _GRANTED[granted], granted
            assert before
            self.check_lease(before, step.answer, named.get("owner"))
        if transition is t.expire and step.answer is t.Answer.FAILED:
            assert before
            held = before["lease"] and before["lease"]["until"] - self.now
            assert not held or not 0 < held <= CONTRACT.lease_s, "given up in somebody's hands"
        return step

    def check_lease(self, before: Document, answer: t.Answer, owner: str | None) -> None:
        """Hold a grant against the lease that was there."""
        lease = before["lease"]
        if answer in (t.Answer.RUN, t.Answer.PUBLISH):
            assert lease is None or lease["until"] <= self.now, "taken from one who holds it"
        elif answer in (t.Answer.WON, t.Answer.PUT_BACK):
            assert lease, "given by one who holds nothing"
            assert lease["owner"] == owner, "given by one who holds it no longer"
        if answer is t.Answer.RUN:
            assert self.now < before["jobDeadline"], "started too late"

    def check(self, before: Document | None, after: Document | None) -> None:
        if after is None:
            return
        job, status = after["job"], Status(after["processingStatus"])
        if before and before.get("job") == job and possible(before):
            old = Status(before["processingStatus"])
            assert status is old or status in MOVES[old], (old, status)
        elif before and possible(before):
            over = before["queuedAt"] + CONTRACT.over_s <= self.now
            assert Status(before["processingStatus"]).final or over, "a job without an end"
        for seen, value in (
            (self.costs, after["cost"]),
            (self.results, after["result"]),
            (self.ends, status.final and (status, after["error"])),
        ):
            if value:
                assert seen.setdefault(job, value) == value, "one cost, one result, one end"
        assert possible(after), "a move that writes what no move reads"
        done = {"stage": "done", "share": 1.0}
        if status.final:
            assert after["progress"] == (done if status is Status.COMPLETED else None)
        counts = after["counts"]
        assert counts["labelWaits"] <= CONTRACT.label_waits
        assert counts["passingFailures"] <= CONTRACT.passing_failures + 1
        assert counts["starts"] <= CONTRACT.starts
        assert counts["publications"] <= CONTRACT.publications
        if status is Status.COMPLETED and not self.vanished:
            start = after["result"]["start"]
            assert self.get(after["result"]["edited"]) == content(job, start, EDITED)
            assert self.get(after["result"]["preview"]) == content(job, start, PREVIEW)

    def post(self, published: bool = True) -> None:
        """A client queues the session; the API may die before it has published."""
        job = self.name("job")
        step = self.move(t.queue_job, uid=UID, sid=SID, job=job, request={})
        assert step.session
        if published:
            self.publish(step.session.job)

    def visible(self) -> list[Message]:
        return sorted(
            (message for message in self.messages if message.visible <= self.now),
            key=lambda message: message.visible,
        )

    def deliver(self, worker: int) -> None:
        if worker in self.workers or not (messages := self.visible()):
            return
        message, owner = messages[0], self.name("owner")
        message.deliveries += 1
        assert message.deliveries <= CONTRACT.deliveries, "a dead letter"
        message.receipt, message.visible = owner, self.now + CONTRACT.lease_s
        self.take(message)
        steps = work(message.job, owner)
        self.workers[worker] = Worker(owner, message, steps, next(steps))

    def step(self, number: int, fate: Fate) -> None:
        """Let a worker do its next effect; at its end it answers the queue."""
        if (worker := self.workers.get(number)) is None:
            return
        answer = self.carry_out(worker, fate)
        try:
            worker.effect = worker.steps.send(answer)
        except StopIteration as end:
            del self.workers[number]
            self.settle(worker, end.value)

    def carry_out(self, worker: Worker, fate: Fate) -> Any:
        effect = worker.effect
        if isinstance(effect, Move):
            step = self.move(effect.transition, **effect.named)
            if step.answer is t.Answer.GO_ON and worker.message.receipt == worker.owner:
                worker.message.visible = self.now + CONTRACT.lease_s
            return step
        if isinstance(effect, Put):
            return self.put(effect.path, effect.data)
        if isinstance(effect, Copy):
            return self.copy(effect.source, effect.target)
        if isinstance(effect, Delete):
            return self.delete(effect.path)
        return fate

    def settle(self, worker: Worker, action: QueueAction | None) -> None:
        message = worker.message
        assert action in (QueueAction.ACK, QueueAction.NACK)
        if message.receipt != worker.owner or message not in self.messages:
            return
        self.answer(message, action)
        if action is QueueAction.ACK:
            self.messages.remove(message)
        else:
            message.nacks += 1
            message.receipt = ""
            message.visible = self.now + CONTRACT.backoff_s(message.nacks)

    def crash(self, number: int, after: bool) -> None:
        """A worker dies before its next effect, or just after it."""
        if worker := self.workers.pop(number, None):
            if after:
                self.carry_out(worker, Fate.DONE)
            worker.steps.close()

    # --- how it ends ----------------------------------------------------------------------------

    def settle_down(self, fate: Fate) -> None:
        """Go on without any more trouble until nothing is left to do; hold it to the contract."""
        begin = self.now
        most = len(self.messages) * CONTRACT.most_deliveries + len(self.workers)
        busy = list(self.workers)
        for _ in range(100 * (most + 1)):
            for number in busy:
                self.step(number, fate)
            busy = [number for number in busy if number in self.workers]
            if busy:
                self.now += CONTRACT.lease_s / 3 if fate is Fate.RUNNING else 0.1
                continue
            if not self.messages:
                break
            self.now = max(self.now, min(message.visible for message in self.messages))
            self.deliver(0)
            busy = [0]
        assert not self.messages, "a message that comes for ever"
        if (document := self.read()) is None:
            return
        session = readable(UID, SID, document, self.now)
        if session.expires_at is not None:
            # Its message was lost: whoever reads it after its time ends it.
            expires = min(session.expires_at, session.queued_at + CONTRACT.over_s)
            self.now = max(self.now, expires)
            if self.move(t.expire).answer is t.Answer.GO_ON:
                self.now += CONTRACT.lease_s
            session = self.move(t.expire).session  # type: ignore[assignment]
        assert session.final
        assert session.processing_status in (Status.CANCELLED, Status.FAILED) or session.cost
        assert self.now - begin < 20 * CONTRACT.over_s + self.gone_back


# What a job may be granted in all, counted here and not by the document.
_GRANTED = {
    (t.take_up, t.Answer.WAIT_FOR_LABELS): CONTRACT.label_waits,
    (t.take_up, t.Answer.RUN): CONTRACT.starts,
    (t.take_up, t.Answer.PUBLISH): CONTRACT.publications,
    (t.passing_failure, t.Answer.PUT_BACK): CONTRACT.passing_failures,
    # By whoever has won, and by each who publishes after him.
    (t.put_back, t.Answer.PUT_BACK): 1 + CONTRACT.publications,
    (t.set_labels, t.Answer.RECORDED): 1,
    (t.claim_result, t.Answer.WON): 1,
    (t.complete, t.Answer.COMPLETED): 1,
}


def possible(document: Document) -> bool:
    try:
        from_document(UID, SID, document)
    except PawfectError:
        return False
    return True
