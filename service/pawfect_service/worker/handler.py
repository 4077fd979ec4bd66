"""What a worker does with one delivery: from the message, through the work, to the answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from opentelemetry.trace import SpanKind

from pawfect.contract import metrics as table
from pawfect.contract.errors import ErrorKind, PawfectError, QueueAction, invalid
from pawfect_service.consents.record import check_consent_record
from pawfect_service.frames import bare_failure
from pawfect_service.jobs.fields import Cost
from pawfect_service.jobs.kinds.kind import Made, OnProgress, Task
from pawfect_service.jobs.kinds.request import JobRequest, digest_of, variant_of
from pawfect_service.jobs.message import JobMessage, read_message
from pawfect_service.jobs.move import Answer, Step
from pawfect_service.jobs.moves import (
    claim_result,
    passing_failure,
    permanent_failure,
    put_back,
    take_up,
)
from pawfect_service.services import Services
from pawfect_service.telemetry.logs import log_fields, without_got
from pawfect_service.telemetry.metrics import count, observe, running, variant_label
from pawfect_service.telemetry.traces import context_of, span
from pawfect_service.worker.lease import HeldJob, Hold, LeaseKeeper
from pawfect_service.worker.publishing import Publisher
from pawfect_service.worker.told import Told, show_previews, whole

LOG: Final = logging.getLogger("pawfect.worker")

# What becomes of a message that nobody can read.
_BURY: Final = "bury"
# How long the last words to the store may take when a worker is told to stop, s.
_FAREWELL_S: Final = 5.0


@dataclass(frozen=True)
class Outcome:
    """What becomes of a delivery.

    Attributes:
        action: ACK or NACK; None: to the dead letters.
        reason: why.
        attempt: which of the job's starts it was about; None where it took none up.
        failure: how its work failed; None where it did not.
        worked: whether its work was done here and now.
    """

    action: QueueAction | None
    reason: str
    attempt: int | None = None
    failure: ErrorKind | None = None
    worked: bool = False


class Handler:
    """Works on deliveries, several at a time where it is called so.

    Args:
        services: store and server.
        usd_per_hour: what an hour of the service costs.
    """

    def __init__(self, services: Services, usd_per_hour: float = 0.0) -> None:
        self._services = services
        self._sessions = services.sessions
        self._usd_per_hour = usd_per_hour
        self._publisher = Publisher(services)

    async def handle(self, data: bytes, attributes: Mapping[str, str], hold: Hold) -> Outcome:
        """Do what one delivery asks for and return what becomes of it; raises nothing.

        Cancelling the task gives the job back to others; the outcome is then NACK.

        Args:
            data: the message's body.
            attributes: its attributes; `traceparent` carries the trace of the request.
            hold: keeps the message from other workers for a number of seconds.
        """
        try:
            message = read_message(data)
        except PawfectError as error:
            count(table.DELIVERIES, action=_BURY)
            return Outcome(None, error.message)
        fields = {"session": f"{message.uid}/{message.sid}", "job": message.job}
        known = message.span_attributes()
        with (
            log_fields(**fields),
            span("job", SpanKind.CONSUMER, context_of(attributes), known) as opened,
        ):
            outcome = await self._handled(message, hold, secrets.token_hex(8))
            count(table.DELIVERIES, action=outcome.action.name.lower() if outcome.action else _BURY)
            action = outcome.action.value if outcome.action else _BURY
            opened.set_attribute("pawfect.queue_action", action)
            said = {"action": action, "why": outcome.reason, "attempt": outcome.attempt}
            LOG.info(
                "delivery", extra={name: word for name, word in said.items() if word is not None}
            )
            return outcome

    async def _handled(self, message: JobMessage, hold: Hold, owner: str) -> Outcome:
        try:
            step = await self._sessions.move(
                message.uid, message.sid, take_up, job=message.job, owner=owner
            )
            if step.answer.queue is not None or step.session is None:
                return _outcome(step.answer)
            job = HeldJob(self._sessions, message, step.session, hold, owner)
        except asyncio.CancelledError:
            return Outcome(QueueAction.NACK, "stopped")
        except Exception as error:
            LOG.exception("a job could not be taken up")
            return Outcome(QueueAction.NACK, type(error).__name__)
        if job.start == 1 and step.answer is Answer.RUN:
            waited_s = max(step.session.updated_at - step.session.queued_at, 0.0)
            observe(table.JOB_WAIT_SECONDS, waited_s, kind=job.kind.name)
        running(1)
        try:
            with log_fields(attempt=job.start):
                outcome = await self._worked(job, publish=step.answer is Answer.PUBLISH)
        finally:
            running(-1)
        return replace(outcome, attempt=job.start)

    async def _worked(self, job: HeldJob, publish: bool) -> Outcome:
        """Work on a job that is held; whatever goes wrong becomes a move of it."""
        try:
            step = Step(Answer.WON, job.session) if publish else await self._result(job)
            worked = not publish and step.answer is Answer.WON
            if step.answer is Answer.WON and step.session is not None:
                step = await self._publisher.publish(job, step.session)
            return replace(_outcome(step.answer), worked=worked)
        except asyncio.CancelledError:
            return await self._given_back(job)
        except Exception as error:  # noqa: BLE001 - logged there
            failure = bare_failure(error, "worker")
        count(table.JOB_FAILURES, kind=job.kind.name, error=failure.kind.name)
        why = without_got(failure.message)
        LOG.warning("failure", extra={"kind": failure.kind.name, "why": why})
        for_good = failure.row.queue_action is QueueAction.FAIL
        try:
            step = await job.move(permanent_failure if for_good else passing_failure, error=failure)
            await self._publisher.clear_unless_claimed(job, step)
        except asyncio.CancelledError:
            return Outcome(QueueAction.NACK, "stopped")
        except Exception as error:
            LOG.exception("a failure could not be written")
            return Outcome(QueueAction.NACK, type(error).__name__)
        return replace(_outcome(step.answer, failure.kind.name), failure=failure.kind)

    async def _given_back(self, job: HeldJob) -> Outcome:
        """Leave a job to others because this worker is to stop."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_FAREWELL_S):
                await self._publisher.clear_unless_claimed(job, await job.move(put_back))
        return Outcome(QueueAction.NACK, "stopped")

    async def _result(self, job: HeldJob) -> Step:
        """Do the work while the lease is held and claim the result; WON, or why there is none."""
        began = time.monotonic()
        told = Told(job.session)
        keeper = LeaseKeeper(job, told)
        files = self._services.stores.files
        working = asyncio.create_task(do_work(self._services, job, told))
        beating = asyncio.create_task(keeper.run())
        showing = asyncio.create_task(show_previews(told, files, job.preview_path()))
        try:
            await asyncio.wait({working, beating}, return_when=asyncio.FIRST_COMPLETED)
            stopped = None if working.done() else beating.result()
        finally:
            tasks = (working, beating, showing)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if stopped is None:
            await keeper.last_words()
            return await self._claim(job, working.result(), began)
        await self._publisher.clear(job)
        if stopped is Answer.LATE:
            longest = self._sessions.contract.fill_s
            raise PawfectError(ErrorKind.DEADLINE, f"fill: expected an end within {longest:g} s")
        return Step(stopped, None)

    async def _claim(self, job: HeldJob, made: Made, began: float) -> Step:
        amount = round(made.seconds * self._usd_per_hour / 3600, 9)
        cost = Cost(amount=amount, unit="USD", seconds=made.seconds)
        step = await job.move(claim_result, report=made.report, cost=cost)
        if step.answer is not Answer.WON:
            await self._publisher.clear(job)
            return step
        kind, variant = job.kind.name, variant_of({"request": job.session.request})
        count(table.JOBS_DONE, kind=kind, variant=variant_label(variant))
        count(table.JOB_USD, amount, kind=kind)
        observe(table.JOB_SECONDS, time.monotonic() - began, kind=kind)
        return step


