"""When a server wants to be asked again."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

# A duration as JSON has it in Google's APIs.
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s", re.ASCII)


def retry_after_s(header: str | None) -> float | None:
    """Return seconds from now, at least 0; None where the header says nothing that can be read.

    Args:
        header: Retry-After: seconds, or a date of HTTP (RFC 9110, section 10.2.3).
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def retry_delay_s(details: object) -> float | None:
    """Return seconds from now that an error of Google's APIs asks for; None where it asks for none.

    Args:
        details: the error's JSON; its RetryInfo has a `retryDelay`, such as "13s".
    """
    given: Any = details.get("error", details) if isinstance(details, Mapping) else {}
    listed = given.get("details") if isinstance(given, Mapping) else None
    for one in listed if isinstance(listed, list) else []:
        delay = one.get("retryDelay") if isinstance(one, Mapping) else None
        if isinstance(delay, str) and (found := _DURATION.fullmatch(delay)):
            return float(found[1])
    return None
