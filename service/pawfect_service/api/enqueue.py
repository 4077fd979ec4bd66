"""A checked order becomes a job: document, files, message, and labels beside it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry.trace import SpanKind

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.metrics import JOBS_QUEUED
from pawfect_service.api.gate import Gate, QuotaError
from pawfect_service.api.labels import LabelTasks
from pawfect_service.api.uploads import Order
from pawfect_service.consents.record import consent_record
from pawfect_service.http.failures import ApiError
from pawfect_service.jobs.contract import Status
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.kinds.kind import Kind
from pawfect_service.jobs.kinds.request import JobRequest, digest_of
from pawfect_service.jobs.message import JobMessage
from pawfect_service.jobs.move import Answer, Step
from pawfect_service.jobs.moves import withdraw
from pawfect_service.jobs.paths import (
    MOST_VERSIONS,
    RunId,
    is_run_job,
    session_path,
    sibling,
)
from pawfect_service.people.removals import Writing, deleted_meanwhile
from pawfect_service.people.sessions import remove_session
from pawfect_service.quotas.keeper import Place
from pawfect_service.quotas.queueing import queue_admitted
from pawfect_service.services import Services
from pawfect_service.telemetry.logs import log_fields
from pawfect_service.telemetry.metrics import count, variant_label
from pawfect_service.telemetry.traces import carried, span

LOG: Final = logging.getLogger("pawfect.api")

# Storing and publishing together, s; a client that sees a failure may send the same again.
STORED_S: Final = 30.0
# Requests that hold a run's picture in memory at a time: the largest are 330 MB as PNG.
BASES_AT_ONCE: Final = 4
# What is answered where the new job was not written, and never is.
_NEVER_WRITTEN: Final = (Answer.UNDER_WAY, Answer.TAKEN, Answer.NOT_ADMITTED)
# With more requests than this at a time, pixels are checked by the worker alone: decoding them
# takes more CPU time than the rest of a request, and all the others would wait for it.
CALM: Final = 2


class _UnwantedError(ApiError):
    """A request whose user, or run, was deleted while it was under way."""

    def __init__(self, message: str) -> None:
        super().__init__(409, ErrorKind.INVALID_ARG, message)


class RequestCounter:
    """Counts the requests that queue jobs."""

    def __init__(self) -> None:
        self._count = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def busy(self) -> bool:
        """Whether there are more than a few."""
        return self._count > CALM

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a request for the length of the block."""
        self._count += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._empty.set()

    async def idle(self, within_s: float) -> None:
        """Return once there are none, or after `within_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._empty.wait()


class Enqueuer:
    """Queues jobs.

    A place within its user's quotas comes first, and the record of consent where the kind needs
    one. Then the document: its transaction decides between requests that come at once, and only
    the winner writes files. The message comes last. An API that dies in between leaves a pending
    job without a message: the same request again publishes it, and without one it expires; or a
    place, which is given back by itself; or a record of consent to a job that never was.

    Args:
        services: the store.
        labels: asks for labels.
        counter: of requests; in a dense one pixels are left to the worker.
        gate: lets jobs in as far as quotas go.

    `bases` is the room for pictures that other versions work on.
    """

    def __init__(
        self, services: Services, labels: LabelTasks, counter: RequestCounter, gate: Gate
    ) -> None:
        self._services = services
        self._gate = gate
        self._labels = labels
        self._withdrawals: set[asyncio.Task[None]] = set()
        self.counter = counter
        self.bases = asyncio.Semaphore(BASES_AT_ONCE)

    async def enqueue(
        self, uid: str, sid: str, kind: Kind, order: Order, writing: Writing | None = None
    ) -> SessionDocument:
        """Queue an order and return the session.

        Args:
            uid: whose session.
            sid: which.
            kind: of job.
            order: what is asked for.
            writing: of the request, from its beginning on; None: it begins here.

        Raises:
            PawfectError: INVALID_ARG as the kind's check does; ApiError 409 where another job of
                this session has no end yet, and where the user's data are deleted meanwhile;
                QuotaError where a quota is used up and this is a new job; UNAVAILABLE where the
                store does not take it.
        """
        writing = writing or await self.begin(uid)
        files, request = await self._checked(kind, order)
        job, where = secrets.token_hex(8), (uid, sid)
        refused, place = None, None
        try:
            place = await self._gate.admit_job(where, job, kind, request, files)
            await self._record_consent(where, job, kind, request, files)
        except QuotaError as error:
            # The same request as that of a job under way is that job, and takes no place.
            refused = error
        until = 0.0 if refused else _until(place)
        step = await self._written(uid, sid, job, kind, request, until)
        if step.answer in _NEVER_WRITTEN and not refused:
            await self._withdraw_records(uid, job, kind)
        if step.answer is Answer.NOT_ADMITTED:
            raise refused or _too_slow()
        if step.answer is Answer.TAKEN:
            expected = f"session {sid}: expected its job to be over, got one under way"
            raise ApiError(409, ErrorKind.INVALID_ARG, f"{expected} with another request")
        try:
            return await self._queued(writing, sid, step, files, request, order)
        except _UnwantedError:
            await self._withdraw_records(uid, job, kind)
            raise

    async def begin(self, uid: str) -> Writing:
        """Return the writing of a request that begins; ApiError 409 while `uid` is deleted."""
        return await Writing.begin(self._services.stores.removals, uid)

    async def enqueue_version(
        self, run: RunId, newest: int, kind: Kind, order: Order, writing: Writing | None = None
    ) -> tuple[int, SessionDocument]:
        """Queue an order as another version of a run; return which, and its session.

        A number is taken by writing its document where there is none: of versions that come at
        once each gets its own.

        Args:
            run: which.
            newest: the newest version that is known of.
            kind: of job.
            order: what is asked for.
            writing: as for `enqueue`.

        Raises:
            PawfectError: INVALID_ARG as the kind's check does; ApiError 409 for a run that has as
                many versions as there can be, and for one that is deleted meanwhile; QuotaError
                where a quota is used up; UNAVAILABLE where the store does not take it.
        """
        writing = writing or await self.begin(run.uid)
        files, request = await self._checked(kind, order)
        job = secrets.token_hex(8)
        for version in range(newest + 1, MOST_VERSIONS + 1):
            where = run.uid, run.sid(version)
            try:
                place = await self._gate.admit_job(where, job, kind, request, files)
            except QuotaError:
                # With the record that was written for a number which another took.
                if version > newest + 1:
                    await self._withdraw_records(run.uid, job, kind)
                raise
            if version == newest + 1:
                await self._record_consent(where, job, kind, request, files)
            step = await self._written(*where, job, kind, request, _until(place))
            if step.answer is Answer.NOT_ADMITTED:
                await self._withdraw_records(run.uid, job, kind)
                raise _too_slow()
            if step.answer is not Answer.TAKEN:
                sid = run.sid(version)
                try:
                    session = await self._queued(writing, sid, step, files, request, order)
                except _UnwantedError:
                    await self._withdraw_records(run.uid, job, kind)
                    raise
                return version, session
            await self._gate.keeper.release(run.uid, job)
        await self._withdraw_records(run.uid, job, kind)
        message = f"run: expected at most {MOST_VERSIONS} versions, it has as many; begin another"
        raise ApiError(409, ErrorKind.INVALID_ARG, message)

    async def _checked(self, kind: Kind, order: Order) -> tuple[Mapping[str, bytes], JobRequest]:
        return await self._services.tools.off_loop(_checked, kind, order, self.counter.busy)

    async def _queued(
        self,
        writing: Writing,
        sid: str,
        step: Step,
        files: Mapping[str, bytes],
        request: JobRequest,
        order: Order,
    ) -> SessionDocument:
        """Store the files of a job that is written, and publish it; return its session."""
        session = step.session
        if session is None:
            raise PawfectError(ErrorKind.INTERNAL, "queue_job: expected a session, got none")
        if session.processing_status is not Status.PENDING:
            return session
        uid = writing.uid
        job, kind = JobMessage(uid, sid, session.job), session.kind
        with log_fields(session=f"{uid}/{sid}", job=job.job):
            named = {name: files[input_] for input_, name in request.files(kind).items()}
            storing = asyncio.create_task(self._store(job, named, order, writing))
            try:
                async with asyncio.timeout(STORED_S):
                    await asyncio.shield(storing)
                    # At the same time: the queue is not kept waiting by labels.
                    if not session.scene_labels:
                        self._labels.start(job, kind, request)
                    await self._publish(job)
            except _UnwantedError:
                raise
            except Exception as error:
                LOG.exception("a job could not be queued")
                if step.answer is Answer.QUEUED:
                    await self._give_up(job, kind, storing)
                raise PawfectError(
                    ErrorKind.UNAVAILABLE, "store: expected it to take the job, it did not"
                ) from error
            LOG.info("queued", extra=_signature(kind, request))
            if step.answer is Answer.QUEUED:
                count(JOBS_QUEUED, kind=kind.name, variant=variant_label(request.variant))
        return session

    async def _record_consent(
        self,
        where: tuple[str, str],
        job: str,
        kind: Kind,
        request: JobRequest,
        files: Mapping[str, bytes],
    ) -> None:
        """Write down who says that everybody agrees, before there is a job; the name is the job's.

        A job of a run that turns out to be another version has the same record.
        """
        if kind.signed:
            about = RunId.of_job(*where), job, kind.name, request, files
            record = await self._services.tools.off_loop(consent_record, *about)
            await self._services.stores.records.add_consent(where[0], job, record)

    async def _withdraw_records(self, uid: str, job: str, kind: Kind) -> None:
        """Take back what was written of a job before it was: it never is, or is deleted."""
        if kind.signed:
            await self._services.stores.records.withdraw_consent(uid, job)
        await self._gate.keeper.release(uid, job)

    async def _check_wanted(self, job: JobMessage, writing: Writing) -> None:
        """Look whether what a job is about was deleted meanwhile; then nothing of it stays.

        Raises:
            ApiError: 409.
        """
        stores = self._services.stores
        try:
            await writing.check(job.sid)
            if (
                is_run_job(job.sid)
                and await stores.documents.get(job.uid, sibling(job.sid, 1)) is None
            ):
                raise deleted_meanwhile("run: expected one")
        except ApiError as error:
            await remove_session(
                stores, job.uid, job.sid, lambda document: document.get("job") == job.job
            )
            await stores.scrub()
            raise _UnwantedError(error.message) from None

    async def _written(
        self, uid: str, sid: str, job: str, kind: Kind, request: JobRequest, until: float
    ) -> Step:
        """Write the document; return what became of it."""
        asked, move = request.to_document(), self._services.sessions.move
        return await move(uid, sid, queue_admitted, job=job, kind=kind, request=asked, until=until)

    async def _store(
        self, job: JobMessage, files: Mapping[str, bytes], order: Order, writing: Writing
    ) -> None:
        """Put a job's files into storage, unless what they are of is deleted meanwhile."""
        paths = {session_path(job.uid, job.sid, name): data for name, data in files.items()}
        # What lies in its place already, as it is, is not written again.
        new = {path: data for path, data in paths.items() if order.stored.get(path) is not data}
        # Once before there is a picture, and once when all is there.
        await self._check_wanted(job, writing)
        if new:
            await self._services.stores.files.put(new)
            await self._check_wanted(job, writing)

    async def _publish(self, job: JobMessage) -> None:
        with span("publish", SpanKind.PRODUCER, attributes=job.span_attributes()):
            await self._services.stores.queue.publish(job.to_bytes(), carried())

    async def _give_up(self, job: JobMessage, kind: Kind, storing: asyncio.Task[None]) -> None:
        """Withdraw a job; where its files are still on their way, the answer does not wait."""
        task = asyncio.create_task(self._withdraw(job, kind, storing))
        self._withdrawals.add(task)
        task.add_done_callback(self._withdrawals.discard)
        if storing.done():
            await task

    async def _withdraw(self, job: JobMessage, kind: Kind, storing: asyncio.Task[None]) -> None:
        # What is on its way to the store would replace a next job's files: until it is there, or
        # will never be, this one stands in the way.
        (stored,) = await asyncio.gather(storing, return_exceptions=True)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(STORED_S):
                if isinstance(stored, _UnwantedError):
                    await self._withdraw_records(job.uid, job.job, kind)
                step = await self._services.sessions.move(job.uid, job.sid, withdraw, job=job.job)
                if step.session is None:
                    # Deleted meanwhile: what has just arrived goes too.
                    await remove_session(self._services.stores, job.uid, job.sid, lambda _: False)


def _until(place: Place | None) -> float:
    """Return when a job is written at the latest, s; without quotas at any time."""
    return math.inf if place is None else place.until


def _too_slow() -> PawfectError:
    message = "store: expected it to take the job in time, it did not"
    return PawfectError(ErrorKind.UNAVAILABLE, message)


def _signature(kind: Kind, request: JobRequest) -> dict[str, Any]:
    """Return what the log says of who asked for a job, and that he said there was consent."""
    if not kind.signed:
        return {}
    said = {name: request.parameters.get(name) for name in ("caller", "consent")}
    return {"kind": kind.name, **said}


def _checked(
    kind: Kind, order: Order, headers_only: bool
) -> tuple[Mapping[str, bytes], JobRequest]:
    """Return an order's files as they are stored, and the request that names them; CPU work."""
    given = order.files, order.parameters, order.texts
    accepted = kind.check(*given, headers_only=headers_only)
    files = accepted.files
    optional = tuple(name for name in kind.optional if name in files)
    digest = digest_of(kind, files)
    about = digest, accepted.note or order.note, order.variant
    return files, JobRequest(order.parameters, order.texts, optional, *about, order.base)
