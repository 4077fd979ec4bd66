"""The interfaces of a store: documents, files and the queue. All implementations pass one suite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pawfect.contract.errors import invalid
from pawfect_service.jobs.contract import MAX_FILE_BYTES, Document


@dataclass(frozen=True)
class Change:
    """What a transaction writes: the whole new document, or nothing where it is None.

    Attributes:
        document: the new one; None: it stays as it is.
        answer: for whoever asked.
        delete: the document goes, on the condition that it is still the one that was read.
    """

    document: Document | None
    answer: Any = None
    delete: bool = False


# Reads the present document (None: there is none) and the store's own clock (s since the epoch) and
# decides. It may run several times and has no other effect.
Decide = Callable[[Document | None, float], Change]


class Documents(Protocol):
    """Session documents, one per (uid, sid)."""

    async def update(self, uid: str, sid: str, decide: Decide) -> Any:
        """Run `decide` in a transaction and return its `answer` once it is committed."""

    async def get(self, uid: str, sid: str) -> Document | None:
        """Return a document or None."""

    async def delete(self, uid: str, sid: str) -> None:
        """Remove a document; one that is not there is no error."""

    def watch(self, uid: str, sid: str) -> AsyncIterator[Document | None]:
        """Yield the document now and after each change, and None once it is gone.

        Versions between two reads may be left out, the last one never.
        """

    async def overdue(self, at_most: int) -> list[tuple[str, str]]:
        """Return uid and sid of up to `at_most` sessions past their `expiresAt`, oldest first."""

    async def named(self, uid: str, prefix: str) -> list[tuple[str, Document]]:
        """Return a user's documents whose sid begins with a prefix, sid and document, by sid."""

    async def newest_runs(
        self, uid: str, at_most: int, before: RunMark | None = None
    ) -> list[RunMark]:
        """Return the first jobs of a user's runs, newest first, those older than `before`."""

    async def waiting_before(self, queued_at: float, at_most: int) -> int:
        """Return how many jobs, anybody's, wait that were queued earlier; no more than `at_most`.

        A job that a worker holds does not wait, nor does one that is over.
        """

    def of_kind(self, kind: str, since: float) -> AsyncIterator[Document]:
        """Yield all documents with this `jobKind` and a `queuedAt` of `since` or later.

        Those that are written meanwhile may be left out.
        """

    def of_user(self, uid: str) -> AsyncIterator[tuple[str, Document]]:
        """Yield all of a user's documents, sid and document, by sid.

        One that was there before the first was asked for is never left out.
        """

    async def idle(
        self, before: float, at_most: int, after: IdleMark | None = None
    ) -> list[IdleMark]:
        """Return up to `at_most` documents, anybody's, whose `updatedAt` is `before` or earlier.

        Oldest first; those behind `after`, none where there are no more. One without such a time is
        not found.
        """


@dataclass(frozen=True, order=True)
class IdleMark:
    """A document that nothing has written for long.

    Attributes:
        updated_at: when it was last written, s since the epoch.
        uid: whose.
        sid: which.
    """

    updated_at: float
    uid: str
    sid: str


@dataclass(frozen=True)
class RunMark:
    """Where a run stands among its owner's.

    Attributes:
        created_at: when its first job was queued, s since the epoch.
        sid: of that job.
    """

    created_at: float
    sid: str


def check_length(found: int) -> None:
    """Raise INVALID_ARG for a file of more bytes than are read into memory."""
    if found > MAX_FILE_BYTES:
        raise invalid("file", f"at most {MAX_FILE_BYTES} bytes", found)


# Of a file that is read piece by piece, bytes.
PIECE: Final = 4 * 2**20


@dataclass(frozen=True)
class OpenedFile:
    """A file that is read piece by piece.

    Attributes:
        size: bytes.
        pieces: its content, `PIECE` bytes at a time, as it was when it was opened; raises
            FileNotFoundError where it is deleted or replaced meanwhile and the store keeps no more.
    """

    size: int
    pieces: AsyncIterator[bytes]


@dataclass(frozen=True)
class StoredFile:
    """A file as a listing found it.

    Attributes:
        path: its path.
        size: bytes.
        version: what another content under that path has another of; the store's own.
    """

    path: str
    size: int
    version: Any


