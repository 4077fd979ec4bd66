"""How many requests a model has answered, off Triton's metrics page: what tells busy from hung."""

from __future__ import annotations

import http.client
import re
from typing import Final

# Loopback; a server under full load takes a moment, s.
_PATIENCE_S: Final = 5.0
_LINE: Final = re.compile(
    r"^nv_inference_request_(?:success|failure)\{([^}]*)\} ([0-9.e+]+)$", re.M
)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
# Successes have no reason. REJECTED and CANCELED are the server's own answers: with a queue in
# front of it a model that hangs would collect them, one for each probe that is given up.
_BY_THE_MODEL: Final = (None, "BACKEND", "OTHER")


def answered(host: str, port: int, model: str) -> int | None:
    """Return how many requests a model has answered since its start, its own failures too.

    Args:
        host: of the metrics.
        port: of the metrics.
        model: its name.

    Returns:
        None where the page cannot be had, or does not name the model.
    """
    connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", "/metrics")
        page = connection.getresponse().read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return _count(page, model)


def _count(page: str, model: str) -> int | None:
    counts = []
    for labels, count in _LINE.findall(page):
        named = dict(_LABEL.findall(labels))
        if named.get("model") == model and named.get("reason") in _BY_THE_MODEL:
            counts.append(float(count))
    return int(sum(counts)) if counts else None
