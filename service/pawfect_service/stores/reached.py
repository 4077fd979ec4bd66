"""Whether store and server have answered: until they have, a process says what it waits for.

A process whose store or server is away does not end: API and worker go on trying with each request
and each pull, and whoever starts them sees in the log why nothing happens yet.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
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
    mend = "the process goes on trying; check --store, the network and the account's rights"
    told = {"store": store, "mend": mend}

    async def ask() -> None:
        async with asyncio.timeout(patience_s):
            await documents.get(*_NOBODYS)

    await _say_until(ask, "store", told, patience_s, again_s)


async def say_until_filling(
    ask: Callable[[], Awaitable[None]], server: str, again_s: float = AGAIN_S
) -> None:
    """Log what is waited for until the server has filled once.

    Args:
        ask: asks for a tiny fill, and gives up by itself.
        server: its url, for the log.
        again_s: from one line to the next question, s.
    """
    mend = "the process goes on trying; start the server, or check --triton and the network"
    await _say_until(ask, "server", {"server": server, "mend": mend}, PATIENCE_S, again_s)


async def _say_until(
    ask: Callable[[], Awaitable[None]],
    what: str,
    told: dict[str, str],
    patience_s: float,
    again_s: float,
) -> None:
    waited = False
    while why := await _why_not(ask, patience_s):
        LOG.warning("waiting for the %s", what, extra=told | {"why": why})
        waited = True
        await asyncio.sleep(again_s)
    if waited:
        LOG.info("the %s answers", what, extra={what: told[what]})


async def _why_not(ask: Callable[[], Awaitable[None]], patience_s: float) -> str | None:
    """Return why there is no answer; None where there is one."""
    try:
        await ask()
    except TimeoutError:
        return f"no answer within {patience_s:g} s"
    except PawfectError as error:
        return error.message
    return None