class Files(Protocol):
    """Objects by path; a file is there whole or not at all."""

    async def put(self, files: Mapping[str, bytes]) -> None:
        """Write objects by path, each replacing one of that path at once; its type is its name's.

        After an error some may be written, each of them whole.
        """

    async def get(self, path: str) -> bytes:
        """Return an object.

        Raises:
            FileNotFoundError: there is none.
            PawfectError: INVALID_ARG for one of more than `MAX_FILE_BYTES`, which is not read.
        """

    async def open(self, path: str) -> OpenedFile:
        """Return an object piece by piece; FileNotFoundError: there is none."""

    async def copy(self, source: str, target: str) -> None:
        """Copy an object at once; FileNotFoundError where there is no source."""

    async def delete(self, path: str) -> None:
        """Remove an object; one that is not there is no error."""

    async def folders(self, folder: str) -> list[str]:
        """Return the names of the folders that lie in a folder, sorted."""

    async def list(self, folder: str) -> list[str]:
        """Return the paths of all objects below a folder, sorted."""

    async def sizes(self, folder: str) -> dict[str, int]:
        """Return the bytes of each object below a folder, by path."""

    def stored(self, folder: str) -> AsyncIterator[StoredFile]:
        """Yield all objects below a folder, by path.

        One that was there before the first was asked for, and is not deleted, is never left out.
        """

    async def read(self, file: StoredFile) -> OpenedFile:
        """Return an object that was listed piece by piece, whatever its name; raises as `open`."""

    async def remove(self, file: StoredFile) -> bool:
        """Remove an object as it was listed, whatever its name, and say whether that was there.

        What was written under its path since stays.
        """

    async def link(self, path: str, holds_s: float) -> str | None:
        """Return a URL by which anybody may read an object for so long; None: there are none."""


@dataclass(frozen=True)
class ConsentMark:
    """Where a consent record stands among its user's.

    Attributes:
        at: when it was written, s since the epoch.
        name: of it.
    """

    at: float
    name: str


@dataclass(frozen=True)
class KeptRecords:
    """All that `Records` has of one user.

    Attributes:
        consents: by name.
        quota: what quotas count; None: nothing.
    """

    consents: Mapping[str, Document]
    quota: Document | None


class Records(Protocol):
    """What is kept of a user apart from pictures and jobs: consents, and what quotas count.

    Consent records are added and never changed. What is deleted of pictures, runs and sessions
    leaves them; `delete_records` is for the deletion of all that there is of a user.
    """

    async def add_consent(self, uid: str, name: str, record: Document) -> None:
        """Write a consent record, with the store's clock as its `at`; it is there for good then.

        One of this name that is there already stays as it is.
        """

    async def consent(self, uid: str, name: str) -> Document | None:
        """Return a consent record or None."""

    async def consents(
        self, uid: str, at_most: int, before: ConsentMark | None = None
    ) -> list[tuple[str, Document]]:
        """Return a user's consent records by name, newest first, those older than `before`."""

    async def withdraw_consent(self, uid: str, name: str) -> None:
        """Delete the consent record of a job that was never made; one that is not there is fine."""

    async def forget_consents(self, older_s: float, at_most: int) -> int:
        """Delete up to `at_most` consent records, anybody's, of over `older_s`; say how many."""

    async def update_quota(self, uid: str, decide: Decide) -> Any:
        """Run `decide` over what quotas count, as `Documents.update` does, deletions too."""

    async def quota(self, uid: str) -> Document | None:
        """Return what quotas count of a user; None: nothing yet."""

    async def list_records(self, uid: str) -> KeptRecords:
        """Return all consent records of a user, and what quotas count."""

    async def delete_records(self, uid: str) -> int:
        """Delete all that `list_records` returns; say how many records that were."""


@dataclass(frozen=True)
class Delivery:
    """One delivery of a message; exactly one of ack and nack ends it.

    Attributes:
        message_id: the queue's name of the message.
        data: its body, as published.
        attributes: its attributes, such as the trace.
        handle: whatever the queue needs to answer; None: a push, which its response answers.
    """

    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    handle: Any = None


