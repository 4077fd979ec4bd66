"""Session documents in Firestore: `users/{uid}/sessions/{sid}`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from threading import Thread
from typing import Any, Final

from google.api_core.exceptions import Aborted, AlreadyExists, FailedPrecondition, NotFound
from google.cloud import firestore
from google.cloud.firestore_v1.async_document import AsyncDocumentReference
from google.cloud.firestore_v1.base_document import DocumentSnapshot
from google.cloud.firestore_v1.field_path import FieldPath

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.paths import check_id, is_id, session_path
from pawfect_service.stores.base import Decide, IdleMark, RunMark
from pawfect_service.stores.google.errors import bounded

# A commit loses against another on the same document at most so often, with a pause that grows from
# 10 ms to at most half a second: longer than anybody writes one session.
_TRIES: Final = 40
_PAUSE_S: Final = 0.01
_LONGEST_PAUSE_S: Final = 0.5
# A watch asks again after this long without word: its connection may have died unheard.
_ASK_S: Final = 5.0
_SERVICE: Final = "documents"
# Firestore's word for a document's own name in a query.
_NAME: Final = "__name__"
# Documents that are read at a time where many are gone through.
_PAGE: Final = 500
# And where each of them is handed on whole: some 10 kB each, 1 MiB at most.
_WHOLE_PAGE: Final = 50


class FirestoreDocuments:
    """`Documents` in Firestore.

    A move is one commit on the condition that the document is still the version that was read: the
    database takes it whole or refuses it, as a transaction over one document does, but nobody waits
    for anybody's lock. The clock is the one of Firestore that comes with the reading.

    Args:
        client: for everything but watching.
        watcher: the same database; only this one can be told of changes.
    """

    def __init__(self, client: firestore.AsyncClient, watcher: firestore.Client) -> None:
        self._client = client
        self._watcher = watcher

    async def update(self, uid: str, sid: str, decide: Decide) -> Any:
        """Run `decide` over the document until its commit is taken, and return its `answer`.

        Raises:
            PawfectError: UNAVAILABLE where Firestore is away, or others always were faster.
        """
        return await self.update_at(session_path(uid, sid), decide)

    async def update_at(self, path: str, decide: Decide) -> Any:
        """Run `decide` over a document of any path, as `update` does."""
        reference = self._client.document(path)
        for tries in range(_TRIES):
            async with bounded(_SERVICE):
                snapshot = await reference.get()
            change = decide(_document(snapshot), _time(snapshot))
            gone = change.delete and snapshot.exists
            if change.document is None and not gone:
                return change.answer
            try:
                async with bounded(_SERVICE):
                    if change.document is not None:
                        await self._commit(reference, snapshot, change.document)
                    else:
                        await reference.delete(option=self._unchanged(snapshot))
                return change.answer
            except PawfectError as error:
                lost = (FailedPrecondition, AlreadyExists, NotFound, Aborted)
                if not isinstance(error.__cause__, lost):
                    raise
            longest = min(_PAUSE_S * 2**tries, _LONGEST_PAUSE_S)
            await asyncio.sleep(random.uniform(0, longest))
        raise PawfectError(ErrorKind.UNAVAILABLE, f"{_SERVICE}: too many write this session")

    async def _commit(
        self,
        reference: AsyncDocumentReference,
        snapshot: DocumentSnapshot[Any],
        document: Document,
    ) -> None:
        if not snapshot.exists:
            await reference.create(dict(document))
            return
        gone = (snapshot.to_dict() or {}).keys() - document.keys()
        # Names are quoted: a field that is not ours may have a dot in its name.
        fields = {FieldPath(name).to_api_repr(): value for name, value in document.items()}
        fields |= {FieldPath(name).to_api_repr(): firestore.DELETE_FIELD for name in gone}
        await reference.update(fields, option=self._unchanged(snapshot))

    def _unchanged(self, snapshot: DocumentSnapshot[Any]) -> Any:
        return self._client.write_option(last_update_time=snapshot.update_time)

    async def get(self, uid: str, sid: str) -> Document | None:
        """Return a document or None."""
        async with bounded(_SERVICE):
            return _document(await self._client.document(session_path(uid, sid)).get())

    async def read_at(self, path: str) -> tuple[Document | None, float]:
        """Return a document of any path, None: there is none, and Firestore's clock, s."""
        async with bounded(_SERVICE):
            snapshot = await self._client.document(path).get()
        return _document(snapshot), _time(snapshot)

    async def delete(self, uid: str, sid: str) -> None:
        """Remove a document; one that is not there is no error."""
        async with bounded(_SERVICE):
            await self._client.document(session_path(uid, sid)).delete()

    async def watch(self, uid: str, sid: str) -> AsyncIterator[Document | None]:
        """Yield the document now and after each change, and None once it is gone."""
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        watch = self._watcher.document(session_path(uid, sid)).on_snapshot(
            lambda *_: loop.call_soon_threadsafe(told.set)
        )
        reference, last = self._client.document(session_path(uid, sid)), object()
        try:
            while True:
                told.clear()
                async with bounded(_SERVICE):
                    snapshot = await reference.get()
                if snapshot.update_time != last:
                    last = snapshot.update_time
                    yield _document(snapshot)
                # Python 3.11's wait_for loses a cancellation that comes together with the word.
                with suppress(TimeoutError):
                    async with asyncio.timeout(_ASK_S):
                        await told.wait()
        finally:
            # It joins the watch's own thread, which may hang on a connection; a job must not.
            Thread(target=_unsubscribed, args=(watch,), daemon=True).start()

    async def overdue(self, at_most: int) -> list[tuple[str, str]]:
        """Return uid and sid of up to `at_most` sessions past their `expiresAt`, oldest first.

        In production this needs the index of `expiresAt` for the collection group `sessions`.
        """
        async with bounded(_SERVICE):
            # Any document's reading brings the clock along, one that is not there too.
            now = _time(await self._client.document(session_path("-", "-")).get())
            query = (
                self._client.collection_group("sessions")
                .where(filter=firestore.FieldFilter("expiresAt", "<=", now))
                .order_by("expiresAt")
            )
            overdue: list[tuple[str, str]] = []
            async with aclosing(query.stream()) as stream:
                async for found in stream:
                    overdue += _session_of(found.reference.path)
                    if len(overdue) == at_most:
                        break
        return overdue

    async def named(self, uid: str, prefix: str) -> list[tuple[str, Document]]:
        """Return a user's documents whose sid begins with a prefix, sid and document, by sid."""
        here = self._client.document(session_path(uid, check_id("prefix", prefix)))
        # Ids have no character above `~`, and it is not one of theirs.
        end = here.parent.document(f"{prefix}~")
        query = (
            here.parent.where(filter=firestore.FieldFilter(_NAME, ">=", here))
            .where(filter=firestore.FieldFilter(_NAME, "<", end))
            .order_by(_NAME)
        )
        async with bounded(_SERVICE):
            return [(found.id, found.to_dict() or {}) for found in await query.get()]

    async def newest_runs(
        self, uid: str, at_most: int, before: RunMark | None = None
    ) -> list[RunMark]:
        """Return the first jobs of a user's runs, newest first, those older than `before`.

        In production this needs the index of `runBegins`, rising, and `createdAt`, falling, for the
        collection `sessions`.
        """
        sessions = self._client.document(session_path(uid, "-")).parent
        query = (
            sessions.where(filter=firestore.FieldFilter("runBegins", "==", True))
            .order_by("createdAt", direction=firestore.Query.DESCENDING)
            .order_by(_NAME, direction=firestore.Query.DESCENDING)
            .limit(at_most)
        )
        if before is not None:
            here = sessions.document(check_id("sid", before.sid))
            query = query.start_after({"createdAt": before.created_at, _NAME: here})
        async with bounded(_SERVICE):
            found = await query.get()
        return [RunMark(float(each.get("createdAt")), each.id) for each in found]

    async def waiting_before(self, queued_at: float, at_most: int) -> int:
        """Return how many jobs, anybody's, wait that were queued earlier; no more than `at_most`.

        In production this needs the index of `processingStatus` and `queuedAt`, both rising, for
        the collection group `sessions`.
        """
        query = (
            self._client.collection_group("sessions")
            .where(filter=firestore.FieldFilter("processingStatus", "==", "pending"))
            .where(filter=firestore.FieldFilter("queuedAt", "<", queued_at))
            .limit(at_most)
        )
        async with bounded(_SERVICE):
            counted: Any = query.count()
            found = await counted.get()
        return int(found[0][0].value)

    async def of_kind(self, kind: str, since: float) -> AsyncIterator[Document]:
        """Yield all documents with this `jobKind` and a `queuedAt` of `since` or later.

        In production this needs the index of `jobKind` and `queuedAt`, both rising, for the
        collection group `sessions`.
        """
        query = (
            self._client.collection_group("sessions")
            .where(filter=firestore.FieldFilter("jobKind", "==", kind))
            .where(filter=firestore.FieldFilter("queuedAt", ">=", since))
            .order_by("queuedAt")
            .limit(_PAGE)
        )
        following = query
        while True:
            async with bounded(_SERVICE):
                page = await following.get()
            for found in page:
                if _session_of(found.reference.path):
                    yield found.to_dict() or {}
            if len(page) < _PAGE:
                return
            following = query.start_after(page[-1])

    async def of_user(self, uid: str) -> AsyncIterator[tuple[str, Document]]:
        """Yield all of a user's documents, sid and document, by sid."""
        sessions = self._client.document(session_path(uid, "-")).parent
        query = following = sessions.order_by(_NAME).limit(_WHOLE_PAGE)
        while True:
            async with bounded(_SERVICE):
                page = await following.get()
            for found in page:
                yield found.id, found.to_dict() or {}
            if len(page) < _WHOLE_PAGE:
                return
            following = query.start_after(page[-1])

    async def idle(
        self, before: float, at_most: int, after: IdleMark | None = None
    ) -> list[IdleMark]:
        """Return up to `at_most` documents, anybody's, whose `updatedAt` is `before` or earlier.

        In production this needs the index of `updatedAt`, rising, for the collection group
        `sessions`. Only the one field is read.
        """
        query = (
            self._client.collection_group("sessions")
            .where(filter=firestore.FieldFilter("updatedAt", "<=", before))
            .where(filter=firestore.FieldFilter("updatedAt", ">=", 0))
            .order_by("updatedAt")
            .order_by(_NAME)
            .select(["updatedAt"])
            .limit(at_most)
        )
        if after is not None:
            here = self._client.document(session_path(after.uid, after.sid))
            query = query.start_after({"updatedAt": after.updated_at, _NAME: here})
        while True:
            async with bounded(_SERVICE):
                page = await query.get()
            found = [
                IdleMark(float(each.get("updatedAt")), *where)
                for each in page
                for where in _session_of(each.reference.path)
            ]
            # A whole page of what others keep as `sessions` is not the end.
            if found or len(page) < at_most:
                return found
            query = query.start_after(page[-1])


def _session_of(path: str) -> list[tuple[str, str]]:
    """Return uid and sid of a session's path; none for what others keep as `sessions`."""
    users, uid, *rest = path.split("/")
    ours = users == "users" and len(rest) == 2 and is_id(uid) and is_id(rest[1])
    return [(uid, rest[1])] if ours else []


def _unsubscribed(watch: Any) -> None:
    """End a watch; one that does not end well is over all the same."""
    with suppress(Exception):
        watch.unsubscribe()


def _document(snapshot: DocumentSnapshot[Any]) -> Document | None:
    return snapshot.to_dict() if snapshot.exists else None


def _time(snapshot: DocumentSnapshot[Any]) -> float:
    """Return the server's clock at the reading, s since the epoch."""
    return float(snapshot.read_time.timestamp())
