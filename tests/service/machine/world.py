"""A model of everything around one session: a clock, a store, a queue, workers that may die.

Workers are the real ones, driven by hand (`driven_worker`): each call to a store is an effect. The
world carries these out, on dictionaries
here and on a real store in a subclass, and holds each move against the contract (`ledger`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pawfect.contract.errors import QueueAction
from pawfect_service.jobs import moves as t
from pawfect_service.jobs.contract import Document, Status
from pawfect_service.jobs.kinds import INPAINT
from pawfect_service.jobs.kinds.inpaint import EDITED, PREVIEW
from pawfect_service.jobs.paths import session_path
from pawfect_service.jobs.repair import readable
from pawfect_service.sessions import deciding
from tests.service.machine.driven_worker import (
    SID,
    UID,
    DrivenHandler,
    Effect,
    Fate,
    Message,
    Worker,
    away,
    content,
)
from tests.service.machine.ledger import CONTRACT, Ledger

HANDLER = DrivenHandler(CONTRACT)


@dataclass
class World:
    """One session and all that happens to it.

    Attributes:
        given: how many requests were given each job while it was pending.
        vanished: whether somebody deleted files of the session.
    """

    now: float = 1e9
    messages: list[Message] = field(default_factory=list)
    workers: dict[int, Worker] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    document: Document | None = None
    ledger: Ledger = field(default_factory=Ledger)
    given: Counter[str] = field(default_factory=Counter)
    names: int = 0
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

    def list(self, folder: str) -> list[str]:
        return [path for path in self.files if path.startswith(f"{folder}/")]

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
        step = self.transact(deciding(UID, SID, CONTRACT, partial(transition, **named)))
        assert isinstance(step, t.Step)
        after = self.read()
        if after is not None:
            self.ledger.check_document(before, after, self.now)
        self.ledger.check(transition, step, before, self.now, named)
        if (transition, step.answer) == (t.complete, t.Answer.COMPLETED):
            assert after
            self.check_files(after, after["paths"]["edited"], after["paths"]["preview"])
            self.check_files(after, after["result"]["edited"], after["result"]["preview"])
        elif (transition, step.answer) == (t.result_gone, t.Answer.FAILED):
            assert self.vanished, "files of a claimed result that nobody has deleted are gone"
        return step

    def check_files(self, document: Document, edited: str, preview: str) -> None:
        """Hold a job's files against the start whose result it claimed."""
        start = document["result"]["start"]
        for path, name in ((preview, PREVIEW), (edited, EDITED)):
            made = content(document["job"], start, name)
            assert self.vanished or self.get(path) == made, "files of another start or job"

    def post(self, published: bool = True) -> None:
        """A client queues the session; the API may die before it has published."""
        job = self.name("job")
        step = self.move(t.queue_job, job=job, kind=INPAINT, request={})
        assert step.session
        if step.session.processing_status is Status.PENDING:
            self.given[step.session.job] += 1
        if published:
            self.publish(step.session.job)

    def withdraw(self, job: str) -> None:
        """The request that made a job is answered with a failure."""
        answer = self.move(t.withdraw, job=job).answer
        assert answer is not t.Answer.CANCELLED or self.given[job] == 1, "it was another's too"

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
        steps = HANDLER.work(message.job, owner)
        self.workers[worker] = Worker(owner, message, steps, steps.send(None))

    def step(self, number: int, fate: Fate) -> None:
        """Let a worker do its next effect; at its end it answers the queue."""
        if (worker := self.workers.get(number)) is None:
            return
        answer = self.carry_out(worker.effect, fate)
        held = isinstance(answer, t.Step) and answer.answer is t.Answer.GO_ON
        if held and worker.message.receipt == worker.owner:
            worker.message.visible = self.now + CONTRACT.lease_s
        self.go_on(number, lambda: worker.steps.send(answer))

    def break_off(self, number: int, made: bool) -> None:
        """Let a worker's next effect fail, which the store has carried out all the same or not."""
        if (worker := self.workers.get(number)) is None:
            return
        if made:
            self.carry_out(worker.effect, Fate.DONE)
        self.go_on(number, lambda: worker.steps.throw(away()))

    def go_on(self, number: int, resumed: Callable[[], Effect]) -> None:
        worker = self.workers[number]
        try:
            worker.effect = resumed()
        except StopIteration as end:
            del self.workers[number]
            self.settle(worker, end.value.action)

    def carry_out(self, effect: Effect, fate: Fate) -> Any:
        if effect.call == "look":
            return fate
        if effect.call == "delete":
            # Of a session that was deleted, and queued again between that word and this.
            published = effect.args == (session_path(UID, SID, EDITED),)
            self.vanished |= published and self.read() is not None
        return getattr(self, effect.call)(*effect.args, **effect.named)

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
                self.carry_out(worker.effect, Fate.DONE)
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
        if session.processing_status is Status.COMPLETED:
            paths = document["paths"]
            self.check_files(document, paths["edited"], paths["preview"])
        assert self.now - begin < 20 * CONTRACT.over_s + self.gone_back
