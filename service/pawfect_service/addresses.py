"""Addresses that a process listens on: why one is not to be had, and which option mends it."""

from __future__ import annotations

import errno
import os
from typing import Final

from pawfect.contract.errors import PawfectError, invalid

# Another port would do; for all else another host.
_OF_THE_PORT: Final = (errno.EADDRINUSE, errno.EACCES)


def refused(host: str, port: int, purpose: str, option: str, error: OSError) -> PawfectError:
    """Return the error of an address that the system refuses.

    Args:
        host: of the address.
        port: of it.
        purpose: what the address was to be for.
        option: that names the port.
        error: the system's.
    """
    mend = option if error.errno in _OF_THE_PORT else "--host"
    # asyncio adds the address once more; names that nobody knows have numbers of their own.
    number = error.errno or 0
    reason = os.strerror(number) if number > 0 else error.strerror or type(error).__name__
    return invalid(f"{host}:{port}", purpose, f"{reason}: choose another, {mend}")
