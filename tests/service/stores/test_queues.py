"""What every store's queue must do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from pawfect_service.stores.base import Delivery, Stores
from tests.service.conftest import CONTRACT

# What a redelivery may take: the Pub/Sub emulator looks for due messages every two seconds.
SOON_S = 8.0


async def taken(deliveries: AsyncIterator[Delivery], within_s: float = SOON_S) -> Delivery:
    return await asyncio.wait_for(anext(deliveries), within_s)


async def nothing(deliveries: AsyncIterator[Delivery], for_s: float) -> None:
    """Nothing comes for so long; the iterator is at its end after it."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(deliveries), for_s)


async def test_a_message_comes_with_its_data_until_it_is_done(stores: Stores) -> None:
    name = await stores.queue.publish(b"\x00job", {"trace": "t-1"})
    async with aclosing(stores.queue.deliveries(1)) as deliveries:
        for _ in range(2):
            delivery = await taken(deliveries)
            assert (delivery.message_id, delivery.data) == (name, b"\x00job")
            assert delivery.attributes["trace"] == "t-1"
            await stores.queue.nack(delivery)
        await stores.queue.ack(await taken(deliveries))
        await nothing(deliveries, 2.5)


async def test_each_message_goes_to_one_of_several_workers(opened: Any) -> None:
    each = [opened() for _ in range(2)]
    for n in range(10):
        await each[0].queue.publish(str(n).encode(), {})
    seen: list[bytes] = []

    async def work(stores: Stores) -> None:
        async with aclosing(stores.queue.deliveries(2)) as deliveries:
            async for delivery in deliveries:
                seen.append(delivery.data)
                await stores.queue.ack(delivery)

    workers = [asyncio.create_task(work(stores)) for stores in each]
    end = time.monotonic() + SOON_S
    while len(seen) < 10 and time.monotonic() < end:
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.7)  # longer than a lease: nothing comes again
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert sorted(seen) == [str(n).encode() for n in range(10)]


async def test_no_more_than_asked_for_is_out_at_once(stores: Stores) -> None:
    for n in range(3):
        await stores.queue.publish(str(n).encode(), {})
    async with aclosing(stores.queue.deliveries(2)) as deliveries:
        first, second = await taken(deliveries), await taken(deliveries)
        third = asyncio.ensure_future(anext(deliveries))
        await asyncio.sleep(0.3)
        assert not third.done()
        await stores.queue.ack(first)
        last = await asyncio.wait_for(third, SOON_S)
        assert {first.data, second.data, last.data} == {b"0", b"1", b"2"}
        for delivery in (second, last):
            await stores.queue.ack(delivery)


# The Pub/Sub emulator takes two seconds for each delivery.
@pytest.mark.parametrize(
    ("store_url", "quiet_s"),
    [("embedded", 1.0), pytest.param("google", 4.5, marks=pytest.mark.slow)],
    indirect=["store_url"],
)
async def test_a_message_that_is_never_done_ends_in_the_dead_letters(
    stores: Stores, quiet_s: float
) -> None:
    await stores.queue.publish(b"poison", {"trace": "t"})
    async with aclosing(stores.queue.deliveries(1)) as deliveries:
        for _ in range(CONTRACT.deliveries):
            await stores.queue.nack(await taken(deliveries))
        await nothing(deliveries, quiet_s)
    (letter,) = await dead(stores, 1)
    assert (letter.data, letter.attributes["trace"]) == (b"poison", "t")


async def test_a_buried_message_is_a_dead_letter_with_its_reason(stores: Stores) -> None:
    await stores.queue.publish(b"poison", {"trace": "t"})
    async with aclosing(stores.queue.deliveries(1)) as deliveries:
        await stores.queue.bury(await taken(deliveries), "no JSON")
        await nothing(deliveries, 1.0)
    for _ in range(2):  # looking does not remove them
        (letter,) = await dead(stores, 1)
        assert (letter.data, letter.reason) == (b"poison", "no JSON")
        assert letter.attributes["trace"] == "t"


async def test_a_pushed_message_is_buried_though_the_queue_never_had_it(stores: Stores) -> None:
    await stores.queue.bury(
        Delivery("push-1", b"poison", {"trace": "t", "timeout": "x"}), "no JSON"
    )
    (letter,) = await dead(stores, 1)
    assert (letter.data, letter.reason) == (b"poison", "no JSON")
    assert letter.attributes["trace"] == "t"


async def dead(stores: Stores, count: int) -> list[Any]:
    end = time.monotonic() + SOON_S
    while len(found := await stores.queue.dead_letters(10)) < count and time.monotonic() < end:
        await asyncio.sleep(0.1)
    return found
