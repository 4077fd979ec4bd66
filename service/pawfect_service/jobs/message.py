"""The message of a job: which session, which of its jobs; what a queue carries, strictly read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pawfect.contract.errors import PawfectError, invalid
from pawfect_service.jobs.document import check_id

# A job's message is about 200 bytes; a longer one is none of ours and is not even parsed.
MAX_MESSAGE_BYTES: Final = 4096
_KEYS: Final = ("uid", "sid", "job")


@dataclass(frozen=True)
class JobMessage:
    """Names one job.

    Attributes:
        uid: whose session.
        sid: which session.
        job: which of its jobs: the document names the one that counts.
    """

    uid: str
    sid: str
    job: str

    def to_bytes(self) -> bytes:
        """Return the message's body, JSON in UTF-8."""
        return json.dumps({key: getattr(self, key) for key in _KEYS}).encode()

    def span_attributes(self) -> dict[str, str]:
        """Return the attributes of a span that belongs to the job."""
        return {f"pawfect.{key}": getattr(self, key) for key in _KEYS}


def read_message(data: bytes) -> JobMessage:
    """Return what a message's body says.

    Raises:
        PawfectError: INVALID_ARG for a body that is not one of these, which no redelivery changes.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise invalid("message", f"at most {MAX_MESSAGE_BYTES} bytes", f"{len(data)} bytes")
    try:
        given: Any = json.loads(data)
    # RecursionError: thousands of opening brackets.
    except (ValueError, RecursionError):
        raise invalid("message", "a JSON object", "something else") from None
    if not isinstance(given, Mapping) or set(given) != set(_KEYS):
        got = f"keys {sorted(map(str, given))}" if isinstance(given, Mapping) else "no object"
        raise invalid("message", f"an object of {', '.join(_KEYS)}", got[:200])
    for key in _KEYS:
        if not isinstance(given[key], str):
            raise invalid(f"message {key}", "a text", type(given[key]).__name__)
    try:
        return JobMessage(*(check_id(key, given[key]) for key in _KEYS))
    except PawfectError as error:
        raise PawfectError(error.kind, f"message {error.message[:300]}") from None
