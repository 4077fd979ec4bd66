"""Everything that is kept of a user, as one table: deletion, export and the documents walk it.

Whoever keeps something else of a user adds a row to `kept_of`, or to what the API adds to it, and a
line to `docs/people-data.md`, whose table is held against these.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.moves import cancel
from pawfect_service.jobs.paths import check_id
from pawfect_service.people.sessions import remove_files
from pawfect_service.services import Services
from pawfect_service.stores.at_once import AT_ONCE, some_at_once
from pawfect_service.stores.base import Change, StoredFile

# Files whose removal is under way at a time.
_BATCH: Final = 4 * AT_ONCE

# Raises where a deletion has ended, or is somebody else's by now: what was found before it was
# called is of before the end, what is found later may be newer.
Check = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Kept:
    """One sort of thing that is kept of a user.

    Attributes:
        name: what the answer to a deletion counts it as.
        delete: removes all of a user's; done twice it does the same. Returns how many there were.
            Its second argument is called between finding what there is and removing that.
        exported: yields what an export has of it beside the files, path and JSON; None: nothing.
    """

    name: str
    delete: Callable[[str, Check], Awaitable[int]]
    exported: Callable[[str], AsyncIterator[tuple[str, Mapping[str, Any]]]] | None = None


def kept_of(services: Services) -> tuple[Kept, ...]:
    """Return what the store keeps of a user, in the order in which it is deleted.

    Jobs end first, so that their workers stop; documents go before files: what is half deleted has
    no pictures that are missing, and files are found by their path alone.
    """
    stores, sessions = services.stores, services.sessions

    async def jobs(uid: str, check: Check) -> int:
        async def end(found: tuple[str, Document]) -> int:
            sid, seen = found
            return int((await sessions.move(uid, sid, cancel, job=seen.get("job"))).write)

        running = [
            (sid, document)
            async for sid, document in stores.documents.of_user(uid)
            if document.get("expiresAt") is not None
        ]
        await check()
        return sum(await some_at_once(running, end))

    async def messages(uid: str, check: Check) -> int:
        found = await stores.queue.messages(uid)
        await check()
        return await stores.queue.forget(found)

    async def documents(uid: str, check: Check) -> int:
        async def delete(found: tuple[str, Document]) -> int:
            sid, seen = found

            def decide(document: Document | None, now: float) -> Change:
                # Not a new job's: a deleter that stood still comes too late for that.
                same = document is not None and document.get("job") == seen.get("job")
                return Change(None, same, delete=same)

            return int(await stores.documents.update(uid, sid, decide))

        count, batch = 0, list[tuple[str, Document]]()
        async for found in stores.documents.of_user(uid):
            batch.append(found)
            if len(batch) >= AT_ONCE:
                await check()
                count += sum(await some_at_once(batch, delete))
                batch = []
        await check()
        return count + sum(await some_at_once(batch, delete))

    async def files(uid: str, check: Check) -> int:
        count, batch = 0, list[StoredFile]()
        async for file in stores.files.stored(user_folder(uid)):
            # Also one that is replaced meanwhile: it is looked for again.
            count += 1
            batch.append(file)
            if len(batch) >= _BATCH:
                await check()
                await remove_files(stores, batch)
                batch = []
        await check()
        await remove_files(stores, batch)
        return count

    async def records(uid: str, check: Check) -> int:
        await check()
        return await stores.records.delete_records(uid)

    async def written_down(uid: str) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        kept = await stores.records.list_records(uid)
        yield (
            "consents.json",
            {"consents": [{"job": job, **it} for job, it in kept.consents.items()]},
        )
        if kept.quota is not None:
            yield "quota.json", kept.quota

    return (
        Kept("jobs", jobs),
        Kept("messages", messages),
        Kept("documents", documents),
        Kept("files", files),
        Kept("records", records, written_down),
    )


def user_folder(uid: str) -> str:
    """Return the folder below which all of a user's files lie."""
    return f"users/{check_id('uid', uid)}"
