"""One session removed with its files, so that nothing newer goes and nothing is left without it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.paths import session_path
from pawfect_service.jobs.repair import readable
from pawfect_service.stores.at_once import some_at_once
from pawfect_service.stores.base import Change, StoredFile, Stores


async def remove_session(
    stores: Stores, uid: str, sid: str, goes: Callable[[Document], bool]
) -> bool:
    """Delete a session, then its files and messages; return whether it has gone.

    Its files and messages are listed before its document is looked at, which is deleted in one
    transaction on the condition that it still may go: what a new job of that name writes comes
    after its document, so it is not among those that were listed. Killed in between, files without
    a document are left: calling it again removes them.

    Args:
        stores: where it is.
        uid: whose.
        sid: which.
        goes: says of the document whether it may go.
    """
    listed = [file async for file in stores.files.stored(session_path(uid, sid))]
    messages = await stores.queue.messages(uid, sid)

    def decide(document: Document | None, now: float) -> Change:
        gone = document is None or goes(document)
        return Change(None, gone, delete=gone)

    if not await stores.documents.update(uid, sid, decide):
        return False
    await remove_files(stores, listed)
    await stores.queue.forget(messages)
    return True


async def remove_files(stores: Stores, files: Iterable[StoredFile]) -> int:
    """Remove files as they were listed; return how many there still were."""
    return sum(await some_at_once(files, stores.files.remove))


def is_idle(uid: str, sid: str, document: Document, before: float) -> bool:
    """Say whether a job is over and nothing has written its document since a time.

    Args:
        uid: whose.
        sid: which.
        document: an impossible one is over: nobody can work on it.
        before: s since the epoch.
    """
    updated = document.get("updatedAt")
    if not isinstance(updated, int | float) or updated > before:
        return False
    return readable(uid, sid, document, time.time()).final
