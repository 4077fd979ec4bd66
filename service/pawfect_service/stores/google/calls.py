"""Calls of Firestore: each within its time, and a document written on condition of its version."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from google.api_core.exceptions import Aborted, AlreadyExists, FailedPrecondition, NotFound
from google.cloud import firestore
from google.cloud.firestore_v1.async_document import AsyncDocumentReference
from google.cloud.firestore_v1.base_document import DocumentSnapshot
from google.cloud.firestore_v1.field_path import FieldPath

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.jobs.contract import Document
from pawfect_service.stores.base import Decide
from pawfect_service.stores.google.errors import translated

# A commit loses against another on the same document at most so often, with a pause that grows from
# 10 ms to at most half a second: longer than anybody writes one session.
_TRIES: Final = 40
_PAUSE_S: Final = 0.01
_LONGEST_PAUSE_S: Final = 0.5
# One call: the client itself would go on trying for five minutes, longer than any lease.
_TIMEOUT_S: Final = 10.0
_SERVICE: Final = "documents"


@asynccontextmanager
async def bounded() -> AsyncIterator[None]:
    """Give one call its time, tries of the client's own included, and translate its failures."""
    with translated(_SERVICE):
        async with asyncio.timeout(_TIMEOUT_S):
            yield


def read_document(snapshot: DocumentSnapshot[Any]) -> Document | None:
    """Return what was read; None: there is no such document."""
    return snapshot.to_dict() if snapshot.exists else None


def read_time(snapshot: DocumentSnapshot[Any]) -> float:
    """Return the server's clock at the reading, s since the epoch."""
    return float(snapshot.read_time.timestamp())


async def update_whole(client: firestore.AsyncClient, path: str, decide: Decide) -> Any:
    """Run `decide` over a document until its commit is taken, and return its `answer`.

    Raises:
        PawfectError: UNAVAILABLE where Firestore is away, or others always were faster.
    """
    reference = client.document(path)
    for tries in range(_TRIES):
        async with bounded():
            snapshot = await reference.get()
        change = decide(read_document(snapshot), read_time(snapshot))
        if change.document is None:
            return change.answer
        try:
            async with bounded():
                await _commit(client, reference, snapshot, change.document)
            return change.answer
        except PawfectError as error:
            lost = (FailedPrecondition, AlreadyExists, NotFound, Aborted)
            if not isinstance(error.__cause__, lost):
                raise
        longest = min(_PAUSE_S * 2**tries, _LONGEST_PAUSE_S)
        await asyncio.sleep(random.uniform(0, longest))
    raise PawfectError(ErrorKind.UNAVAILABLE, f"{_SERVICE}: too many write this session")


async def _commit(
    client: firestore.AsyncClient,
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
    unchanged = client.write_option(last_update_time=snapshot.update_time)
    await reference.update(fields, option=unchanged)
