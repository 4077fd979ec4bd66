"""What Google's services answer when they fail, in the words of the one table of errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
