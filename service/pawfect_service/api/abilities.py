"""What the server behind the API can do, asked once in a while.

A server that lacks a network or its weights says so with what mends it; the page shows that before
anybody submits.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from pawfect.contract.capabilities import Capabilities, Capability
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.tensors import REMOTE_JUDGES
from pawfect_client.client import AsyncPawfectClient
from pawfect_service.frames import bare_failure

# An answer counts for so long, s: weights may be fetched, and the server started anew.
KEPT_S: Final = 10.0
# Longest wait for the server, s: the page is to be usable within 1.5.
PATIENCE_S: Final = 1.0
# What a page has buttons for.
NAMES: Final = (
    "cutout",
    "find_masks",
    "text",
    "region",
    "subject",
    "general",
    "search",
    "swap",
    *(f"score_{judge}" for judge in REMOTE_JUDGES),
)
# A server that answers so is there, and has no time.
_BUSY: Final = frozenset({ErrorKind.QUEUE_FULL, ErrorKind.DEADLINE})


class Abilities:
    """Asks the server what it can do, and remembers the answer for a while.

    Args:
        client: of the server, without retries.
    """

    def __init__(self, client: AsyncPawfectClient) -> None:
        self._client = client
        self._lock = asyncio.Lock()
        self._asked: float | None = None
        self._known: Capabilities | None = None
        self._failure: PawfectError | None = None

    async def now(self) -> tuple[str | None, dict[str, Capability]]:
        """Return the server's profile, if it is known, and whether each thing can be done."""
        async with self._lock:
            if self._asked is None or time.monotonic() - self._asked > KEPT_S:
                self._failure = await self._ask()
                self._asked = time.monotonic()
        busy = self._failure is None or self._failure.kind in _BUSY
        if self._known is not None and busy:
            absent = Capability(False, "the server does not know of it")
            found = self._known.can
            return self._known.profile, {name: found.get(name, absent) for name in NAMES}
        why = "server: expected an answer, got none yet"
        # How a connection failed is of no use to whoever looks at the page.
        if self._failure is not None and self._failure.kind is not ErrorKind.UNAVAILABLE:
            why = self._failure.message
        return None, dict.fromkeys(NAMES, Capability(False, why))

    async def of(self, name: str) -> Capability | None:
        """Return whether one thing can be done; None where that is not known now.

        Args:
            name: of NAMES.
        """
        profile, can = await self.now()
        return None if profile is None else can[name]

    async def _ask(self) -> PawfectError | None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                self._known = await self._client.capabilities()
        except TimeoutError:
            late = f"server: expected an answer within {PATIENCE_S:g} s, got none"
            return PawfectError(ErrorKind.DEADLINE, late)
        except Exception as error:  # noqa: BLE001 - logged there
            return bare_failure(error, "capabilities")
        return None
