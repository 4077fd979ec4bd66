"""A worker waits for a server that is away, and its jobs keep their tries."""

from __future__ import annotations

import asyncio

import pytest

from harness.relay import Relay
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.http.health import Readiness
from pawfect_service.worker import patience
from pawfect_service.worker.patience import Patience
from tests.service.stack import SOON, running


async def test_a_job_uses_one_try_on_a_server_that_is_away_and_ends_once_it_is_back(store, server):
    relay = Relay(server.endpoints.grpc)
    async with relay.running(), running(store, relay.address, contract=SOON) as stack:
        cutting = asyncio.create_task(relay.cut(2.5))
        await stack.queued(parameters='{"protect": "none"}')
        async with stack.working():
            # By backoffs of 0.1 s, doubled each time, it would use five.
            state = await stack.until(lambda state: state["attempts"]["passingFailures"])
            assert not cutting.done()
            state = await stack.over()
            assert cutting.done()
    assert state["processingStatus"] == "completed"
    assert state["attempts"]["passingFailures"] == 1


class Away(Readiness):
    """A server that answers once it is told to; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked, self.back = 0, False

    async def is_back(self) -> bool:
        self.asked += 1
        return self.back


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(patience, "LOOK_S", 0.02)


async def test_all_who_wait_are_held_and_ask_together_until_the_server_is_back(quick):
    server, held = Away(), []
    waiting = Patience(server, lease_s=0.06)

    async def hold(seconds: float) -> None:
        held.append(seconds)
        server.back = len(held) >= 6

    await waiting.wait(hold)
    assert server.asked == 0, "nothing has failed yet"
    waiting.failed(ErrorKind.MODEL_DOWN)
    await asyncio.gather(*(waiting.wait(hold) for _ in range(3)))
    assert len(held) >= 6
    assert set(held) == {0.06}
    # Each looks about as often as it is held: asked by each alone it would be three times as many.
    assert server.asked <= len(held)
    asked = server.asked
    await waiting.wait(hold)
    assert server.asked == asked, "a server that is back is asked no more"


@pytest.mark.parametrize("kind", [None, ErrorKind.INVALID_ARG, ErrorKind.OUT_OF_MEMORY])
async def test_other_failures_are_no_reason_to_wait(kind, quick):
    server = Away()
    waiting = Patience(server, lease_s=1.0)
    waiting.failed(kind)
    await waiting.wait(no_hold)
    assert server.asked == 0


async def test_after_so_long_a_job_is_begun_all_the_same(quick, monkeypatch):
    monkeypatch.setattr(patience, "LONGEST_S", 0.1)
    server = Away()
    waiting = Patience(server, lease_s=10.0)
    waiting.failed(ErrorKind.UNAVAILABLE)
    async with asyncio.timeout(5):
        await waiting.wait(no_hold)
    assert server.asked > 1


async def test_a_queue_that_is_away_gives_the_delivery_back(quick):
    server = Away()
    waiting = Patience(server, lease_s=0.01)
    waiting.failed(ErrorKind.UNAVAILABLE)

    async def hold(_: float) -> None:
        raise PawfectError(ErrorKind.UNAVAILABLE, "store: away")

    with pytest.raises(PawfectError, match="store: away"):
        await waiting.wait(hold)


async def no_hold(_: float) -> None:
    """Holds nothing."""
