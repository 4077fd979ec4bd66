"""Reports of progress."""

import asyncio
import threading

from pawfect.orchestrator.progress import in_order
from pawfect.orchestrator.request import Progress


def test_reports_are_sent_in_the_order_they_were_given_however_long_each_takes():
    sent: list[float] = []
    asked = threading.Event()

    def send(progress: Progress) -> None:
        if progress.progress == 0.5:
            # Long enough for the next one to come before, where nothing kept them in order.
            asked.wait(0.2)
        sent.append(progress.progress)
        asked.set()

    async def give() -> None:
        notify = in_order(send)
        async with asyncio.TaskGroup() as group:
            for share in (0.5, 0.95, 1.0):
                group.create_task(notify(Progress("patch_fill", share)))

    asyncio.run(give())
    assert sent == [0.5, 0.95, 1.0]
