"""All of a user's data deleted in one call, and what comes late kept from bringing them back.

1. The deletion is written down: from then on nothing of that user's is taken, and a request that
   began before finds out after its writing, and takes it back (`removals.Writing`).
2. What is kept is deleted, row by row of `kept`. Running work hears of it from its document, which
   is cancelled and then gone, and clears what it has uploaded.
3. The user's id is taken off the note. It stays for as long as a job may take, as a digest; then
   files that a killed worker has left late are looked for, and it goes.

A deletion that is killed is ended by the next call, or by whichever process sweeps next. One
process at a time has it: the last one that was called, or that has taken it over. Whoever had it
before sees so before it removes what it has found, and leaves the rest: a deletion that has ended
takes nothing that came after its end.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.jobs.paths import RunId, check_id, is_id
from pawfect_service.people.kept import Kept, kept_of, user_folder
from pawfect_service.people.removals import user_key
from pawfect_service.people.sessions import remove_files, remove_session
from pawfect_service.services import Services
from pawfect_service.stores.base import Removal, Removals, StoredFile, Stores

LOG: Final = logging.getLogger("pawfect.people")

# What is found after a round came meanwhile. After the last one, whoever writes takes it back.
_ROUNDS: Final = 5
_PAUSE_S: Final = 0.3
# A deletion that was begun, or renewed, so long ago is taken for one that was killed, s.
ABANDONED_S: Final = 120.0
# Whoever carries one out renews it so often, s: several times before it would seem abandoned.
RENEWED_S: Final = ABANDONED_S / 4
# So long a call waits for another one that has taken its deletion over, s.
WAITED_S: Final = 60.0
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
        counts = await self._carried_out(removal, uid)
        return Deleted(counts, await self._ended(removal))

    async def _carried_out(self, removal: Removal, uid: str) -> dict[str, int]:
        """Delete until nothing is found; return what of it was done here."""
        carrier = _Carrier(self._stores.removals, removal)
        counts = dict.fromkeys((each.name for each in self._kept), 0)
        try:
            for number in range(_ROUNDS):
                before = sum(counts.values())
                for each in self._kept:
                    counts[each.name] += await each.delete(uid, carrier.check)
                if sum(counts.values()) == before:
                    break
                # The first look again is at once; what still comes is of work that is stopping.
                await asyncio.sleep(_PAUSE_S if number else 0.0)
            await carrier.end()
        except _TakenOverError:
            LOG.info("another call, or sweep, deletes a user's data", extra={"counts": counts})
            return counts
        await self._stores.scrub()
        LOG.info("a user's data were deleted", extra={"counts": counts})
        return counts

    async def _ended(self, removal: Removal) -> float:
        """Wait until nobody deletes a user's data any more; return the note's `until`."""
        limit = time.monotonic() + WAITED_S
        while found := await self._stores.removals.of(removal.key):
            if not found[0].under_way:
                return found[0].until
            if time.monotonic() > limit:
                message = "user: expected data that are deleted by now, another call is still at it"
                raise PawfectError(ErrorKind.UNAVAILABLE, message)
            await asyncio.sleep(_PAUSE_S)
        return removal.until

    async def sweep(self) -> None:
        """End deletions that were killed, and the watch for what comes late where its time is over.

        Several processes may do so at once.
        """
        removals = self._stores.removals
        for removal in await removals.pending(_AT_ONCE):
            # Those of sessions are the retention's.
            reached = not removal.sids and set(removal.places) <= set(self._places)
            if not (removal.uid and reached and time.time() - removal.began_at > ABANDONED_S):
                continue
            # Of all who sweep one has it then.
            if (mine := await removals.renew(removal)) is not None:
                await self._carried_out(mine, removal.uid)
        if past := await removals.past(_AT_ONCE):
            keys = {each.key for each in past}
            for uid in await self._stores.files.folders("users"):
                if user_key(uid) in keys:
                    await remove_orphans(self._stores, uid)
            for removal in past:
                await removals.drop(removal)
            await self._stores.scrub()


class _TakenOverError(Exception):
    """A deletion has ended, or is somebody else's by now."""


class _Carrier:
    """Whoever carries a deletion out, for as long as it is his.

    Args:
        removals: of the store.
        removal: as it was begun.
    """

    def __init__(self, removals: Removals, removal: Removal) -> None:
        self._removals = removals
        self._removal = removal
        self._renewed = time.monotonic()

    async def check(self) -> None:
        """Look whether it is his still, and keep others from taking it for abandoned.

        Raises:
            _TakenOverError: it is not.
        """
        if time.monotonic() - self._renewed >= RENEWED_S:
            renewed = await self._removals.renew(self._removal)
            if renewed is None:
                raise _TakenOverError
            self._removal, self._renewed = renewed, time.monotonic()
            return
        found = await self._removals.of(self._removal.key)
        if not any(each.token == self._removal.token and each.under_way for each in found):
            raise _TakenOverError

    async def end(self) -> None:
        """End it; raises as `check`."""
        if not await self._removals.end(self._removal):
            raise _TakenOverError


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
