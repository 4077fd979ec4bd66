"""Jobs whose message was lost, or whose API died before it published one, are given up."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from pawfect.contract.errors import PawfectError
from pawfect.contract.metrics import JOBS_OVERDUE
from pawfect_service.jobs.move import Answer
from pawfect_service.jobs.moves import expire
from pawfect_service.services import Services
from pawfect_service.telemetry.metrics import count

LOG: Final = logging.getLogger("pawfect.worker")

# How often they are looked for, s.
SWEEP_EVERY_S: Final = 30.0
_SWEPT_AT_ONCE: Final = 100


async def keep_sweeping(services: Services) -> None:
    """Sweep every so often, until cancelled; a store that is away is asked again."""
    while True:
        await asyncio.sleep(SWEEP_EVERY_S)
        try:
            await sweep(services)
        except Exception:
            LOG.warning("overdue jobs could not be looked for", exc_info=True)


async def sweep(services: Services) -> int:
    """Fail jobs of which nothing has come long after their deadline; return how many there were."""
    overdue = await services.stores.documents.overdue(_SWEPT_AT_ONCE)
    for uid, sid in overdue:
        session = {"session": f"{uid}/{sid}"}
        try:
            step = await services.sessions.move(uid, sid, expire)
        except PawfectError:
            # The others' turn comes all the same.
            LOG.warning("an overdue job could not be given up", exc_info=True, extra=session)
            continue
        if step.answer is Answer.FAILED:
            count(JOBS_OVERDUE)
        LOG.warning("overdue", extra={**session, "answer": step.answer.value})
    return len(overdue)
