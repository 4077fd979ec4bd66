"""What Google's services answer when they fail, in the words of the one table of errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import requests
from google.api_core.exceptions import (
    Aborted,
    Cancelled,
    GoogleAPICallError,
    RetryError,
    ServerError,
    TooManyRequests,
)
from google.auth.exceptions import TransportError

from pawfect.contract.errors import ErrorKind, PawfectError

# One call to Firestore, s. The client itself would go on trying for five minutes,
# longer than any lease.
_CALL_S: Final = 10.0
_PASSING = (
    Aborted,
    Cancelled,
    RetryError,
    ServerError,
    TooManyRequests,
    TransportError,
    requests.RequestException,
    ConnectionError,
    TimeoutError,
)


@contextmanager
def translated(service: str) -> Iterator[None]:
    """Raise a service's failures as PawfectError: UNAVAILABLE if they may pass, else INTERNAL."""
    try:
        yield
    except _PASSING as error:
        raise PawfectError(ErrorKind.UNAVAILABLE, f"{service}: {type(error).__name__}") from error
    except GoogleAPICallError as error:
        raise PawfectError(ErrorKind.INTERNAL, f"{service}: {type(error).__name__}") from error


@asynccontextmanager
async def bounded(service: str) -> AsyncIterator[None]:
    """Give one call to Firestore its time, and translate its failures."""
    with translated(service):
        async with asyncio.timeout(_CALL_S):
            yield
