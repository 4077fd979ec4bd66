"""Consent records are kept apart from pictures, and for as long as the operator says."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from pawfect_service.stores.base import Records

LOG: Final = logging.getLogger("pawfect.consents")

# How often old ones are looked for, s: they are counted in days.
LOOKED_EVERY_S: Final = 3600.0
_AT_ONCE: Final = 300


async def keep_forgetting(records: Records, older_s: float) -> None:
    """Delete consent records of over `older_s` every hour, until cancelled.

    Several processes may; a store that is away is asked again.
    """
    while True:
        try:
            gone = await forget(records, older_s)
            if gone:
                LOG.info("old consent records deleted", extra={"records": gone})
        except Exception:
            LOG.warning("old consent records could not be deleted", exc_info=True)
        await asyncio.sleep(LOOKED_EVERY_S)


async def forget(records: Records, older_s: float) -> int:
    """Delete all consent records of over `older_s`; return how many that were."""
    gone = 0
    while found := await records.forget_consents(older_s, _AT_ONCE):
        gone += found
    return gone
