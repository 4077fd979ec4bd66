"""What clients were told: every job that was accepted, and what each saw of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from pawfect_service.jobs.paths import RunId

# What the error of a job says whose pictures cannot be read.
BROKEN: Final = "INVALID_ARG"


@dataclass
class Accepted:
    """A job that a client was told has been taken.

    Attributes:
        uid: whose.
        sid: the session, or the run's job.
        job: this enqueuing; None: the answer did not say.
        kind: of order.
        material: name of its pictures.
        url: where its state is to be had.
        at_s: when, on a steady clock, s.
        hopeless: what its error has to say, since it has to fail: its pictures are broken, or the
            server, which was away when it was asked for, cannot do it; None: it has not.
        cancelled: whether somebody asked for its end.
        ended: its final status, as a client saw it first.
        ended_s: when, on a steady clock, s.
        error: kind of the error that it ended with.
        digests: SHA-256 of the files that a client has fetched, by name.
    """

    uid: str
    sid: str
    job: str | None
    kind: str
    material: str
    url: str
    at_s: float
    hopeless: str | None = None
    cancelled: bool = False
    ended: str | None = None
    ended_s: float | None = None
    error: str | None = None
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def version(self) -> int | None:
        """Which version of its run it makes; None for a session."""
        return int(self.sid[-4:]) if self.url.startswith("/api/v1/runs/") else None


@dataclass
class Ledger:
    """All that clients know.

    Attributes:
        accepted: jobs by user and session.
        told: what followers heard and what was refused, by what it was.
        wrong: what a client saw that must not be.
    """

    accepted: dict[tuple[str, str], Accepted] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def accept(self, job: Accepted) -> Accepted:
        """Write a job down; one that was known already must be the same."""
        known = self.accepted.setdefault((job.uid, job.sid), job)
        if known.job != job.job:
            self.wrong.append(f"{job.uid}/{job.sid}: job {known.job} became {job.job}")
        return known

    def fetched(self, job: Accepted, name: str, digest: str) -> None:
        """Note a file of a job; every time it must be the same one."""
        if job.digests.setdefault(name, digest) != digest:
            self.wrong.append(f"{job.uid}/{job.sid}: {name} was published twice, and differs")


def run_sid(run_id: str, version: int) -> tuple[str, str]:
    """Return user and session of a run's job; ValueError for no run's id."""
    run = RunId.parse(run_id)
    if run is None:
        raise ValueError(f"expected a run's id, got {run_id}")
    return run.uid, run.sid(version)
