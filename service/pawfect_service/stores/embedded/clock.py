"""The embedded store's clock: one for all processes, left alone by a change of the system's time.

It is the system's time when the store was first opened since the machine started, plus what has
passed since on a clock that cannot be set. Over a restart it never goes back.
"""

from __future__ import annotations

import sqlite3
import subprocess
import time
import uuid
from pathlib import Path
from typing import Final

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS clock (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    boot TEXT NOT NULL, wall REAL NOT NULL, steady REAL NOT NULL, last REAL NOT NULL
);
"""


def boot_id() -> str:
    """Return what names this start of the machine; where nothing does, a name for this process."""
    try:
        if _BOOT_ID.exists():
            return _BOOT_ID.read_text().strip()
        asked = subprocess.run(
            ["sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, timeout=5
        )
        return asked.stdout.strip() or uuid.uuid4().hex
    except (OSError, subprocess.SubprocessError):
        return uuid.uuid4().hex


def steady_s() -> float:
    """Return s on a clock that all processes share and nobody sets; on Linux it counts sleep."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Clock:
    """The store's clock.

    Args:
        connection: the store's database, in a transaction that may write.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        boot = boot_id()
        row = connection.execute("SELECT boot, wall, steady, last FROM clock").fetchone()
        if row is None or row[0] != boot:
            wall = max(time.time(), row[3] if row else 0.0)
            row = (boot, wall, steady_s(), wall)
            connection.execute("REPLACE INTO clock VALUES (1, ?, ?, ?, ?)", row)
        self._wall, self._steady = float(row[1]), float(row[2])

    def now(self) -> float:
        """Return the store's time, s since the epoch."""
        return self._wall + (steady_s() - self._steady)

    def remember(self, connection: sqlite3.Connection, now: float) -> None:
        """Write down that it was this late, for the next start of the machine."""
        connection.execute("UPDATE clock SET last = ? WHERE last < ?", (now, now))
