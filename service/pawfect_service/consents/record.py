"""A consent record: written before a swap is queued, read before it is done, never changed.

It names the pictures by digests that only who has a picture can check: SHA-256 over a salt of the
record's own and the file. Of two records nobody sees that they are of one picture, and no list of
digests of known pictures is of use. No picture is in it, and nothing of a face.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any, Final

from pawfect.contract.errors import PawfectError, invalid
from pawfect.contract.faces import CONSENT_TEXT, CONSENT_VERSION
from pawfect_service.jobs.contract import Document
from pawfect_service.jobs.kinds.request import JobRequest
from pawfect_service.jobs.kinds.swap import CALLER
from pawfect_service.jobs.paths import RunId

_SALT_BYTES: Final = 16


def picture_digest(salt: str, data: bytes) -> str:
    """Return what names a picture in one record, hexadecimal.

    Args:
        salt: of the record, hexadecimal.
        data: content of the file, as the service stored it.
    """
    digest = hashlib.sha256(bytes.fromhex(salt))
    digest.update(data)
    return digest.hexdigest()


def consent_record(
    run: RunId, job: str, kind: str, request: JobRequest, files: Mapping[str, bytes]
) -> dict[str, Any]:
    """Return the record of a job that is about to be queued; the store adds `at`. CPU work.

    Args:
        run: which run the job is of.
        job: its id.
        kind: of it.
        request: what it is asked for; its parameters say who calls.
        files: contents of its pictures as they are stored, by input.
    """
    parameters, salt = request.parameters, secrets.token_hex(_SALT_BYTES)
    return {
        "uid": run.uid,
        "caller": parameters.get(CALLER),
        "run": str(run),
        "job": job,
        "kind": kind,
        "consent": parameters.get("consent") is True,
        "text": CONSENT_TEXT,
        "version": CONSENT_VERSION,
        "remote": parameters.get("remote") is True,
        "salt": salt,
        "pictures": {name: picture_digest(salt, data) for name, data in files.items()},
    }


def check_consent_record(record: Document | None, files: Mapping[str, bytes]) -> None:
    """Raise INVALID_ARG unless a record says consent to a job with these very pictures. CPU work.

    Args:
        record: the job's; None: there is none.
        files: contents of its pictures, by input.
    """
    if record is None:
        raise _missing("none")
    if record.get("consent") is not True:
        raise _missing("one without it")
    if not _names(record, files):
        raise _missing("one of other pictures")


def _names(record: Document, files: Mapping[str, bytes]) -> bool:
    named, salt = record.get("pictures"), record.get("salt")
    if not isinstance(named, Mapping) or not isinstance(salt, str):
        return False
    found = {name: picture_digest(salt, data) for name, data in files.items()}
    return set(found) == set(named) and all(
        hmac.compare_digest(digest, str(named[name])) for name, digest in found.items()
    )


def _missing(got: str) -> PawfectError:
    return invalid("consent", "a record of it, written before the job was queued", got)
