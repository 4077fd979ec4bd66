"""Who calls: API keys, Google ID tokens, or, on a laptop's loopback alone, anybody."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from google.auth import transport
from google.auth.exceptions import GoogleAuthError, TransportError
from google.oauth2 import id_token

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect_service.http.failures import ApiError
from pawfect_service.jobs.paths import check_id

LOG: Final = logging.getLogger("pawfect.api")

KEY_HEADER: Final = "x-api-key"
EVERY_USER: Final = "*"
# Whose runs they are on a laptop that asks nobody who calls.
ANYBODY: Final = "me"
# Clocks of the issuer and of this machine may differ so much, s.
_CLOCK_SKEW_S: Final = 10
# Google rotates its certificates over days and serves each of them for hours with max-age.
CERTIFICATES_KEPT_S: Final = 3600.0
# One fetching of them, s. It holds up every caller with a token.
FETCH_S: Final = 10.0
# Where it fails, those of before are good for as long as they say; so long until the next try, s.
FETCHED_AGAIN_S: Final = 60.0
_LOOPBACK: Final = re.compile(r"localhost|127(\.\d+){3}|::1")
_KEY_LINE: Final = re.compile(
    r"(?P<name>[\w.-]+)\s+(?P<uid>\S+)\s+(?P<hash>[0-9a-f]{64})(\s+(?P<admin>admin))?"
)


@dataclass(frozen=True)
class Caller:
    """Somebody who may call.

    Attributes:
        name: for the rate limit and the log.
        uid: whose sessions; None: everybody's (a service that acts for its users).
        admin: whether it may also do what takes this machine for hours.
        own: whose runs they are where the caller is everybody and names nobody; None: it has to.
        by_cookie: whether a browser added the credentials by itself, whichever page called.
    """

    name: str
    uid: str | None
    admin: bool = False
    own: str | None = None
    by_cookie: bool = False

    def check(self, uid: str) -> None:
        """Raise 403 where the sessions are not this caller's."""
        if self.uid is not None and self.uid != uid:
            message = "uid: expected the caller's own, got another user's"
            raise ApiError(403, ErrorKind.INVALID_ARG, message)

    def check_whole(self, uid: str) -> None:
        """Raise 403 where not all of a user's data are this caller's to have, or to delete.

        They are the user's own and an admin's; not those of a key of every user without that.
        """
        self.check(uid)
        if self.uid is None and self.own is None:
            self.check_admin()

    def check_admin(self) -> None:
        """Raise 403 where this is no admin."""
        if not self.admin:
            message = "credentials: expected an admin's key, got another"
            raise ApiError(403, ErrorKind.INVALID_ARG, message)


class Authenticator(Protocol):
    """One way to find out who calls."""

    async def caller(self, headers: Mapping[str, str]) -> Caller | None:
        """Return who it is; None: nothing in these headers is for this way to judge.

        Raises:
            ApiError: 401 for a key or token that is not valid.
        """


def unknown_caller(got: str) -> ApiError:
    """Return the error of a call without valid credentials."""
    expected = "credentials: expected a valid X-API-Key or Authorization: Bearer ID_TOKEN"
    header = {"WWW-Authenticate": "Bearer"}
    return ApiError(401, ErrorKind.INVALID_ARG, f"{expected}, got {got}", header)


async def known_caller(
    authenticators: Sequence[Authenticator], headers: Mapping[str, str]
) -> Caller:
    """Return who calls by the first authenticator that knows; 401 where none does."""
    for authenticator in authenticators:
        caller = await authenticator.caller(headers)
        if caller is not None:
            return caller
    raise unknown_caller("none")


@dataclass(frozen=True)
class KeyLine:
    """One key that is let in.

    Attributes:
        name: of the key; others may have the same.
        digest: SHA-256 of the key.
        caller: who calls with it.
    """

    name: str
    digest: bytes
    caller: Caller


