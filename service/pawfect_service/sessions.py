"""A move of a session's job, made in a transaction of the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec

from pawfect.contract.errors import PawfectError
from pawfect_service.jobs.contract import Document, JobContract
from pawfect_service.jobs.document import from_document, to_document
from pawfect_service.jobs.move import Moment, Step
from pawfect_service.jobs.repair import failed_document
from pawfect_service.stores.base import Change, Decide, Documents

P = ParamSpec("P")


def deciding(uid: str, sid: str, contract: JobContract, move: Callable[[Moment], Step]) -> Decide:
    """Return a move as a transaction's decision, over a document that may be impossible.

    An impossible one is written down as failed, with the reason, unless the move starts a new job.
    """

    def decide(document: Document | None, now: float) -> Change:
        session, repaired = None, None
        if document is not None:
            try:
                session = from_document(uid, sid, document)
            except PawfectError as error:
                session = failed_document(uid, sid, document, now, error)
                repaired = to_document(session)
        step = move(Moment(uid, sid, session, now, contract))
        if step.write and step.session:
            return Change(to_document(step.session), step)
        return Change(repaired, step)

    return decide


class Sessions:
    """The sessions of a store under one contract.

    Args:
        documents: where they are.
        contract: the bounds of their jobs.
    """

    def __init__(self, documents: Documents, contract: JobContract) -> None:
        self.documents = documents
        self.contract = contract

    async def move(
        self,
        uid: str,
        sid: str,
        move: Callable[Concatenate[Moment, P], Step],
        /,
        *args: P.args,
        **named: P.kwargs,
    ) -> Step:
        """Make one of `moves` in a transaction and return its step once it is committed.

        For example `await sessions.move(uid, sid, take_up, job=job, owner=owner)`.
        """
        decide = deciding(uid, sid, self.contract, lambda at: move(at, *args, **named))
        step: Step = await self.documents.update(uid, sid, decide)
        return step
