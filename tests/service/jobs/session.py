"""One session's document and a clock, for moves in a row."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.jobs import labelling
from pawfect_service.jobs import moves as t
from pawfect_service.jobs.contract import Document, JobContract
from pawfect_service.jobs.document import SessionDocument, from_document
from pawfect_service.jobs.fields import Cost, SceneLabels
from pawfect_service.jobs.kinds import INPAINT
from pawfect_service.sessions import deciding

CONTRACT = JobContract()
COST = Cost(amount=0.01, unit="USD", seconds=9.5)
AWAY = PawfectError(ErrorKind.UNAVAILABLE, "server: away\ud800" + "x" * 9999)
LABELS = SceneLabels(
    labels=("grass",), scores=(0.9,), coverage=(1.0,), source="sam3", model="m", timestamp=1.0
)


class Session:
    """One session's document and a clock, for moves in a row."""

    sid = "s"

    def __init__(self) -> None:
        self.now = 1e9
        self.document: Document | None = None
        self("queue_job", job="j1", request={"seed": 3})
        self("set_labels", job="j1", labels=LABELS)

    def __call__(self, name: str, **named: Any) -> t.Answer:
        transition = getattr(labelling if name.startswith("set_labels") else t, name)
        if name == "queue_job":
            named = {"kind": INPAINT, **named}
        decide = deciding("u", self.sid, CONTRACT, partial(transition, **named))
        change = decide(self.document, self.now)
        if change.document is not None:
            # What a store gives back is what JSON leaves of it.
            self.document = json.loads(json.dumps(change.document))
        answer = change.answer.answer
        assert isinstance(answer, t.Answer)
        return answer

    @property
    def session(self) -> SessionDocument:
        assert self.document is not None
        return from_document("u", self.sid, self.document)

    def start(self, owner: str = "w1") -> t.Answer:
        return self("take_up", job="j1", owner=owner)

    def claim(self, owner: str = "w1") -> t.Answer:
        return self("claim_result", job="j1", owner=owner, report='{"boxes": [[1, 2]]}', cost=COST)

    def complete(self) -> t.Answer:
        return self("complete", job="j1")


class RunSession(Session):
    """The first job of a run."""

    sid = f"run-{'0' * 32}-0001"
