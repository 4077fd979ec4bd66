"""Google's certificates, fetched once in a while instead of for every token."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from google.auth import transport

# Google rotates its keys over days and serves each of them for hours with max-age.
KEPT_S: Final = 3600.0


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
            fetched, kept = self._kept.get(url, (0.0, None))
            if kept is not None and time.monotonic() - fetched < KEPT_S:
                return kept
            answer: transport.Response = self._inner(
                url, method=method, body=body, headers=headers, timeout=timeout
            )
            if answer.status == 200:
                self._kept[url] = time.monotonic(), answer
            return answer
