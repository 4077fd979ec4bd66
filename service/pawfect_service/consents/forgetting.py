"""Consent records are kept apart from pictures, and for as long as the operator says."""

from __future__ import annotations

import logging
from functools import partial
from typing import Final

from pawfect_service.people.sweeping import Sweep, every
from pawfect_service.stores.base import Records

LOG: Final = logging.getLogger("pawfect.consents")

# How often old ones are looked for, s: they are counted in days.
LOOKED_EVERY_S: Final = 3600.0
_AT_ONCE: Final = 300


def forgetting(records: Records, older_s: float) -> Sweep:
    """Return the sweep that deletes consent records of over `older_s`, every hour.

    Several processes may have it.
    """
    return every(LOOKED_EVERY_S, partial(forget, records, older_s))


async def forget(records: Records, older_s: float) -> int:
    """Delete all consent records of over `older_s`; return how many that were."""
    gone = 0
    while found := await records.forget_consents(older_s, _AT_ONCE):
        gone += found
    if gone:
        LOG.info("old consent records deleted", extra={"records": gone})
    return gone
