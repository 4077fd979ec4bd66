"""The worker's loop: jobs from the queue, several at once, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from typing import Any, Final, cast

from pawfect.contract.errors import QueueAction
from pawfect_service.services import Services
from pawfect_service.stores.base import Delivery, Queue
from pawfect_service.telemetry.logs import without_got
from pawfect_service.worker.expiry import keep_swept
from pawfect_service.worker.handler import Handler, Outcome
from pawfect_service.worker.patience import Patience

LOG: Final = logging.getLogger("pawfect.worker")

# Pause before a queue that broke is asked again, s.
_AGAIN_S: Final = 1.0


class PullWorker:
    """Pulls deliveries and has them handled.

    Args:
        services: store and server.
        handler: does the work.
        jobs: how many at a time.
        grace_s: how long running jobs may take to end once it is told to stop, s; then they are
            given back.
        keep_days: how long what nothing changes is kept, days; None: for ever.
    """

    def __init__(
        self,
        services: Services,
        handler: Handler,
        jobs: int,
        grace_s: float,
        keep_days: float | None = None,
    ) -> None:
        self._services = services
        self._queue = services.stores.queue
        self._handler = handler
        self._jobs = jobs
        self._grace_s = grace_s
        self._keep_days = keep_days
        self._running: set[asyncio.Task[None]] = set()
        self._patience = Patience(services.readiness, services.sessions.contract.lease_s)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, and see to it that no job is left in the air."""
        stopped = asyncio.create_task(stop.wait())
        sweeping = asyncio.create_task(keep_swept(self._services, self._keep_days))
        LOG.info("pulling", extra={"jobs": self._jobs})
        try:
            while not stopped.done():
                try:
                    await self._pull(stopped)
                except Exception:
                    LOG.warning("the queue broke off", exc_info=True)
                    await asyncio.wait({stopped}, timeout=_AGAIN_S)
        finally:
            for task in (sweeping, stopped):
                task.cancel()
            await self._finish()
            await asyncio.gather(sweeping, stopped, return_exceptions=True)

    async def _pull(self, stopped: asyncio.Task[Any]) -> None:
        """Start a task per delivery; once stopped, end when all of them are answered."""
        deliveries = cast("Any", self._queue.deliveries(self._jobs))
        # Open until the last answer is given: a queue may need its connection for that.
        async with aclosing(deliveries):
            while True:
                following = asyncio.ensure_future(anext(deliveries))
                try:
                    await asyncio.wait({following, stopped}, return_when=asyncio.FIRST_COMPLETED)
                    if stopped.done():
                        await self._finish()
                        return
                finally:
                    await self._refused(following, stopped)
                task = asyncio.create_task(self._one(following.result(), stopped))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def _refused(
        self, following: asyncio.Future[Delivery], stopped: asyncio.Task[Any]
    ) -> None:
        """Give back a delivery that came after the word to stop."""
        if following.done() and not stopped.done():
            return
        while not following.done():
            following.cancel()
            await asyncio.wait({following}, timeout=_AGAIN_S)
        if not following.cancelled() and following.exception() is None:
            with suppress(Exception):
                await self._queue.nack(following.result())

    async def _one(self, delivery: Delivery, stopped: asyncio.Task[Any]) -> None:
        async def hold(seconds: float) -> None:
            await self._queue.extend(delivery, seconds)

        outcome = Outcome(QueueAction.NACK, "stopped")
        try:
            begin = await self._patience.wait(hold, stopped)
        except asyncio.CancelledError:
            pass
        except Exception:
            # The queue is away: it will not take the answer either.
            LOG.warning("a delivery could not be held", exc_info=True)
            outcome = Outcome(QueueAction.NACK, "not held")
        else:
            if begin:
                outcome = await self._handler.handle(delivery.data, delivery.attributes, hold)
        self._patience.failed(outcome.failure)
        if outcome.worked:
            self._patience.worked()
        try:
            await answer(self._queue, delivery, outcome)
        except Exception:
            # It comes again, and the document knows how far it is.
            LOG.warning("a delivery could not be answered", exc_info=True)
            with suppress(Exception):
                await self._queue.nack(delivery)

    async def _finish(self) -> None:
        """Wait for running jobs; give back those that do not end in time."""
        if self._running:
            LOG.info("stopping", extra={"running": len(self._running)})
            await asyncio.wait(self._running, timeout=self._grace_s)
        late = list(self._running)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


async def answer(queue: Queue, delivery: Delivery, outcome: Outcome) -> None:
    """Tell the queue what becomes of a delivery."""
    if outcome.action is None:
        why = without_got(outcome.reason)
        LOG.error("buried", extra={"why": why, "messageId": delivery.message_id})
        await queue.bury(delivery, outcome.reason)
    elif outcome.action is QueueAction.NACK:
        await queue.nack(delivery)
    else:
        await queue.ack(delivery)
