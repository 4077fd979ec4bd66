"""Google's certificates, fetched once in a while instead of for every token."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from google.auth import transport
from google.auth.exceptions import TransportError

LOG: Final = logging.getLogger("pawfect.api")

# Google rotates its keys over days and serves each of them for hours with max-age.
KEPT_S: Final = 3600.0
# One fetching, s. It holds up every caller with a token.
FETCH_S: Final = 10.0
# Where it fails, those of before are good for as long as they say; so long until the next try, s.
AGAIN_S: Final = 60.0


class KeptCertificates(transport.Request):
    """A transport that keeps what it has fetched for an hour.

    Args:
        inner: does the fetching.
    """

    def __init__(self, inner: transport.Request) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, transport.Response]] = {}

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> transport.Response:
        """Return the answer to a GET, perhaps one of the last hour."""
        with self._lock:
            until, kept = self._kept.get(url, (0.0, None))
            if kept is not None and time.monotonic() < until:
                return kept
            try:
                answer: transport.Response = self._inner(
                    url, method=method, body=body, headers=headers, timeout=timeout or FETCH_S
                )
            except TransportError:
                if kept is None:
                    raise
                LOG.warning("certificates could not be renewed", exc_info=True)
                self._kept[url] = time.monotonic() + AGAIN_S, kept
                return kept
            if answer.status == 200:
                self._kept[url] = time.monotonic() + KEPT_S, answer
            return answer
