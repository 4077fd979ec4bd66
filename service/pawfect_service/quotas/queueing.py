"""The move that queues a job which quotas have let in."""

from __future__ import annotations

from collections.abc import Mapping

from pawfect.contract.parameters import Scalar
from pawfect_service.jobs.kinds import Kind
from pawfect_service.jobs.move import Answer, Moment, Step
from pawfect_service.jobs.moves import queue_job


def queue_admitted(
    at: Moment, *, job: str, kind: Kind, request: Mapping[str, Scalar], until: float
) -> Step:
    """Write a new job as `queue_job` does, but only while its place is held.

    Args:
        at: the session, the clock and the bounds.
        job: its id.
        kind: of it.
        request: what it is asked for.
        until: when it is too late, s; 0: it was not let in, and only a job that is there counts.

    Returns:
        As `queue_job`; NOT_ADMITTED where that would write a new job and it is too late.
    """
    step = queue_job(at, job=job, kind=kind, request=request)
    new = step.answer is Answer.QUEUED and step.write
    return at.stay(Answer.NOT_ADMITTED) if new and at.now >= until else step
