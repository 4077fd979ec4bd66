"""Words in place of a mask: how long one request may take, and how many may wait."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_client import AsyncPawfectClient
from pawfect_service.api.naming import Naming
from pawfect_service.api.uploads import Order
from pawfect_service.jobs.kinds import Tools
from tests.pawfect.photo.pictures import encoded, scene

PHOTO = encoded(scene(80, 64), "JPEG")
ORDER = Order({"photo": PHOTO}, {}, {"remove": "leash, hand"})


async def here(work: Callable[..., Any], *given: Any) -> Any:
    return work(*given)


@asynccontextmanager
async def asking_nobody(**limits: Any) -> AsyncIterator[Naming]:
    """Orders whose server takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"127.0.0.1:{server.getsockname()[1]}"
        async with AsyncPawfectClient(url, timeout_s=60) as client:
            yield Naming(Tools(client, client, here), **limits)


async def failures(naming: Naming, number: int) -> list[PawfectError]:
    """What so many orders at once end with, in the order in which they end."""
    ended: list[PawfectError] = []

    async def order() -> None:
        try:
            await naming.with_mask(ORDER)
        except PawfectError as error:
            ended.append(error)

    async with asyncio.timeout(20):
        await asyncio.gather(*(order() for _ in range(number)))
    return ended


def test_all_phrases_and_the_wait_for_a_turn_together_have_one_limit():
    async def run() -> None:
        async with asking_nobody(within_s=0.3) as naming:
            # The third never gets its turn.
            ended = await failures(naming, 3)
            assert [error.kind for error in ended] == [ErrorKind.DEADLINE] * 3
            said = "remove: expected the mask within 0.3 s, got none"
            assert {error.message for error in ended} == {said}

    asyncio.run(run())


def test_one_more_than_may_wait_is_refused_at_once_and_a_place_is_free_again_afterwards():
    async def run() -> None:
        async with asking_nobody(within_s=0.5, at_most=3) as naming:
            first, *rest = await failures(naming, 4)
            assert first.kind is ErrorKind.QUEUE_FULL
            said = "remove: expected at most 3 requests for masks at a time, got more"
            assert first.message == said
            assert [error.kind for error in rest] == [ErrorKind.DEADLINE] * 3
            (again,) = await failures(naming, 1)
            assert again.kind is ErrorKind.DEADLINE

    asyncio.run(run())
