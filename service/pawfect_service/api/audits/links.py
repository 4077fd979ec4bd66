"""Links to an audit's report by which anybody may read it until they end."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from pathlib import Path
from typing import Final

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

from pawfect.contract.errors import ErrorKind
from pawfect_service.http.failures import ApiError

# A report is looked at, and passed on, on the day that it is asked for.
HOLDS_S: Final = 24 * 3600
_SECRET: Final = ".secret"


class Links:
    """Makes and checks links, with a secret that all APIs of a folder share.

    Args:
        root: the folder of all audits; whoever deletes `.secret` there ends all links.

    Raises:
        OSError: the folder cannot be read or written to.
    """

    def __init__(self, root: Path) -> None:
        self._signer = URLSafeTimedSerializer(
            _secret(root),
            salt="pawfect audit",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )

    def token(self, uid: str, sid: str) -> tuple[str, float]:
        """Return what opens a session's report, and until when, s since the epoch."""
        token = self._signer.dumps([uid, sid])
        return (token if isinstance(token, str) else token.decode()), time.time() + HOLDS_S

    def read(self, token: str) -> tuple[str, str]:
        """Return whose report, uid and sid, a token opens; ApiError 403: none, or not any more."""
        try:
            uid, sid = self._signer.loads(token, max_age=HOLDS_S)
        except SignatureExpired:
            raise _refused("one that still holds, got one that has ended") from None
        except BadData:
            raise _refused("one of this API, got another") from None
        return uid, sid


def _refused(what: str) -> ApiError:
    message = f"link: expected {what}; the audit's state has a new one"
    return ApiError(403, ErrorKind.INVALID_ARG, message)


def _secret(root: Path) -> str:
    """Return the folder's secret, made where there is none; for this user's eyes alone."""
    place, new = root / _SECRET, root / f"{_SECRET}.{secrets.token_hex(8)}"
    with contextlib.suppress(FileNotFoundError):
        return place.read_text("ascii")
    try:
        opened = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(opened, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        # Of two that make one at once, the first's counts, whole.
        with contextlib.suppress(FileExistsError):
            os.link(new, place)
    finally:
        new.unlink(missing_ok=True)
    return place.read_text("ascii")
