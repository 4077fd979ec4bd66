"""Pictures that a user uploads with a run, for refinements of his runs to look at."""

from __future__ import annotations

import re
import secrets
from typing import Any, Final

from pawfect.contract.errors import ErrorKind, invalid
from pawfect_service.api.gate import Gate
from pawfect_service.http.failures import ApiError
from pawfect_service.jobs.paths import RunId, check_id
from pawfect_service.quotas.keeper import Place
from pawfect_service.stores.base import Files

# Of a run: nobody deletes them one by one.
MOST: Final = 100
# The run's token, where it is known, and 128 bits that nobody guesses.
_FILE_ID: Final = re.compile(r"([0-9a-f]{32}-)?[0-9a-f]{32}")


async def keep_reference(
    files: Files, gate: Gate, run: RunId, data: bytes
) -> tuple[str, Place | None]:
    """Store a picture with a run; return its id, and its place among what the user keeps.

    Two at once may be one more than `MOST`.

    Raises:
        PawfectError: ApiError 409 where the run has `MOST` of them; QuotaError where the user keeps
            too much; else as the store failed.
    """
    if len(await files.list(_folder(run.uid, run.token))) >= MOST:
        message = f"file: expected at most {MOST} references of a run, it has as many"
        raise ApiError(409, ErrorKind.INVALID_ARG, message)
    file_id = f"{run.token}-{secrets.token_hex(16)}"
    path = _path(run.uid, file_id)
    place = await gate.admit_upload(run.uid, {path: len(data)})
    await files.put({path: data})
    return file_id, place


async def remove_reference(files: Files, run: RunId, file_id: str) -> None:
    """Remove a picture that was uploaded with a run."""
    await files.delete(_path(run.uid, file_id))


def _folder(uid: str, *parts: str) -> str:
    return "/".join(("users", check_id("uid", uid), "references", *parts))


def _path(uid: str, file_id: str) -> str:
    *token, name = file_id.split("-")
    return _folder(uid, *token, f"{check_id('file', name)}.jpg")


async def read_reference(files: Files, uid: str, file_id: Any) -> bytes:
    """Return a picture that this user uploaded.

    Raises:
        PawfectError: INVALID_ARG for an id that is none, or another user's.
    """
    expected = "the fileId of a picture that you have uploaded"
    if not isinstance(file_id, str) or not _FILE_ID.fullmatch(file_id):
        raise invalid("payload.referenceFileId", expected, "another text")
    try:
        return await files.get(_path(uid, file_id))
    except FileNotFoundError:
        raise invalid("payload.referenceFileId", expected, "one that is not there") from None
