"""What was granted to each job in all, counted here and not by the document."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs import labelling
from pawfect_service.jobs import moves as t
from pawfect_service.jobs.contract import MOVES, Document, JobContract, Status
from pawfect_service.jobs.document import from_document
from tests.service.machine.driven_worker import SID, UID

CONTRACT = JobContract(
    label_waits=2, passing_failures=2, starts=4, publications=2, job_s=300.0, fill_s=60.0
)
# How often each answer may be given to one job.
_GRANTED = {
    (t.take_up, t.Answer.WAIT_FOR_LABELS): CONTRACT.label_waits,
    (t.take_up, t.Answer.RUN): CONTRACT.starts,
    (t.take_up, t.Answer.PUBLISH): CONTRACT.publications,
    (t.passing_failure, t.Answer.PUT_BACK): CONTRACT.passing_failures,
    # By whoever has won, and by each who publishes after him.
    (t.put_back, t.Answer.PUT_BACK): 1 + CONTRACT.publications,
    (labelling.set_labels, t.Answer.RECORDED): 1,
    (t.claim_result, t.Answer.WON): 1,
    (t.complete, t.Answer.COMPLETED): 1,
}


@dataclass
class Ledger:
    """Costs, results and ends by job, and how often each answer was given."""

    costs: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    ends: dict[str, Any] = field(default_factory=dict)
    granted: Counter[tuple[str, Any, t.Answer]] = field(default_factory=Counter)

    def forget(self) -> None:
        """Hold nothing against the document that was true of it before."""
        for seen in (self.costs, self.results, self.ends, self.granted):
            seen.clear()

    def check(
        self,
        transition: Any,
        step: t.Step,
        before: Document | None,
        now: float,
        named: dict[str, Any],
    ) -> None:
        """Hold a move's answer against what was there, and against all that was granted."""
        granted = transition, step.answer
        if transition in (t.passing_failure, t.permanent_failure) and before and before["result"]:
            assert step.answer is not t.Answer.FAILED, "a claimed result is taken away"
            granted = t.put_back, step.answer
        if granted in _GRANTED:
            assert step.session
            assert step.session.job == named["job"], "a grant for another job"
            self.granted[named["job"], *granted] += 1
            assert self.granted[named["job"], *granted] <= _GRANTED[granted], granted
            assert before
            _check_lease(before, step.answer, now, named.get("owner"))
        if transition is t.expire and step.answer is t.Answer.FAILED:
            assert before
            held = before["lease"] and before["lease"]["until"] - now
            assert not held or not 0 < held <= CONTRACT.lease_s, "given up in somebody's hands"

    def check_document(self, before: Document | None, after: Document, now: float) -> None:
        """Hold what a move has left against what was there and the contract's bounds."""
        job, status = after["job"], Status(after["processingStatus"])
        if before and before.get("job") == job and possible(before):
            old = Status(before["processingStatus"])
            assert status is old or status in MOVES[old], (old, status)
        elif before and possible(before):
            over = before["queuedAt"] + CONTRACT.over_s <= now
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


def _check_lease(before: Document, answer: t.Answer, now: float, owner: str | None) -> None:
    """Hold a grant against the lease that was there."""
    lease = before["lease"]
    if answer in (t.Answer.RUN, t.Answer.PUBLISH):
        assert lease is None or lease["until"] <= now, "taken from one who holds it"
    elif answer in (t.Answer.WON, t.Answer.PUT_BACK):
        assert lease, "given by one who holds nothing"
        assert lease["owner"] == owner, "given by one who holds it no longer"
    if answer is t.Answer.RUN:
        assert now < before["jobDeadline"], "started too late"


def possible(document: Document) -> bool:
    """Say whether a document is one that moves may have written."""
    try:
        from_document(UID, SID, document)
    except PawfectError:
        return False
    return True
