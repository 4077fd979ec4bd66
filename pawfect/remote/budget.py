"""How often a server elsewhere may still be asked today, and for how much money."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError

# Money is counted in millionths of a USD: sums of fractions of a cent would drift.
_MILLIONTHS: Final = 1_000_000


@dataclass(frozen=True)
class Allowance:
    """What may be spent in one day, in UTC, by one process.

    Attributes:
        requests: how many may be sent.
        variable: that says so, for messages.
        usd: what they may cost together, USD; None: money is not counted.
        usd_variable: that says so.
    """

    requests: int
    variable: str
    usd: float | None = None
    usd_variable: str = ""


def _today() -> date:
    return datetime.now(UTC).date()


class Budget:
    """Counts the requests of a day and their price; safe to use from several threads.

    Each one that is sent counts, whether or not it is answered: what came of it may be charged.
    The count is this process's own, and begins anew when it starts.

    Args:
        allowance: of one day.
        today: returns the day.
    """

    def __init__(self, allowance: Allowance, today: Callable[[], date] = _today) -> None:
        self._allowance = allowance
        self._today = today
        self._day = today()
        self._sent = 0
        self._spent = 0
        self._lock = threading.Lock()

    def take(self, usd: float = 0.0) -> int:
        """Count one request and return how many are left for the day.

        Args:
            usd: what it may cost at most, USD.

        Raises:
            PawfectError: UNAVAILABLE where none is left, or not enough money.
        """
        allowed, price = self._allowance, round(usd * _MILLIONTHS)
        with self._lock:
            if self._today() != self._day:
                self._day, self._sent, self._spent = self._today(), 0, 0
            if self._sent >= allowed.requests:
                told = f"the {allowed.requests} requests of this day (UTC) are made"
                raise PawfectError(ErrorKind.UNAVAILABLE, f"{allowed.variable}: {told}")
            if allowed.usd is not None and self._spent + price > round(allowed.usd * _MILLIONTHS):
                told = f"{self._spent / _MILLIONTHS:g} of the {allowed.usd:g} USD of this day (UTC)"
                told += f" are spent, and a request may cost {usd:g}"
                raise PawfectError(ErrorKind.UNAVAILABLE, f"{allowed.usd_variable}: {told}")
            self._sent += 1
            self._spent += price
            return allowed.requests - self._sent
