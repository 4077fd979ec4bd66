"""The message of a job: which session, which of its jobs; what a queue carries, strictly read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import ClassVar, Final

from pydantic import ConfigDict, TypeAdapter, ValidationError

from pawfect.contract.errors import invalid
from pawfect_service.jobs.fields import Identity
from pawfect_service.strict import refused, strict_json

# A job's message is about 200 bytes; a longer one is none of ours and is not even parsed.
MAX_MESSAGE_BYTES: Final = 4096


@dataclass(frozen=True)
class JobMessage:
    """Names one job.

    Attributes:
        uid: whose session.
        sid: which session.
        job: which of its jobs: the document names the one that counts.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    uid: Identity
    sid: Identity
    job: Identity

    def to_bytes(self) -> bytes:
        """Return the message's body, JSON in UTF-8."""
        return json.dumps(asdict(self)).encode()

    def span_attributes(self) -> dict[str, str]:
        """Return the attributes of a span that belongs to the job."""
        return {f"pawfect.{key}": value for key, value in asdict(self).items()}


_MESSAGE: Final = TypeAdapter(JobMessage)


def read_message(data: bytes) -> JobMessage:
    """Return what a message's body says.

    Raises:
        PawfectError: INVALID_ARG for a body that is not one of these, which no redelivery changes.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise invalid("message", f"at most {MAX_MESSAGE_BYTES} bytes", f"{len(data)} bytes")
    try:
        return _MESSAGE.validate_python(strict_json(data, "message"))
    except ValidationError as error:
        raise refused(error, "message") from None
