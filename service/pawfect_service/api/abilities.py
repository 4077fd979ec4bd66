"""What the server behind the API can do, found by asking it for tiny pictures of each.

A server that lacks a network or its weights says so with what mends it; the page shows that before
anybody submits.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.probe import probe_mask, probe_photo
from pawfect_client.client import AsyncPawfectClient
from pawfect_service.frames import bare_failure

# What is there stays there until the server is started anew; what is not may be fetched any time.
_THERE_S: Final = 600.0
_MISSING_S: Final = 20.0
# A page is opened within so long, whatever the server does, s.
PATIENCE_S: Final = 1.0
# One question, s: a network is loaded at the first one.
_ASKED_S: Final = 30.0
_UNASKED: Final = "the server has not answered yet"
# The server has it and no time: a full house, or a long picture in front.
_BUSY: Final = frozenset({ErrorKind.QUEUE_FULL, ErrorKind.DEADLINE, ErrorKind.OUT_OF_MEMORY})
# A payload of each type of repair on the probe's photo of 64 x 64 px.
_PAYLOADS: Final[Mapping[str, Mapping[str, Any]]] = {
    "text": {"corrections": [{"bbox": [8, 24, 48, 16], "text": "A"}]},
    "region": {"masks": [{"bbox": [30, 30, 4, 4]}]},
    "subject": {"instructions": "as it is"},
    "general": {"prompt": "as it is"},
}


@dataclass(frozen=True)
class Ability:
    """Whether the server can do one thing.

    Attributes:
        available: whether it can.
        why: why not; None where it can.
        profile: name of the server's profile, where its answer says it.
        remote: whether a remote engine does it.
    """

    available: bool
    why: str | None = None
    profile: str | None = None
    remote: bool = False


Question = Callable[[], Awaitable[str | None]]


class Abilities:
    """Asks, and remembers for a while what was answered.

    Args:
        client: of the server, without retries.
    """

    def __init__(self, client: AsyncPawfectClient) -> None:
        self._client = client
        self._known: dict[str, tuple[float, Ability]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._questions: dict[str, Question] = {
            "cutout": self._cutout,
            "findMasks": self._find_masks,
            "prompts": self._prompts,
            **{name: self._refine(name) for name in _PAYLOADS},
        }

    async def now(self) -> dict[str, Ability]:
        """Return what is known by now of each thing, some of it from a while ago."""
        for name in self._questions:
            until, _ = self._known.get(name, (0.0, None))
            if time.monotonic() >= until and name not in self._asking:
                self._asking[name] = asyncio.create_task(self._ask(name))
        unknown = [task for name, task in self._asking.items() if name not in self._known]
        if unknown:
            await asyncio.wait(unknown, timeout=PATIENCE_S)
        unasked = Ability(False, _UNASKED)
        return {name: self._known.get(name, (0.0, unasked))[1] for name in self._questions}

    async def close(self) -> None:
        """End what is being asked."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, name: str) -> None:
        try:
            async with asyncio.timeout(_ASKED_S):
                found = Ability(True, profile=await self._questions[name]())
        except TimeoutError:
            found = Ability(False, f"expected an answer within {_ASKED_S:g} s, got none")
        except Exception as error:  # noqa: BLE001 - logged there
            failure = bare_failure(error, "abilities")
            _, before = self._known.get(name, (0.0, None))
            busy = failure.kind in _BUSY
            found = before if busy and before else Ability(busy, None if busy else failure.message)
        finally:
            del self._asking[name]
        holds_s = _THERE_S if found.available else _MISSING_S
        self._known[name] = time.monotonic() + holds_s, found

    async def _cutout(self) -> str | None:
        return (await self._client.background_removal(probe_photo(), preset="fast")).report.profile

    async def _find_masks(self) -> str | None:
        await self._client.find_masks(probe_photo(), "dog")
        return None

    async def _prompts(self) -> str | None:
        """Fill by FLUX, which alone reads prompts."""
        filling = self._client.inpaint(
            probe_photo(), probe_mask(), protect="none", engine="flux", steps=1
        )
        return (await filling).report.profile

    def _refine(self, kind: str) -> Question:
        async def asked() -> str | None:
            payload = json.dumps(_PAYLOADS[kind])
            client: Any = self._client
            if not hasattr(client, "refine"):
                raise PawfectError(ErrorKind.UNAVAILABLE, "refine: expected it, it is not built")
            stream = client.refine(probe_photo(), kind, payload, protect="none")
            async for _ in stream:
                pass
            return None

        return asked
