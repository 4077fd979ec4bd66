"""Audits of sessions: started, looked at, cancelled, and written down however they end.

What is known of an audit lies in its folder, so every API process of a folder tells the same, and a
new one goes on where a killed one was.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final, TypeVar

from pawfect.contract.errors import TABLE, ErrorKind, PawfectError, invalid, without_paths
from pawfect_service.api.audits import process
from pawfect_service.api.audits.folder import AuditFolder, AuditNote, folders_in
from pawfect_service.api.audits.journal import read_journal
from pawfect_service.api.audits.links import Links
from pawfect_service.api.audits.order import AuditParams, check_matrix, session_files
from pawfect_service.api.audits.publishing import publish
from pawfect_service.api.audits.state import AuditState, audit_state
from pawfect_service.api.state import request_of
from pawfect_service.api.uploads import Order
from pawfect_service.http.failures import ApiError
from pawfect_service.jobs.document import SessionDocument
from pawfect_service.jobs.fields import Failure
from pawfect_service.jobs.paths import check_id
from pawfect_service.people.kept import Check, Kept
from pawfect_service.people.retention import DAY_S
from pawfect_service.services import Services
from pawfect_service.telemetry.logs import log_fields

LOG: Final = logging.getLogger("pawfect.audits")

T = TypeVar("T")
# How an audit ends that was told to: by its own exit code, or before it listens to signals.
_TOLD: Final = frozenset({TABLE[ErrorKind.CANCELLED].exit_code, -signal.SIGTERM})
_KINDS: Final = {row.exit_code: kind for kind, row in TABLE.items()}


class Audits:
    """The audits of a folder.

    Args:
        root: the folder, made where it is missing.
        services: the store that sessions are in.

    Raises:
        PawfectError: INVALID_ARG for a folder that cannot be written to.
    """

    def __init__(self, root: Path, services: Services) -> None:
        self._services = services
        # The process of an audit may not have this one's working folder for ever.
        self._root = root.absolute()
        self._running: dict[Process, asyncio.Task[None]] = {}
        self._closing = False
        try:
            root.mkdir(parents=True, exist_ok=True)
            self.links = Links(root)
        except OSError as error:
            raise invalid("audits", "a folder to write to", error.strerror) from None
        self._turn = process.Turn(self._root)

    def folder(self, uid: str, sid: str) -> AuditFolder:
        """Return where a session's audit lies."""
        return AuditFolder.of(self._root, uid, sid)

    async def start(self, uid: str, sid: str, session: SessionDocument, order: Order) -> AuditState:
        """Start an audit of a session, or go on with it: no cell of its journal runs twice.

        Raises:
            PawfectError: INVALID_ARG for a matrix that there is not, a session without photo or
                mask, a truth of another size; UNAVAILABLE where `pawfect audit` is not installed or
                the disk is full; INTERNAL for a damaged journal; ApiError 409 where an audit runs.
        """
        asked = AuditParams.parse(order.parameters)
        matrix = check_matrix(asked.matrix, await process.matrices())
        queued = request_of(session)
        stored = await self._services.read_inputs(uid, sid, session.kind, queued)
        truth = order.files.get("truth")
        files = await self._services.tools.off_loop(session_files, stored, truth)
        folder = self.folder(uid, sid)
        note = AuditNote(
            matrix=matrix,
            prompts=dict(asked.prompts),
            truth=truth is not None,
            runs_before=0,
            started_at=time.time(),
        )
        with _readable():
            turn = await self._turn.take(uid, sid)
            try:
                note = await asyncio.to_thread(_begun, folder, note, files)
                arguments = _arguments(folder, note, retry_failed=asked.retry_failed)
                holder = process.Holder(uid, sid)
                started = await process.start(arguments, folder.log, turn, holder)
            except BaseException:
                turn.close()
                raise
        watching = asyncio.create_task(self._watch(uid, sid, note, started, turn))
        self._running[started] = watching
        LOG.info("audit started", extra={"session": f"{uid}/{sid}", "matrix": matrix})
        return await self.state(uid, sid)

    async def state(self, uid: str, sid: str) -> AuditState:
        """Return a session's audit.

        Raises:
            PawfectError: ApiError 404 where there was none; INTERNAL for a damaged journal;
                UNAVAILABLE for a folder that cannot be read.
        """
        return await self._threaded(lambda: self._state(uid, sid))

    async def cancel(self, uid: str, sid: str) -> AuditState:
        """End a session's audit and return it; one that is over stays as it is.

        Raises:
            PawfectError: as `state` does; UNAVAILABLE in the instant in which it is started.
        """
        await self.state(uid, sid)
        await self._end(uid, sid)
        return await self.state(uid, sid)

    async def _end(self, uid: str, sid: str) -> None:
        holder = await self._threaded(self._turn.holder)
        if holder is not None and (holder.uid, holder.sid) == (uid, sid):
            if not holder.pid:
                message = "audit: expected it to have started, it is about to"
                raise PawfectError(ErrorKind.UNAVAILABLE, message)
            await self._threaded(self.folder(uid, sid).cancelled.touch)
            LOG.info("audit cancelled", extra={"session": f"{uid}/{sid}"})
            await self._turn.end(holder)

    @property
    def kept(self) -> Kept:
        """What is kept of a user here, with how it is deleted."""
        return Kept("audits", self.forget)

    async def forget(self, uid: str, check: Check) -> int:
        """Delete all of a user's audits, the one that runs too; return how many there were.

        Args:
            uid: whose.
            check: raises where the deletion is over by now.

        Raises:
            PawfectError: UNAVAILABLE in the instant in which one is started, and for a folder that
                cannot be written to.
        """
        sids = await self._threaded(lambda: folders_in(self._root / check_id("uid", uid)))
        for sid in sids:
            await check()
            await self.remove(uid, sid)
        await check()
        await self._threaded(lambda: self._turn.forget(uid))
        return len(sids)

    async def remove(self, uid: str, sid: str) -> None:
        """Delete a session's audit, ended first where it runs."""
        await self._end(uid, sid)
        await self._threaded(self.folder(uid, sid).delete)

    def sweep(self, keep_days: float | None) -> Callable[[], Awaitable[int]]:
        """Return what deletes the audits that have ended so long ago, and counts them.

        Args:
            keep_days: how long they are kept, days; None: until somebody deletes them.
        """

        async def swept() -> int:
            if keep_days is None:
                return 0
            before = time.time() - keep_days * DAY_S
            old = await self._threaded(lambda: self._older(before))
            for uid, sid in old:
                await self._threaded(self.folder(uid, sid).delete)
            return len(old)

        return swept

    def _older(self, before: float) -> list[tuple[str, str]]:
        holder = self._turn.holder()
        running = None if holder is None else (holder.uid, holder.sid)
        found = [
            (uid, sid) for uid in folders_in(self._root) for sid in folders_in(self._root / uid)
        ]
        return [
            each for each in found if each != running and self.folder(*each).changed_at() <= before
        ]

    async def close(self) -> None:
        """End what this process has started; it can be gone on with."""
        self._closing = True
        for started in self._running:
            with suppress(ProcessLookupError):
                started.terminate()
        watching = list(self._running.values())
        if watching:
            await asyncio.wait(watching, timeout=process.END_S)
        for started in self._running:
            with suppress(ProcessLookupError):
                started.kill()
        await asyncio.gather(*watching, return_exceptions=True)

    def _state(self, uid: str, sid: str) -> AuditState:
        folder = self.folder(uid, sid)
        # Before the note: one that has just ended has written it.
        holder = self._turn.holder()
        running = holder is not None and (holder.uid, holder.sid) == (uid, sid)
        note = folder.read_note()
        if note is None:
            message = f"session {sid}: expected an audit, got none"
            raise ApiError(404, ErrorKind.INVALID_ARG, message)
        return audit_state(uid, sid, folder, note, self.links, running=running)

    async def _watch(
        self, uid: str, sid: str, note: AuditNote, started: Process, turn: IO[bytes]
    ) -> None:
        """Wait for an audit's end and write it down, unless it was told to end."""
        folder = self.folder(uid, sid)
        with log_fields(session=f"{uid}/{sid}"):
            try:
                with turn:
                    code = await started.wait()
                    LOG.info("audit ended", extra={"code": code})
                    told = self._closing or folder.cancelled.is_file() or code in _TOLD
                    if code == 0 or not told:
                        note = await asyncio.to_thread(_ended, folder, note, code)
                    # Before the turn is over: the next start's note is not written over.
                    if code == 0 and await publish(folder, uid, sid, self._services.stores.files):
                        published = note.model_copy(update={"published": True})
                        await asyncio.to_thread(folder.write_note, published)
            except Exception:
                LOG.exception("the end of an audit could not be written down")
            finally:
                del self._running[started]

    async def _threaded(self, work: Callable[[], T]) -> T:
        with _readable():
            return await asyncio.to_thread(work)


