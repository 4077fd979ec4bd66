"""What is broken, and when: as shares of the jobs that are finished, so that all of it happens."""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass


class Fault(enum.Enum):
    """What goes wrong on purpose."""

    KILL_WORKER = "workers killed"
    RESTART_SERVER = "servers killed and started again"
    CUT = "connections to the emulators cut"


@dataclass(frozen=True)
class Plan:
    """The size of a run.

    Attributes:
        jobs: sessions that are queued.
        at_once: at most so many of them without a final state. The Pub/Sub emulator gives one
            worker up to 100 messages, however few it asks for, and all of a killed worker's wait
            for a lease.
        workers: processes that fill.
        kills: workers killed without warning, each started again.
        restarts: of the server, killed without warning.
        cuts: times that all connections to Firestore and Pub/Sub break for a while.
        duplicates: share of the jobs whose message is published again.
    """

    jobs: int = 200
    at_once: int = 32
    workers: int = 4
    kills: int = 40
    restarts: int = 5
    cuts: int = 5
    duplicates: float = 0.1

    def schedule(self, rng: random.Random) -> list[tuple[float, Fault]]:
        """Return the faults by the share of finished jobs at which they come, rising."""
        counts = {
            Fault.KILL_WORKER: self.kills,
            Fault.RESTART_SERVER: self.restarts,
            Fault.CUT: self.cuts,
        }
        return sorted(
            (
                ((index + rng.random()) / count * 0.95, fault)
                for fault, count in counts.items()
                for index in range(count)
            ),
            key=lambda entry: entry[0],
        )
