"""Jobs whose message was lost, or whose API died before it published one, are given up.

Beside that a worker ends deletions that were killed, and deletes what is kept for long enough.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Final

from pawfect.contract.errors import PawfectError
from pawfect.contract.metrics import JOBS_OVERDUE
from pawfect_service.jobs.move import Answer
from pawfect_service.jobs.moves import expire
from pawfect_service.people.deletion import Deletions
from pawfect_service.people.retention import Retention
from pawfect_service.people.sweeping import keep_sweeping
from pawfect_service.services import Services
from pawfect_service.telemetry.metrics import count

LOG: Final = logging.getLogger("pawfect.worker")

_SWEPT_AT_ONCE: Final = 100


async def keep_swept(services: Services, keep_days: float | None) -> None:
    """Do every so often, until cancelled, what no delivery asks for.

    Args:
        services: the store.
        keep_days: how long what nothing changes is kept, days; None: for ever.
    """
    retention = Retention(services.stores, keep_days)
    await keep_sweeping([partial(sweep, services), Deletions(services).sweep, retention.due])


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
