"""Where traces go: variables of OpenTelemetry's own tools, read by server, API and worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from pawfect.contract.errors import invalid

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def is_named(environment: Mapping[str, str]) -> bool:
    """Say whether a collector is named; without one nothing is recorded."""
    return any(environment.get(name) for name in ENDPOINTS)


def check_collector(environment: Mapping[str, str]) -> None:
    """Raise PawfectError, INVALID_ARG, for a collector's address that nothing could be sent to.

    OpenTelemetry's exporter would go on trying, and say so once for each batch of spans. The
    address itself is not repeated: a password may stand in it.
    """
    for name in ENDPOINTS:
        given = environment.get(name)
        if given and not _is_address(given):
            expected = "http://HOST:PORT or https://HOST:PORT of a collector, or no value"
            raise invalid(name, expected, "another form")


def _is_address(text: str) -> bool:
    try:
        url = urlsplit(text)
        # The port is read when it is asked for.
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False
