"""All of a user's data deleted in one call, and what comes late kept from bringing them back.

1. The deletion is written down: from then on nothing of that user's is taken, and a request that
   began before finds out after its writing, and takes it back (`removals.Writing`).
2. What is kept is deleted, row by row of `kept`. Running work hears of it from its document, which
   is cancelled and then gone, and clears what it has uploaded.
3. The user's id is taken off the note. It stays for as long as a job may take, as a digest; then
   files that a killed worker has left late are looked for, and it goes.

A deletion that is killed is ended by the next call, or by whichever process sweeps next.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pawfect_service.jobs.paths import RunId, check_id, is_id
from pawfect_service.people.kept import Kept, kept_of, user_folder
from pawfect_service.people.removals import user_key
from pawfect_service.people.sessions import remove_files, remove_session
from pawfect_service.services import Services
from pawfect_service.stores.base import Removal, StoredFile, Stores

LOG: Final = logging.getLogger("pawfect.people")

# What is found after a round came meanwhile. After the last one, whoever writes takes it back.
_ROUNDS: Final = 5
_PAUSE_S: Final = 0.3
# A deletion that was begun so long ago is taken for one that was killed, s.
ABANDONED_S: Final = 120.0
_AT_ONCE: Final = 100


@dataclass(frozen=True)
class Deleted:
    """What was deleted of a user.

    Attributes:
        counts: by what is kept.
        late_until: until then what comes late is kept away and removed, s since the epoch.
    """

    counts: dict[str, int]
    late_until: float


class Deletions:
    """Deletes users' data.

    Args:
        services: the store.
        own: what this process keeps of users beside the store.
    """

    def __init__(self, services: Services, own: Sequence[Kept] = ()) -> None:
        self._stores = services.stores
        self._late_s = services.sessions.contract.over_s
        self._kept = (*own, *kept_of(services))
        self._places = tuple(each.name for each in own)

    @property
    def kept(self) -> tuple[Kept, ...]:
        """All that is kept of a user, as far as this process reaches."""
        return self._kept

    async def delete(self, uid: str) -> Deleted:
        """Delete all that is kept of a user; done twice it does the same.

        Raises:
            PawfectError: INVALID_ARG for no id; UNAVAILABLE where a store is away: what is not
                deleted yet is by another call, or by the next sweep.
        """
        key = user_key(check_id("uid", uid))
        removal = await self._stores.removals.begin(key, uid, self._late_s, (), self._places)
        return Deleted(await self._carried_out(removal, uid), removal.until)

    async def _carried_out(self, removal: Removal, uid: str) -> dict[str, int]:
        counts = dict.fromkeys((each.name for each in self._kept), 0)
        for number in range(_ROUNDS):
            found = {each.name: await each.delete(uid) for each in self._kept}
            counts = {name: counts[name] + count for name, count in found.items()}
            if not any(found.values()):
                break
            # The first look again is at once; what still comes then is of work that is stopping.
            await asyncio.sleep(_PAUSE_S if number else 0.0)
        await self._stores.removals.end(removal)
        await self._stores.scrub()
        LOG.info("a user's data were deleted", extra={"counts": counts})
        return counts

    async def sweep(self) -> None:
        """End deletions that were killed, and the watch for what comes late where its time is over.

        Several processes may do so at once.
        """
        removals = self._stores.removals
        for removal in await removals.pending(_AT_ONCE):
            # Those of sessions are the retention's.
            reached = not removal.sids and set(removal.places) <= set(self._places)
            if removal.uid and reached and time.time() - removal.began_at > ABANDONED_S:
                await self._carried_out(removal, removal.uid)
        if past := await removals.past(_AT_ONCE):
            keys = {each.key for each in past}
            for uid in await self._stores.files.folders("users"):
                if user_key(uid) in keys:
                    await remove_orphans(self._stores, uid)
            for removal in past:
                await removals.drop(removal)
            await self._stores.scrub()


async def remove_orphans(stores: Stores, uid: str) -> int:
    """Remove a user's files that belong to no session: what a killed process has left.

    Only sessions' own folders and references are looked at: what a product itself has put below a
    user's folder is its own.

    Returns:
        How many files there were.
    """
    folder, count = user_folder(uid), 0
    for sid in await stores.files.folders(f"{folder}/sessions"):
        if is_id(sid) and await stores.documents.get(uid, sid) is None:
            listed = [file async for file in stores.files.stored(f"{folder}/sessions/{sid}")]
            gone = await remove_session(stores, uid, sid, lambda _: False)
            count += len(listed) if gone else 0
    for token in await stores.files.folders(f"{folder}/references"):
        if (run := RunId.parse(f"{token}.{uid}")) is not None:
            count += await remove_references(stores, run)
    return count


async def remove_references(stores: Stores, run: RunId) -> int:
    """Remove the pictures that came with a run that is gone; return how many there were."""
    listed: list[StoredFile] = [
        file async for file in stores.files.stored(f"{user_folder(run.uid)}/references/{run.token}")
    ]
    if not listed or await stores.documents.named(run.uid, run.prefix):
        return 0
    return await remove_files(stores, listed)
