"""Lets jobs and uploads in, as far as their user's quotas go.

Two things are read and one is written: a conditional write of the user's ledger decides between
requests that come at once, in however many processes. What holds a place is looked for in the jobs'
own documents, so a job that ended in any way, was deleted, or was never written gives its place
back without anybody's doing.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.moves import expire
from pawfect_service.jobs.repair import readable
from pawfect_service.quotas.ledger import (
    FORGOTTEN_S,
    WRITTEN_S,
    Entry,
    Fact,
    Refusal,
    admitted,
    cleared_of,
    held_usd,
    kept_bytes,
    read_ledger,
    refusal,
    released,
    settled,
    write_ledger,
)
from pawfect_service.quotas.limits import Limits, Rules
from pawfect_service.quotas.prices import cost_of_starts
from pawfect_service.sessions import Sessions
from pawfect_service.stores.at_once import AT_ONCE, some_at_once
from pawfect_service.stores.base import Change, Stores

# How often a listing of files is made anew because another request took entries out meanwhile.
_TRIES: Final = 8
# Each time that so many jobs more are in flight they are looked for, though nobody is refused.
_MANY: Final = 64
# With more jobs in flight than are read at once, what was read of all of them stands for so long,
# s for each: 120 refusals a minute of 1,000 jobs would be 120,000 readings. 1,000 stand for 10 s,
# after which a refused job may be sent again.
_STANDS_S: Final = 0.01
# What a decision says in place of an answer: list the files anew.
_AGAIN: Final = "again"


class _Look(Enum):
    """Whose documents are looked for before a decision; what one says that needs more."""

    NOBODYS = "nobody's"
    SESSIONS = "those of earlier jobs of the same session"
    EVERYBODYS = "those of all of the user's jobs in flight"


# How often the ledger was cleared, and then the bytes of a user's files, by path.
Listing = tuple[object, Mapping[str, int]]


@dataclass(frozen=True)
class Place:
    """A place that a job was let in to.

    Attributes:
        job: its id.
        until: when its document is written at the latest, on the store's clock, s.
    """

    job: str
    until: float


@dataclass(frozen=True)
class Used:
    """What a user has used of each quota.

    Attributes:
        jobs: in flight; None: they are not counted.
        kept_bytes: of all files.
        spent: millionths of a USD of the day's jobs that are over.
        held: of those in flight.
        limits: of the user.
    """

    jobs: int | None
    kept_bytes: int
    spent: int
    held: int
    limits: Limits


class RefusedError(Exception):
    """Somebody is not let in.

    Args:
        why: by which quota.
    """

    def __init__(self, why: Refusal) -> None:
        super().__init__(why.quota)
        self.why = why


class QuotaKeeper:
    """Counts what users have, and lets more in or not.

    Args:
        stores: where it is.
        sessions: moves of the jobs' documents.
        rules: what each user may have.
    """

    def __init__(self, stores: Stores, sessions: Sessions, rules: Rules) -> None:
        self._stores, self._sessions = stores, sessions
        # What was last read of a user's many jobs, and until when that stands on the loop's clock.
        self._stands: dict[str, tuple[float, dict[str, Fact]]] = {}
        self.rules = rules

    async def admit(
        self,
        uid: str,
        sid: str | None,
        job: str,
        files: Mapping[str, int],
        usd: int = 0,
        paid: tuple[str, ...] = (),
    ) -> Place | None:
        """Write down that a job, or an upload, comes; None: nothing is counted of anybody.

        Args:
            uid: whose.
            sid: the job's session; None: a file without a job.
            job: its id; of a file a name of its own.
            files: bytes of what it uploads, by path.
            usd: what one start may cost elsewhere, millionths of a USD.
            paid: whom that is paid to.

        Raises:
            RefusedError: a quota is used up.
            PawfectError: UNAVAILABLE where the store does not answer, or others are always faster.
        """
        if self.rules.off:
            return None
        limits = self.rules.of(uid)
        # A money quota is held against what each job really cost: that is looked for every time.
        paying = bool(usd) and limits.judge_usd is not None
        look = _Look.EVERYBODYS if paying else _Look.NOBODYS
        for _ in range(_TRIES):
            facts = await self._facts(uid, sid, look)
            listing = await self._listed(uid) if limits.kept_bytes is not None and files else None
            counted = {} if listing is None else files

            def decide(document: Document | None, now: float) -> Change:
                asked = Entry(job=job, sid=sid, at=now, files=counted, usd=usd, paid=paid)  # noqa: B023
                return _decide(document, asked, limits, facts, look, listing)  # noqa: B023

            answer = await self._stores.records.update_quota(uid, decide)
            if isinstance(answer, Place):
                return answer
            if isinstance(answer, Refusal):
                if look is _Look.EVERYBODYS:
                    raise RefusedError(answer)
                # Only now, since it takes a reading of each job: some may be over.
                look = _Look.EVERYBODYS
            elif isinstance(answer, _Look):
                look = answer
        raise PawfectError(ErrorKind.UNAVAILABLE, "quotas: too many requests of this user at once")

    async def admit_upload(self, uid: str, files: Mapping[str, int]) -> Place | None:
        """Write down that files without a job come; raises as `admit`."""
        return await self.admit(uid, None, f"upload-{secrets.token_hex(8)}", files)

    async def release(self, uid: str, job: str) -> None:
        """Give back the place of a job, or a file, of which nothing came, or nothing is left.

        One that is not given back is forgotten. No empty ledger is left: all of the user's data may
        have been deleted meanwhile.
        """
        if self.rules.off:
            return

        def decide(document: Document | None, now: float) -> Change:
            ledger = read_ledger(document, now)
            left = released(ledger, job)
            if left.entries or left.spent:
                return Change(None if left == ledger else write_ledger(left))
            return Change(None, delete=document is not None)

        await self._stores.records.update_quota(uid, decide)

    async def used(self, uid: str) -> Used:
        """Return what a user has used, now."""
        facts = {} if self.rules.off else await self._facts(uid, None, _Look.EVERYBODYS)
        listed = await self._stores.files.sizes(f"users/{uid}")
        now = time.time()
        ledger = settled(read_ledger(await self._stores.records.quota(uid), now), facts, now)
        return Used(
            None if self.rules.off else len(ledger.jobs),
            kept_bytes(listed, ledger.entries),
            ledger.spent,
            held_usd(ledger, facts),
            self.rules.of(uid),
        )

    async def _listed(self, uid: str) -> Listing:
        """Return how often the ledger was cleared, and then the bytes of all files by path."""
        cleared = cleared_of(await self._stores.records.quota(uid))
        return cleared, await self._stores.files.sizes(f"users/{uid}")

    async def _facts(self, uid: str, sid: str | None, look: _Look) -> dict[str, Fact]:
        """Return what the documents of a user's jobs in flight say of them, by job."""
        if look is _Look.NOBODYS:
            return {}
        if look is _Look.SESSIONS:
            return await self._read_facts(uid, lambda one: one.sid == sid)
        clock = asyncio.get_running_loop().time
        until, facts = self._stands.get(uid, (0.0, {}))
        if clock() >= until:
            facts = await self._read_facts(uid, lambda _: True)
            now = clock()
            self._stands = {user: one for user, one in self._stands.items() if one[0] > now}
            # What is over stays so. One that ends meanwhile holds its place for so long, and starts
            # meanwhile are among those that the quota does not bound.
            if len(facts) > AT_ONCE:
                self._stands[uid] = now + len(facts) * _STANDS_S, facts
        return facts

    async def _read_facts(self, uid: str, wanted: Callable[[Entry], bool]) -> dict[str, Fact]:
        # The clock is read before the documents: what is not there then, and late, never comes.
        document, now = await self._stores.records.update_quota(
            uid, lambda found, at: Change(None, (found, at))
        )
        jobs = [one for one in read_ledger(document, now).jobs if wanted(one)]
        found = await some_at_once(jobs, lambda one: self._fact(uid, one, now))
        return {one.job: fact for one, fact in zip(jobs, found, strict=True)}

    async def _fact(self, uid: str, entry: Entry, now: float) -> Fact:
        assert entry.sid is not None
        document = await self._sessions.documents.get(uid, entry.sid)
        session = None if document is None else readable(uid, entry.sid, document, time.time())
        if session is None or session.job != entry.job:
            # Deleted, replaced by another job, not written yet, or never: what it cost is unknown.
            return Fact(now - entry.at >= FORGOTTEN_S, entry.usd)
        if session.expires_at is not None and session.expires_at <= time.time():
            session = (await self._sessions.move(uid, entry.sid, expire)).session or session
        cost = cost_of_starts(session, entry.paid, entry.usd, self.rules.prices)
        return Fact(session.final, cost)


