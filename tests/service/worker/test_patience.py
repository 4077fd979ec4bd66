"""A worker waits for a server that is away, and its jobs keep their tries."""

from __future__ import annotations

import asyncio

import pytest

from harness.relay import Relay
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.http.health import Readiness
from pawfect_service.worker import patience
from pawfect_service.worker.handler import Handler
from pawfect_service.worker.patience import Patience
from pawfect_service.worker.pull import PullWorker
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

    await waiting.wait(hold, going_on())
    assert server.asked == 0, "nothing has failed yet"
    waiting.failed(ErrorKind.MODEL_DOWN)
    await asyncio.gather(*(waiting.wait(hold, going_on()) for _ in range(3)))
    assert len(held) >= 6
    assert set(held) == {0.06}
    # Each looks about as often as it is held: asked by each alone it would be three times as many.
    assert server.asked <= len(held)
    asked = server.asked
    await waiting.wait(hold, going_on())
    assert server.asked == asked, "a server that is back is asked no more"


@pytest.mark.parametrize("kind", [None, ErrorKind.INVALID_ARG, ErrorKind.OUT_OF_MEMORY])
async def test_other_failures_are_no_reason_to_wait(kind, quick):
    server = Away()
    waiting = Patience(server, lease_s=1.0)
    waiting.failed(kind)
    await waiting.wait(no_hold, going_on())
    assert server.asked == 0


async def test_after_so_long_a_job_is_begun_all_the_same(quick, monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE_S", 0.1)
    server = Away()
    waiting = Patience(server, lease_s=10.0)
    waiting.failed(ErrorKind.UNAVAILABLE)
    async with asyncio.timeout(5):
        await waiting.wait(no_hold, going_on())
    assert server.asked > 1


async def test_a_queue_that_is_away_gives_the_delivery_back(quick):
    server = Away()
    waiting = Patience(server, lease_s=0.01)
    waiting.failed(ErrorKind.UNAVAILABLE)

    async def hold(_: float) -> None:
        raise PawfectError(ErrorKind.UNAVAILABLE, "store: away")

    with pytest.raises(PawfectError, match="store: away"):
        await waiting.wait(hold, going_on())


async def test_a_job_that_is_done_ends_the_wait_however_late_probes_are(quick):
    server = Away()
    waiting = Patience(server, lease_s=10.0)
    waiting.failed(ErrorKind.UNAVAILABLE)
    stuck = asyncio.create_task(waiting.wait(no_hold, going_on()))
    async with asyncio.timeout(5):
        while not server.asked:
            await asyncio.sleep(0)
        waiting.worked()
        assert await stuck
        asked = server.asked
        assert await waiting.wait(no_hold, going_on())
    assert server.asked == asked


async def test_the_word_to_stop_ends_the_wait_and_begins_no_job(monkeypatch):
    monkeypatch.setattr(patience, "LOOK_S", 60.0)
    server, stopped = Away(), going_on()
    waiting = Patience(server, lease_s=200.0)
    waiting.failed(ErrorKind.UNAVAILABLE)
    stuck = asyncio.create_task(waiting.wait(no_hold, stopped))
    async with asyncio.timeout(5):
        while not server.asked:
            await asyncio.sleep(0)
        stopped.set_result(None)
        assert not await stuck


@pytest.mark.parametrize(
    ("kind", "back"),
    [
        (None, True),
        (ErrorKind.QUEUE_FULL, True),
        (ErrorKind.DEADLINE, False),
        (ErrorKind.UNAVAILABLE, False),
    ],
)
async def test_a_server_that_says_that_it_is_full_is_back(kind, back):
    class Client:
        async def probe(self) -> None:
            if kind is not None:
                raise PawfectError(kind, "probe")

    assert await Readiness(Client()).is_back() is back


async def test_a_worker_that_waits_for_a_server_stops_at_once_and_gives_its_jobs_back(
    store, nowhere, monkeypatch
):
    monkeypatch.setattr(patience, "LOOK_S", 60.0)
    async with running(store, nowhere) as stack:
        waiting = Away()
        worker = PullWorker(stack.services, Handler(stack.services), jobs=1, grace_s=60.0)
        worker._patience = Patience(waiting, lease_s=200.0)
        worker._patience.failed(ErrorKind.UNAVAILABLE)
        await stack.queued()
        stop = asyncio.Event()
        working = asyncio.create_task(worker.run(stop))
        async with asyncio.timeout(8):
            while not waiting.asked:
                await asyncio.sleep(0.01)
            stop.set()
            await working
        assert (await stack.state())["attempts"]["starts"] == 0


def going_on() -> asyncio.Future[None]:
    """Not done: nobody has told the worker to stop."""
    return asyncio.get_running_loop().create_future()


async def no_hold(_: float) -> None:
    """Holds nothing."""