@contextmanager
def _readable() -> Iterator[None]:
    """Have a folder that cannot be read or written to answered as UNAVAILABLE."""
    try:
        yield
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise PawfectError(ErrorKind.UNAVAILABLE, f"audits: {said}") from error


def _begun(folder: AuditFolder, note: AuditNote, files: Mapping[str, bytes]) -> AuditNote:
    """Write down what is audited, and return the note of the start.

    Raises:
        PawfectError: INTERNAL for a damaged journal; nothing is written then.
        OSError: the disk is full.
    """
    runs = read_journal(folder.journal).runs
    folder.write_session(files)
    begun = note.model_copy(update={"runs_before": runs})
    folder.begin(begun)
    return begun


def _ended(folder: AuditFolder, note: AuditNote, code: int) -> AuditNote:
    """Write an audit's end down and return the note."""
    failure = Failure.of(_failure(code, folder.why_failed())) if code else None
    ended = note.model_copy(update={"ended_at": time.time(), "error": failure})
    folder.write_note(ended)
    return ended


def _arguments(folder: AuditFolder, note: AuditNote, *, retry_failed: bool) -> list[str]:
    """Return those of `pawfect audit run`."""
    texts = [f"--prompt={name}={text}" for name, text in note.prompts.items()]
    places = [f"--session={folder.session}", f"--out={folder.run}"]
    again = ["--retry-failed"] if retry_failed else []
    return [f"--matrix={note.matrix}", *places, *texts, *again]


def _failure(code: int, said: str) -> PawfectError:
    """Return why an audit failed, by its exit code and what it said last."""
    if code < 0:
        ended = f"signal {-code} ended it; perhaps the machine's memory is too small"
        return PawfectError(ErrorKind.INTERNAL, f"audit: expected it to end by itself, {ended}")
    # What people can mend ends with 1: missing weights, a full disk, a package that is not there.
    mendable = code == 1 and said
    kind = _KINDS.get(code, ErrorKind.UNAVAILABLE if mendable else ErrorKind.INTERNAL)
    return PawfectError(kind, without_paths(said) or f"audit: it ended with exit code {code}")
