"""The contract of a session's job: states, allowed moves, and every bound, written once as data."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Final

# A session's document, as stores keep it.
Document = Mapping[str, Any]


class Status(enum.Enum):
    """Where a session's job stands; the value is the document's `processingStatus`."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing more happens to this job."""
        return not MOVES[self]


# From each state, where a job may go. PENDING to PENDING: it goes on waiting for its labels.
# PROCESSING to PROCESSING: a lease is extended, a result is claimed, or a crashed worker's job is
# taken over. A new job of the same session is a new generation, no move.
MOVES: Final = MappingProxyType(
    {
        Status.PENDING: frozenset(
            {Status.PENDING, Status.PROCESSING, Status.FAILED, Status.CANCELLED}
        ),
        Status.PROCESSING: frozenset(
            {
                Status.PROCESSING,
                Status.PENDING,
                Status.COMPLETED,
                Status.FAILED,
                Status.CANCELLED,
            }
        ),
        Status.COMPLETED: frozenset(),
        Status.FAILED: frozenset(),
        Status.CANCELLED: frozenset(),
    }
)


@dataclass(frozen=True)
class JobContract:
    """Bounds of one job: each is reached in the end, so that every job ends.

    Attributes:
        label_waits: how often a job may be put back because labels are missing.
        label_wait_s: nor any later than this after the job was queued, s, on the store's clock.
        passing_failures: how many failures that may pass it survives (the server is away, its
            queue is full); the next one fails the job.
        starts: how many workers may start on it, crashes included; more than passing failures,
            so that those tell their own reason.
        publications: how many workers may try to publish a claimed result.
        job_s: nothing is started later than this after the job was queued, s.
        lease_s: a worker's hold on a job, s; it extends it while it works.
        fill_s: how long one fill may take, s; the lease is not extended beyond it.
        backoff_min_s: shortest time until a message that was put back comes again, s.
        backoff_max_s: longest, s.
        deliveries: deliveries after which the queue itself moves a message to the dead letters;
            above all the rest together (`most_deliveries`), so that only poison gets there.

    Raises:
        ValueError: a bound is not positive, or they contradict each other.
    """

    label_waits: int = 6
    label_wait_s: float = 15.0
    passing_failures: int = 8
    starts: int = 12
    publications: int = 8
    job_s: float = 900.0
    lease_s: float = 30.0
    fill_s: float = 180.0
    backoff_min_s: float = 1.0
    backoff_max_s: float = 60.0
    deliveries: int = 100

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0 < getattr(self, field.name) < math.inf:
                raise ValueError(f"{field.name}: expected more than 0, got {self!r}")
        if self.backoff_max_s < self.backoff_min_s:
            raise ValueError(f"backoff_max_s: expected {self.backoff_min_s} or more, got {self!r}")
        if self.deliveries <= self.most_deliveries:
            least = self.most_deliveries + 1
            raise ValueError(f"deliveries: expected {least} or more, got {self!r}")

    @property
    def over_s(self) -> float:
        """How long after it was queued a job without an end is given up, s.

        After `job_s` nothing starts; what started then may take `fill_s`, and publishing it waits
        for a lease that nobody extends and twice for the queue's longest backoff.
        """
        return self.job_s + self.fill_s + self.lease_s + 2 * self.backoff_max_s

    def backoff_s(self, nacks: int) -> float:
        """Return the pause before a message comes again that was put back so often (1: once), s."""
        # 2.0**60 seconds are beyond any bound.
        return min(self.backoff_min_s * 2.0 ** min(max(nacks - 1, 0), 60), self.backoff_max_s)

    @property
    def most_deliveries(self) -> int:
        """How often one message of a job comes at most until the job is over.

        Each comes a backoff after the one before it, or a lease where its worker died.
        """
        passed, nacks = 0.0, 0
        while passed < self.over_s and self.backoff_s(nacks + 1) < self.backoff_max_s:
            nacks += 1
            passed += self.backoff_s(nacks)
        rest = math.ceil(max(self.over_s - passed, 0) / self.backoff_max_s)
        return 1 + nacks + rest + self.starts + self.publications


# How long a worker that pulls jobs waits for a server that is away before it begins one all the
# same, s: what the contract's bounds count are tries.
PATIENCE_S: Final = 60.0
# Longest upload, bytes: a JPEG of 110 MP at quality 95 has up to some 90 MB.
MAX_UPLOAD_BYTES: Final = 128 * 2**20
# Longest file of a session: 110 MP without loss have at most 330 MB, and a thousandth more in PNG.
MAX_FILE_BYTES: Final = 384 * 2**20
