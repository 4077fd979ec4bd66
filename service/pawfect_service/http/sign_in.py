"""Signing in with an API key: a cookie that a browser then sends, and from where it may be used.

The cookie is stateless: the key's name, when it was made, and an HMAC keyed by the key's stored
hash. Who removes the key's line and starts the API anew ends it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from itsdangerous import BadData, TimestampSigner
from starlette.requests import HTTPConnection, cookie_parser

from pawfect.contract.errors import ErrorKind
from pawfect_service.http.callers import ApiKeys, Caller, KeyLine, unknown_caller
from pawfect_service.http.failures import ApiError

COOKIE: Final = "pawfect"
# A person signs in once a week.
HOLDS_S: Final = 7 * 24 * 3600
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class SignIns:
    """Authenticator by the cookie of a sign-in.

    Args:
        keys: those that are let in.
    """

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    def cookie(self, key: str) -> str:
        """Return the cookie's value for whoever has a key of one user's.

        Raises:
            ApiError: 401 for an unknown key, 403 for one of every user: a page is somebody's.
        """
        line = self._keys.line_of(key)
        if line.caller.uid is None:
            message = "key: expected a key of one user's, got one of every user"
            raise ApiError(403, ErrorKind.INVALID_ARG, message)
        return _signer(line).sign(line.name).decode()

    async def caller(self, headers: Mapping[str, str]) -> Caller | None:
        """Return who signed in; ApiError 401 for a cookie that is none, or that has ended."""
        given = cookie_parser(headers.get("cookie", "")).get(COOKIE)
        if given is None:
            return None
        for line in self._keys.lines:
            if given.startswith(f"{line.name}."):
                try:
                    _signer(line).unsign(given, max_age=HOLDS_S)
                except BadData:
                    continue
                # What takes this machine for hours is not started by a click.
                return replace(line.caller, admin=False, by_cookie=True)
        raise unknown_caller("a sign-in that has ended")


def _signer(line: KeyLine) -> TimestampSigner:
    return TimestampSigner(
        line.digest,
        salt="pawfect sign-in",
        key_derivation="hmac",
        digest_method=hashlib.sha256,
    )


def check_origin(connection: HTTPConnection, caller: Caller) -> None:
    """Raise 403 where another site's page has a browser use the cookie.

    What changes something, and a WebSocket, which no rule of the browser's keeps to its own site,
    need the Origin of this API's own host.
    """
    if caller.by_cookie and not only_reads(connection) and not is_own_origin(connection.headers):
        message = "origin: expected this API's own, got none or another"
        raise ApiError(403, ErrorKind.INVALID_ARG, message)


def only_reads(connection: HTTPConnection) -> bool:
    """Say whether a request changes nothing; a WebSocket may be listened to by any page."""
    return connection.scope["type"] == "http" and connection.scope["method"] in _SAFE


def is_own_origin(headers: Mapping[str, str]) -> bool:
    """Say whether a request's Origin is the host that it is sent to."""
    origin, host = headers.get("origin", ""), headers.get("host", "")
    try:
        came, here = urlsplit(origin), urlsplit(f"{urlsplit(origin).scheme}://{host}")
        if came.scheme not in _PORTS or not came.hostname:
            return False
        usual = _PORTS[came.scheme]
        return (came.hostname, came.port or usual) == (here.hostname, here.port or usual)
    except ValueError:
        return False
