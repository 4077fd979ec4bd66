"""Failures that are kept: what went wrong, without what it held."""

from __future__ import annotations

import logging
import traceback
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError

LOG: Final = logging.getLogger("pawfect.service")


def bare_failure(error: Exception, where: str) -> PawfectError:
    """Return an exception as a failure to be written down; one that is not ours is logged.

    The frames that it came through are cleared. Their variables are a decoded photo and its
    tensors, 100 MB at 12 MP; an exception that is kept in a variable is part of a cycle, which
    stays until the garbage collector comes.

    Args:
        error: what was caught.
        where: the part of the service that caught it.
    """
    if not isinstance(error, PawfectError):
        LOG.error("%s went wrong", where, exc_info=error)
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            traceback.clear_frames(each.__traceback__)
            waiting += [each.__cause__, each.__context__]
    if isinstance(error, PawfectError):
        return PawfectError(error.kind, error.message)
    return PawfectError(ErrorKind.INTERNAL, f"{where}: {type(error).__name__}")
