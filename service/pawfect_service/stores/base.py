"""The interfaces of a store: documents, files and the queue. All implementations pass one suite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pawfect.contract.errors import invalid
from pawfect_service.jobs.contract import MAX_FILE_BYTES, Document


@dataclass(frozen=True)
class Change:
    """What a transaction writes: the whole new document, or nothing where it is None."""

    document: Document | None
    answer: Any = None


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
        pieces: its content, `PIECE` bytes at a time, as it was when it was opened.
    """

    size: int
    pieces: AsyncIterator[bytes]


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

    async def list(self, folder: str) -> list[str]:
        """Return the paths of all objects below a folder, sorted."""

    async def sizes(self, folder: str) -> dict[str, int]:
        """Return the bytes of each object below a folder, by path."""

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

    async def forget_consents(self, older_s: float, at_most: int) -> int:
        """Delete up to `at_most` consent records, anybody's, of over `older_s`; say how many."""

    async def update_quota(self, uid: str, decide: Decide) -> Any:
        """Run `decide` over what quotas count, as `Documents.update` does."""

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


@dataclass(frozen=True)
class Stores:
    """One place with everything; `stores.open_stores` opens it.

    Attributes:
        documents: the sessions.
        files: their files.
        queue: their jobs.
        records: consents, and what quotas count.
        close: gives connections and threads back.
    """

    documents: Documents
    files: Files
    queue: Queue
    records: Records
    close: Callable[[], Awaitable[None]]
