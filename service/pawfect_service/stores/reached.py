"""Whether a store that is elsewhere has answered: until it has, a process says what it waits for.

A process whose store is away does not end: API and worker go on trying with each request and each
pull, and whoever starts them sees in the log why nothing happens yet.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from pawfect.contract.errors import PawfectError
from pawfect_service.stores.base import Documents

LOG: Final = logging.getLogger("pawfect.store")

# How long an answer may take before it is said that there is none, s: so that it is said within
# ten seconds of a start, and one on another continent is waited for.
PATIENCE_S: Final = 3.0
# Between two lines that say so, s.
AGAIN_S: Final = 10.0
# A document that nobody has: whether it can be looked for is what matters.
_NOBODYS: Final = ("start", "start")


async def say_until_reached(
    documents: Documents, store: str, patience_s: float = PATIENCE_S, again_s: float = AGAIN_S
) -> None:
    """Log what is waited for until the documents have answered once.

    Args:
        documents: of the store.
        store: its url, for the log.
        patience_s: how long an answer may take, s.
        again_s: from one line to the next question, s.
    """
    waited = False
    while why := await _why_not(documents, patience_s):
        mend = "the process goes on trying; check --store, the network and the account's rights"
        LOG.warning("waiting for the store", extra={"store": store, "why": why, "mend": mend})
        waited = True
        await asyncio.sleep(again_s)
    if waited:
        LOG.info("the store answers", extra={"store": store})


async def _why_not(documents: Documents, patience_s: float) -> str | None:
    """Return why the documents do not answer; None where they do."""
    try:
        async with asyncio.timeout(patience_s):
            await documents.get(*_NOBODYS)
    except TimeoutError:
        return f"no answer within {patience_s:g} s"
    except PawfectError as error:
        return error.message
    return None
