"""What nothing has changed for so many days is deleted: a session, or a run with all its versions.

A run goes whole, by the newest change of any of its versions, since each works on another's
picture; from its newest version down, so that at every moment what is left of it is whole. That it
goes is written down first: a version that is queued meanwhile is refused, and a sweep that is
killed is ended by the next one.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import Final

from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.paths import RunId, is_run_job
from pawfect_service.people.deletion import remove_references
from pawfect_service.people.removals import session_key
from pawfect_service.people.sessions import is_idle, remove_session
from pawfect_service.stores.base import IdleMark, Removal, Stores

LOG: Final = logging.getLogger("pawfect.people")

DAY_S: Final = 86_400.0
# Documents that one sweep looks at: a bound on what it costs and on how long it takes.
PAGE: Final = 100
# Once all have been gone through, s: days are kept, so a quarter of one is soon enough.
PASS_EVERY_S: Final = 6 * 3600.0
# Removals of other sweeps that are ended at a time.
_AT_ONCE: Final = 100


@dataclass(frozen=True)
class Swept:
    """What one sweep did.

    Attributes:
        looked_at: documents that are old enough by themselves.
        removed: sessions that went, versions of runs among them.
        more: whether there may be more.
    """

    looked_at: int
    removed: int
    more: bool


class Retention:
    """Sweeps a store, page by page; several processes may do so at once.

    Args:
        stores: what is swept.
        keep_days: how long what nothing changes is kept, days; None: for ever, and only what has
            been begun is ended.
    """

    def __init__(self, stores: Stores, keep_days: float | None) -> None:
        self._stores = stores
        self._keep_s = math.inf if keep_days is None else keep_days * DAY_S
        self._cursor: IdleMark | None = None
        self._next_pass = 0.0

    async def due(self) -> Swept | None:
        """Sweep a page where one is due; None where none is, and what was begun alone is ended."""
        if math.isinf(self._keep_s) or time.monotonic() < self._next_pass:
            # Until then its run takes no new version.
            if await self._ended():
                await self._stores.scrub()
            return None
        swept = await self.sweep()
        if not swept.more:
            self._next_pass = time.monotonic() + PASS_EVERY_S
        if swept.removed:
            fields = {"removed": swept.removed, "looked_at": swept.looked_at}
            LOG.info("what nobody has touched for long was deleted", extra=fields)
        return swept

    async def sweep(self) -> Swept:
        """Look at the next page of old documents and remove what goes."""
        removed = await self._ended()
        before = time.time() - self._keep_s
        page = await self._stores.documents.idle(before, PAGE, self._cursor)
        self._cursor = page[-1] if page else None
        # Of a run that goes whole one version is enough.
        units = {session_key(mark.uid, mark.sid): mark for mark in page}
        for mark in units.values():
            removed += await self._unit(mark.uid, mark.sid, before)
        if removed:
            await self._stores.scrub()
        return Swept(len(page), removed, more=bool(page))

    async def _unit(self, uid: str, sid: str, before: float) -> int:
        """Remove a session, or the run that it is of, where all of it is old; return how many."""
        there = await self._documents(uid, sid)
        if not all(is_idle(uid, each, document, before) for each, document in there.items()):
            return 0
        sids = tuple(sorted(there, reverse=True))
        key, removals = session_key(uid, sid), self._stores.removals
        removal = await removals.begin(key, uid, 0.0, sids, ()) if sids else None
        return await self._end(removal) if removal else 0

    async def _documents(self, uid: str, sid: str) -> dict[str, Document]:
        """Return a session's document, or those of the run that it is of, by sid."""
        if is_run_job(sid):
            return dict(await self._stores.documents.named(uid, RunId.of_job(uid, sid).prefix))
        document = await self._stores.documents.get(uid, sid)
        return {} if document is None else {sid: document}

    async def _ended(self) -> int:
        """End removals of sessions that were killed; return how many sessions went."""
        pending = await self._stores.removals.pending(_AT_ONCE)
        return sum([await self._end(each) for each in pending if each.sids])

    async def _end(self, removal: Removal) -> int:
        """Remove what is written down, unless something of it is in use; return how many went."""
        uid, sids, began = removal.uid or "", removal.sids, removal.began_at
        # Again: what was queued before this was written down is there now.
        there = await self._documents(uid, sids[0])
        removed = 0
        if all(each in sids and is_idle(uid, each, there[each], began) for each in there):
            for sid in sids:

                def goes(document: Document, sid: str = sid) -> bool:
                    return is_idle(uid, sid, document, began)

                if not await remove_session(self._stores, uid, sid, goes):
                    break
                removed += 1
            if is_run_job(sids[0]):
                await remove_references(self._stores, RunId.of_job(uid, sids[0]))
        await self._stores.removals.drop(removal)
        return removed