@dataclass(frozen=True)
class PushTarget:
    """Where a queue that pushes sends its messages, and as whom.

    Attributes:
        endpoint: URL of a worker's push endpoint.
        email: the service account that the OIDC token with each push is of; None: no token.
        audience: whom that token is for.
    """

    endpoint: str
    email: str | None = None
    audience: str | None = None


@dataclass(frozen=True)
class DeadLetter:
    """A message that nobody could do anything with, and why as far as that is known."""

    data: bytes
    attributes: Mapping[str, str]
    reason: str


class Queue(Protocol):
    """At-least-once delivery with a backoff after each nack, and dead letters."""

    async def publish(self, data: bytes, attributes: Mapping[str, str]) -> str:
        """Queue a message and return its id, once the queue has it for good."""

    def deliveries(self, at_most: int) -> AsyncIterator[Delivery]:
        """Yield messages, up to `at_most` unanswered at a time, until the iterator is closed."""

    async def ack(self, delivery: Delivery) -> None:
        """The message is done with."""

    async def nack(self, delivery: Delivery) -> None:
        """The message comes again after its backoff."""

    async def extend(self, delivery: Delivery, seconds: float) -> None:
        """Nobody else gets the message for so long."""

    async def bury(self, delivery: Delivery, reason: str) -> None:
        """The message goes to the dead letters, and is done with; a pushed one too."""

    async def dead_letters(self, at_most: int) -> list[DeadLetter]:
        """Return up to `at_most` dead letters; they stay."""

    async def messages(self, uid: str, sid: str | None = None) -> list[str]:
        """Return the queue's names of the messages, dead letters too, of a user's jobs.

        None where they cannot be had but by working on them: those stay until they are delivered or
        too old; they hold ids alone.

        Args:
            uid: whose.
            sid: of this session alone; None: of all.
        """

    async def forget(self, names: Sequence[str]) -> int:
        """Delete messages, dead letters too, by name; return how many there still were."""


@dataclass(frozen=True)
class Removal:
    """What is being removed, or was a short while ago: late writes are held against it.

    Attributes:
        key: its name; see `pawfect_service.people.removals`.
        token: of this removal, another one each time.
        began_at: when it began, s since the epoch.
        until: it is kept until then.
        uid: whose data; None once they are gone.
        sids: the sessions that are removed; none: all that is the user's.
        places: where that lies; who does not reach one of them cannot end this.
    """

    key: str
    token: str
    began_at: float
    until: float
    uid: str | None
    sids: tuple[str, ...] = ()
    places: tuple[str, ...] = ()

    @property
    def under_way(self) -> bool:
        """Whether it has not come to its end."""
        return self.uid is not None


class Removals(Protocol):
    """What is being removed, by key."""

    async def begin(
        self, key: str, uid: str, kept_s: float, sids: tuple[str, ...], places: tuple[str, ...]
    ) -> Removal:
        """Write down that something is being removed, in place of what the key had.

        Args:
            key: its name.
            uid: whose.
            kept_s: how long this is kept at least, s.
            sids: as `Removal` has them.
            places: likewise.
        """

    async def renew(self, removal: Removal) -> Removal | None:
        """Begin a removal anew, as another one; None where it has ended or is another by now.

        Of all who do so at once one has it.
        """

    async def end(self, removal: Removal) -> bool:
        """Take the user's id off a removal, and say whether it was still this one."""

    async def drop(self, removal: Removal) -> None:
        """Delete one, unless another has taken its place."""

    async def of(self, *keys: str) -> list[Removal]:
        """Return those of some keys that there are."""

    async def pending(self, at_most: int) -> list[Removal]:
        """Return up to `at_most` that are under way, oldest first."""

    async def past(self, at_most: int) -> list[Removal]:
        """Return up to `at_most` that have ended and whose `until` is over."""


@dataclass(frozen=True)
class Stores:
    """One place with everything; `stores.open_stores` opens it.

    Attributes:
        documents: the sessions.
        files: their files.
        queue: their jobs.
        records: consents, and what quotas count.
        removals: what is being removed of them.
        close: gives connections and threads back.
        scrub: leaves no trace of what was deleted on this machine's disk, where the store is there.
    """

    documents: Documents
    files: Files
    queue: Queue
    records: Records
    removals: Removals
    close: Callable[[], Awaitable[None]]
    scrub: Callable[[], Awaitable[None]]
