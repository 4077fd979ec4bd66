"""What quotas count of a user, and each change of it, as pure functions of it and the clock.

The ledger has an entry for each job that was let in, until that is known to be over, and nothing
that could drift: whether a job is over is read off its own document, and what is kept off the
files. An entry is written before its job is, so that of requests at once each sees the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import Field, ValidationError

from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.fields import Identity, Part, Seconds, Text
from pawfect_service.quotas.limits import MOST_JOBS, Limits
from pawfect_service.quotas.prices import MILLIONTHS

# A job is written within this time after its entry, s, or not at all: as long as storing may take.
WRITTEN_S: Final = 30.0
# An entry whose job is not there after this time never gets one, s: WRITTEN_S, and as long as a
# commit may hang. For so long what was uploaded counts as its entry says, stored or not.
FORGOTTEN_S: Final = 60.0
_Amount = Annotated[int, Field(ge=0, lt=2**62)]


class Entry(Part):
    """A job that was let in, or a file that is uploaded without one.

    Attributes:
        job: its id; of a file a name of its own.
        sid: the session that the job is of; None: a file without a job.
        at: when it was let in, s.
        files: bytes of what it uploads, by path.
        usd: what one start may cost elsewhere, millionths of a USD.
        paid: whom that is paid to.
        over: whether the job has ended; only its files still count.
    """

    job: Identity
    sid: Identity | None
    at: Seconds
    files: Mapping[Text, _Amount] = Field(default_factory=dict)
    usd: _Amount = 0
    paid: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    over: bool = False


class Ledger(Part):
    """What is counted of one user.

    Attributes:
        entries: oldest first.
        cleared: how often some were taken out: files that were listed before may be missing now.
        day: of `spent`, such as 2026-11-29, UTC.
        spent: what the jobs that were queued on that day and are over have cost, millionths of USD.
    """

    entries: Annotated[tuple[Entry, ...], Field(strict=False)] = ()
    cleared: _Amount = 0
    day: Text = ""
    spent: _Amount = 0

    @property
    def jobs(self) -> tuple[Entry, ...]:
        """The jobs in flight."""
        return tuple(one for one in self.entries if one.sid is not None and not one.over)

    @property
    def of_today(self) -> tuple[Entry, ...]:
        """Those of the jobs in flight that were queued on the ledger's day."""
        return tuple(one for one in self.jobs if day_of(one.at) == self.day)


@dataclass(frozen=True)
class Fact:
    """What a job's own document says of it.

    Attributes:
        over: whether it has ended, or will never be.
        usd: what it has cost at most so far, millionths of a USD.
    """

    over: bool
    usd: int


@dataclass(frozen=True)
class Refusal:
    """Why somebody is not let in.

    Attributes:
        quota: jobs, kept_bytes or judge_usd, as `Limits` has them.
        limit: of it.
        used: how much of it is used; of money, spent.
        more: how much more was asked for.
        held: of money, what is held for jobs in flight.
        now: the store's clock, s.
    """

    quota: str
    limit: float
    used: float
    more: float
    held: float = 0.0
    now: float = 0.0


def day_of(now: float) -> str:
    """Return the day in UTC, such as 2026-11-29."""
    return f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}"


def next_day_s(now: float) -> float:
    """Return how long it is until the next day in UTC, s."""
    moment = datetime.fromtimestamp(now, UTC)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return (midnight - moment).total_seconds()


def read_ledger(document: Document | None, now: float) -> Ledger:
    """Return a user's ledger as of now; one that somebody has edited into another begins anew."""
    try:
        ledger = Ledger.model_validate(document or {}, by_alias=True, by_name=False)
    except ValidationError:
        ledger = Ledger()
    # A clock that goes back begins no day anew.
    if ledger.day < (today := day_of(now)):
        ledger = ledger.model_copy(update={"day": today, "spent": 0})
    return _without(ledger, lambda one: _uploaded(one, now))


def cleared_of(document: Document | None) -> object:
    """Return how often a stored ledger was cleared."""
    return (document or {}).get("cleared")