def _outcome(answer: Answer, why: str = "") -> Outcome:
    action = answer.queue
    if action is None:
        raise RuntimeError(f"{answer}: expected an answer for the queue")
    return Outcome(action, ": ".join(part for part in (answer.value, why) if part))


async def do_work(services: Services, job: HeldJob, on_progress: OnProgress) -> Made:
    """Do a job's work and upload what it gave under the names of this start.

    Args:
        services: store and server.
        job: whose lease is held.
        on_progress: called at the end of each stage.

    Raises:
        PawfectError: INVALID_ARG for files that are gone, broken or others than were queued, for a
            request that was edited into an impossible one, and for a swap without a record of
            consent; else as the work failed.
    """
    kind, session = job.kind, job.session
    request = JobRequest.of_document(kind, session.request)
    with span("read files"):
        message, names = job.message, [*request.files(kind).values()]
        files = await services.read_inputs(message.uid, message.sid, kind, request)
        digest = await services.tools.off_loop(digest_of, kind, files)
        if request.digest not in (None, digest):
            raise invalid(", ".join(names), "the files that were queued", "others")
        if kind.signed:
            record = await services.stores.records.consent(message.uid, message.job)
            await services.tools.off_loop(check_consent_record, record, files)
    parameters = kind.parse(request.parameters, request.texts)
    task = Task(files, parameters, session.scene_labels, job.message.span_attributes())
    made = await kind.work(task, services.tools, on_progress)
    if request.variant is not None:
        made = replace(made, report=_with_variant(made.report, request.variant))
    with span("write files"):
        outputs = {path: made.outputs[name] for name, path in job.attempts().items()}
        await whole(services.stores.files.put(outputs))
    return made


def _with_variant(report: str, variant: str) -> str:
    """Return a report that also says which variant chose what the request left open."""
    return json.dumps(json.loads(report) | {"variant": variant}, ensure_ascii=False)
