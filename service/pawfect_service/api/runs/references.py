"""Pictures that a user uploads for refinements to look at."""

from __future__ import annotations

import re
import secrets
from typing import Any, Final

from pawfect.contract.errors import invalid
from pawfect_service.jobs.paths import check_id
from pawfect_service.stores.base import Files

_FILE_ID: Final = re.compile(r"[0-9a-f]{32}")


def new_reference() -> str:
    """Return the id of a new one: 128 bits that nobody guesses."""
    return secrets.token_hex(16)


def reference_path(uid: str, file_id: str) -> str:
    """Return where a user's reference lies."""
    return f"users/{check_id('uid', uid)}/references/{check_id('file', file_id)}.jpg"


async def read_reference(files: Files, uid: str, file_id: Any) -> bytes:
    """Return a picture that this user uploaded.

    Raises:
        PawfectError: INVALID_ARG for an id that is none, or another user's.
    """
    expected = "the fileId of a picture that you have uploaded"
    if not isinstance(file_id, str) or not _FILE_ID.fullmatch(file_id):
        raise invalid("payload.referenceFileId", expected, "another text")
    try:
        return await files.get(reference_path(uid, file_id))
    except FileNotFoundError:
        raise invalid("payload.referenceFileId", expected, "one that is not there") from None