class ApiKeys:
    """Authenticator by `X-API-Key`. Keys are long and random: one SHA-256 of each is kept, no more.

    Args:
        lines: NAME UID SHA256 each (UID `*`: every user), and `admin` behind it where the key is an
            admin's; empty ones and comments are left out.

    Raises:
        PawfectError: INVALID_ARG for a line of another form.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines: list[KeyLine] = []
        for number, line in enumerate(lines, 1):
            text = line.partition("#")[0].strip()
            if not text:
                continue
            found = _KEY_LINE.fullmatch(text)
            if not found:
                raise invalid(f"API keys, line {number}", "NAME UID SHA256 [admin]", "another form")
            uid = None if found["uid"] == EVERY_USER else check_id("uid", found["uid"])
            admin = found["admin"] is not None
            caller = Caller(f"key {found['name']}", uid, admin=admin)
            self.lines.append(KeyLine(found["name"], bytes.fromhex(found["hash"]), caller))

    @classmethod
    def from_file(cls, path: Path) -> ApiKeys:
        """Read the keys of a file."""
        try:
            return cls(path.read_text("utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            expected = "a readable file of lines that pawfect api --new-api-key NAME:UID makes"
            raise invalid("API keys", expected, type(error).__name__) from None

    @property
    def has_admin(self) -> bool:
        """Whether one of the keys is an admin's."""
        return any(line.caller.admin for line in self.lines)

    async def caller(self, headers: Mapping[str, str]) -> Caller | None:
        """Return whose key it is, in a time that does not depend on which."""
        given = headers.get(KEY_HEADER)
        if given is None:
            return None
        return self.line_of(given).caller

    def line_of(self, key: str) -> KeyLine:
        """Return the line that lets a key in; ApiError 401 where none does."""
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
        matches = [line for line in self.lines if hmac.compare_digest(line.digest, digest)]
        if not matches:
            raise unknown_caller("an unknown key")
        return matches[0]


def new_api_key(name: str, uid: str, *, admin: bool = False) -> tuple[str, str]:
    """Return a new key and the line that lets it in."""
    key = secrets.token_urlsafe(32)
    line = f"{name} {uid} {hashlib.sha256(key.encode()).hexdigest()}"
    return key, f"{line} admin" if admin else line


class KeptCertificates(transport.Request):
    """A transport that keeps Google's certificates for an hour.

    Args:
        inner: does the fetching.
    """

    def __init__(self, inner: transport.Request) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, transport.Response]] = {}

    def __call__(self, url: str, *args: Any, **kwargs: Any) -> transport.Response:
        """Return the answer to a GET, perhaps one of the last hour."""
        with self._lock:
            until, kept = self._kept.get(url, (0.0, None))
            if kept is not None and time.monotonic() < until:
                return kept
            try:
                answer: transport.Response = self._inner(
                    url, *args, **{"timeout": FETCH_S, **kwargs}
                )
            except TransportError:
                if kept is None:
                    raise
                LOG.warning("certificates could not be renewed", exc_info=True)
                self._kept[url] = time.monotonic() + FETCHED_AGAIN_S, kept
                return kept
            if answer.status == 200:
                self._kept[url] = time.monotonic() + CERTIFICATES_KEPT_S, answer
            return answer


class GoogleTokens:
    """Authenticator by a Google ID token; a token's `sub` is the user's id.

    Args:
        audiences: client ids for which tokens are taken.
        certificates: fetches Google's certificates.
    """

    def __init__(self, audiences: Sequence[str], certificates: transport.Request) -> None:
        self._audiences = list(audiences)
        self._certificates = certificates

    async def caller(self, headers: Mapping[str, str]) -> Caller | None:
        """Return whose token it is."""
        claims = await bearer_claims(headers, self._audiences, self._certificates)
        if claims is None:
            return None
        uid = str(claims.get("sub", ""))
        return Caller(f"user {uid}", check_id("uid", uid))


async def bearer_claims(
    headers: Mapping[str, str], audiences: Sequence[str], certificates: transport.Request
) -> Mapping[str, object] | None:
    """Return the claims of the Google ID token in `Authorization`; None where there is none.

    Raises:
        ApiError: 401 for a token that is forged, expired, or for another audience; 503 where
            Google's certificates cannot be fetched.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        claims: Mapping[str, object] = await asyncio.to_thread(
            id_token.verify_oauth2_token,
            token.strip(),
            certificates,
            list(audiences),
            _CLOCK_SKEW_S,
        )
    except TransportError:
        raise PawfectError(
            ErrorKind.UNAVAILABLE, "credentials: expected Google's certificates, got none"
        ) from None
    except (GoogleAuthError, ValueError):
        raise unknown_caller("a token that is not valid here") from None
    return claims


def is_loopback(host: str) -> bool:
    """Say whether an address is this machine's own."""
    return _LOOPBACK.fullmatch(host.strip("[]")) is not None


def _host_of(url: str) -> str:
    """Return the host of a URL; none where it has none or is no URL."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


class Anybody:
    """Everybody on this machine may do everything: for a laptop.

    A web page elsewhere that has the browser call this machine is not on it: it is known by the
    Origin that the browser tells, or by the Host where its name resolves to the loopback address.
    """

    async def caller(self, headers: Mapping[str, str]) -> Caller | None:
        """Return the one caller that there is."""
        for name, url in (("origin", "{}"), ("host", "http://{}")):
            given = headers.get(name)
            if given is not None and not is_loopback(_host_of(url.format(given))):
                message = f"{name}: expected this machine's loopback address, got another"
                raise ApiError(403, ErrorKind.INVALID_ARG, message)
        return Caller("anybody", None, own=ANYBODY)
