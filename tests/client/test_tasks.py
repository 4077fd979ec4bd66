"""What only the asynchronous client has: tasks that are cancelled, and a channel made late.

The rest is tested on both clients, in test_client.
"""

from __future__ import annotations

import asyncio

import pytest

from pawfect_client import AsyncPawfectClient
from tests.client.serving import SENT_S, long_job
from tests.server.conftest import answers, until


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
        await asyncio.to_thread(until, lambda: answers(server, model, "CANCELLED") == before + 1)


async def test_a_timeout_of_asyncio_cancels_the_request_on_the_server(server):
    job = long_job()
    before = answers(server, "inpaint", "CANCELLED")
    async with AsyncPawfectClient(server.endpoints.grpc) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SENT_S):
                await client.inpaint(*job)
        await asyncio.to_thread(
            until, lambda: answers(server, "inpaint", "CANCELLED") == before + 1
        )


async def test_closing_a_client_that_never_called_is_fine():
    async with AsyncPawfectClient("127.0.0.1:1"):
        pass