def write_ledger(ledger: Ledger) -> Document:
    """Return the document of a ledger: nothing but what JSON and Firestore know."""
    document = ledger.model_dump(by_alias=True)
    entries = [{**one, "paid": list(one["paid"])} for one in document["entries"]]
    return {**document, "entries": entries}


def _uploaded(entry: Entry, now: float) -> bool:
    """Say whether an entry holds nothing any more: its files are stored, or never will be."""
    return (entry.over or entry.sid is None) and now - entry.at >= FORGOTTEN_S


def _without(ledger: Ledger, gone: Callable[[Entry], bool]) -> Ledger:
    kept = tuple(one for one in ledger.entries if not gone(one))
    if len(kept) == len(ledger.entries):
        return ledger
    return ledger.model_copy(update={"entries": kept, "cleared": ledger.cleared + 1})


def settled(ledger: Ledger, facts: Mapping[str, Fact], now: float) -> Ledger:
    """Return a ledger in which jobs that are over hold no place, and have cost what they did.

    Args:
        ledger: as `read_ledger` gave it.
        facts: by job.
        now: the store's clock, s.
    """
    spent, entries = ledger.spent, []
    for one in ledger.entries:
        fact = facts.get(one.job)
        if one.sid is not None and not one.over and fact is not None and fact.over:
            if day_of(one.at) == ledger.day:
                spent += fact.usd
            one = one.model_copy(update={"over": True})
        entries.append(one)
    changed = ledger.model_copy(update={"entries": tuple(entries), "spent": spent})
    return _without(changed, lambda one: _uploaded(one, now))


def released(ledger: Ledger, job: str) -> Ledger:
    """Return a ledger without a job, or a file, that came to nothing."""
    return _without(ledger, lambda one: one.job == job)


def kept_bytes(listed: Mapping[str, int], entries: Iterable[Entry]) -> int:
    """Return how much a user keeps, what is on its way included.

    Args:
        listed: bytes of what is stored, by path.
        entries: of what may not be stored yet.
    """
    sizes = dict(listed)
    for one in entries:
        for path, size in one.files.items():
            sizes[path] = max(sizes.get(path, 0), size)
    return sum(sizes.values())


def held_usd(ledger: Ledger, facts: Mapping[str, Fact]) -> int:
    """Return what the day's jobs in flight may cost, millionths: one start at least of each."""
    known = {job: fact.usd for job, fact in facts.items()}
    return sum(max(one.usd, known.get(one.job, 0)) for one in ledger.of_today)


def refusal(
    ledger: Ledger,
    asked: Entry,
    limits: Limits,
    facts: Mapping[str, Fact],
    listed: Mapping[str, int] | None,
) -> Refusal | None:
    """Return why an entry is not let in; None: it is.

    Args:
        ledger: settled.
        asked: the entry.
        limits: of the user.
        facts: of the jobs in flight, by job.
        listed: bytes of what is stored, by path; None: they are not asked for.
    """
    jobs, most_jobs = len(ledger.jobs), MOST_JOBS if limits.jobs is None else limits.jobs
    if asked.sid is not None and jobs + 1 > most_jobs:
        return Refusal("jobs", most_jobs, jobs, 1, now=asked.at)
    if limits.judge_usd is not None and asked.usd:
        held, most = held_usd(ledger, facts), round(limits.judge_usd * MILLIONTHS)
        if ledger.spent + held + asked.usd > most:
            return Refusal("judge_usd", most, ledger.spent, asked.usd, held, asked.at)
    if limits.kept_bytes is not None and listed is not None:
        used = kept_bytes(listed, ledger.entries)
        more = kept_bytes(listed, (*ledger.entries, asked)) - used
        if more and used + more > limits.kept_bytes:
            return Refusal("kept_bytes", limits.kept_bytes, used, more, now=asked.at)
    return None


def admitted(ledger: Ledger, asked: Entry) -> Ledger:
    """Return a ledger with an entry that is let in."""
    return ledger.model_copy(update={"entries": (*ledger.entries, asked)})