def _decide(
    document: Document | None,
    asked: Entry,
    limits: Limits,
    facts: Mapping[str, Fact],
    look: _Look,
    listing: Listing | None,
) -> Change:
    """Return what becomes of a user's ledger, and the answer: Place, Refusal, or one of above.

    `facts` are what the documents say that were looked for.
    """
    now = asked.at
    if listing is not None and cleared_of(document) != listing[0]:
        return Change(None, _AGAIN)
    ledger = settled(read_ledger(document, now), facts, now)
    for one in ledger.entries:
        if one.job == asked.job:
            # The commit was taken, and word of it lost.
            return Change(None, Place(one.job, one.at + WRITTEN_S))
    if look is _Look.NOBODYS and any(one.sid == asked.sid for one in ledger.jobs):
        # This job may replace one that is over: once it has, nobody sees that any more.
        return Change(None, _Look.SESSIONS)
    listed = None if listing is None else listing[1]
    if why := refusal(ledger, asked, limits, facts, listed):
        return Change(None, why)
    many = bool(ledger.jobs) and len(ledger.jobs) % _MANY == 0
    if many and look is not _Look.EVERYBODYS:
        return Change(None, _Look.EVERYBODYS)
    return Change(write_ledger(admitted(ledger, asked)), Place(asked.job, now + WRITTEN_S))
