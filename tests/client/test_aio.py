"""The asynchronous client against the real server."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_client import AsyncPawfectClient, Done, PawfectClient, RetryPolicy
from tests.client.serving import answers, eventually, long_job
from tests.conftest import free_ports
from tests.pawfect.photo.pictures import hole, scene

IMAGE, MASK = scene(160, 128), hole(160, 128)
# After this long the server holds a long job; it takes it ten times as long.
SENT_S = 0.8


async def becomes(count, expected: int) -> bool:
    return await asyncio.to_thread(eventually, lambda: count() == expected)


async def test_it_gives_the_same_pixels_as_the_synchronous_client(server):
    async with AsyncPawfectClient(server.endpoints.grpc) as client:
        result = await client.inpaint(IMAGE, MASK, seed=4)
    with PawfectClient(server.endpoints.grpc) as other:
        assert np.array_equal(result.image, other.inpaint(IMAGE, MASK, seed=4).image)
    assert result.report.seed == 4


async def test_requests_and_streams_of_one_client_run_side_by_side(server):
    async def last(client: AsyncPawfectClient, seed: int) -> int:
        events = [event async for event in client.inpaint_stream(IMAGE, MASK, seed=seed)]
        assert isinstance(events[-1], Done)
        return events[-1].report.seed

    async with AsyncPawfectClient(server.endpoints.grpc) as client:
        streams = [last(client, seed) for seed in range(3)]
        unary = client.inpaint(IMAGE, MASK, seed=3)
        *seeds, result = await asyncio.gather(*streams, unary)
    assert seeds == [0, 1, 2]
    assert result.report.seed == 3


async def test_a_stream_tells_the_stages_in_order(server):
    async with AsyncPawfectClient(server.endpoints.grpc) as client:
        events = [event async for event in client.inpaint_stream(IMAGE, MASK)]
    shares = [event.progress for event in events[:-1]]
    assert events[0].stage == "mask_cleanup"
    assert shares == sorted(shares)


async def test_leaving_a_stream_early_cancels_it_on_the_server(server):
    before = answers(server, "inpaint_stream", "CANCELLED")
    async with AsyncPawfectClient(server.endpoints.grpc) as client:
        async with aclosing(client.inpaint_stream(*long_job())) as stream:
            async for event in stream:
                assert event.stage == "mask_cleanup"
                break
        assert await becomes(lambda: answers(server, "inpaint_stream", "CANCELLED"), before + 1)


@pytest.mark.parametrize("model", ["inpaint", "inpaint_stream"])
async def test_cancelling_the_task_cancels_the_request_on_the_server(server, model):
    job = long_job()
    before = answers(server, model, "CANCELLED")
    async with AsyncPawfectClient(server.endpoints.grpc) as client:

        async def run() -> None:
            if model == "inpaint":
                await client.inpaint(*job)
            else:
                async for _ in client.inpaint_stream(*job):
                    pass

        task = asyncio.create_task(run())
        await asyncio.sleep(SENT_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await becomes(lambda: answers(server, model, "CANCELLED"), before + 1)


async def test_a_timeout_of_asyncio_cancels_the_request_on_the_server(server):
    job = long_job()
    before = answers(server, "inpaint", "CANCELLED")
    async with AsyncPawfectClient(server.endpoints.grpc) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SENT_S):
                await client.inpaint(*job)
        assert await becomes(lambda: answers(server, "inpaint", "CANCELLED"), before + 1)


async def test_errors_have_their_kinds(server):
    async with AsyncPawfectClient(server.endpoints.grpc) as client:
        for given, kind in (
            ({"steps": 0}, ErrorKind.INVALID_ARG),
            ({"engine": "flux"}, ErrorKind.UNAVAILABLE),
            ({"deadline_ms": 1}, ErrorKind.DEADLINE),
        ):
            with pytest.raises(PawfectError) as caught:
                await client.inpaint(IMAGE, MASK, **given)
            assert caught.value.kind is kind
            with pytest.raises(PawfectError) as caught:
                _ = [event async for event in client.inpaint_stream(IMAGE, MASK, **given)]
            assert caught.value.kind is kind


async def test_a_closed_port_is_tried_a_bounded_number_of_times():
    policy = RetryPolicy(attempts=3, first_wait_s=0.2)
    url = f"127.0.0.1:{free_ports(1)[0]}"
    async with AsyncPawfectClient(url, retry=policy) as client:
        for ask in (_unary, _stream):
            started = time.monotonic()
            with pytest.raises(PawfectError) as caught:
                await ask(client)
            assert caught.value.kind is ErrorKind.UNAVAILABLE
            assert 0.3 <= time.monotonic() - started < 2


async def _unary(client: AsyncPawfectClient) -> None:
    await client.inpaint(IMAGE, MASK)


async def _stream(client: AsyncPawfectClient) -> None:
    async for _ in client.inpaint_stream(IMAGE, MASK):
        pass


async def test_closing_a_client_that_never_called_is_fine():
    async with AsyncPawfectClient("127.0.0.1:1"):
        pass
