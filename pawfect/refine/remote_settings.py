"""What the operator says about a remote engine, and how often it may still be asked today."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final
from urllib.parse import urlsplit

from pawfect.contract.errors import ErrorKind, PawfectError

URL_VARIABLE: Final = "PAWFECT_REMOTE_URL"
KEY_VARIABLE: Final = "PAWFECT_REMOTE_KEY"
MODEL_VARIABLE: Final = "PAWFECT_REMOTE_MODEL"
DAILY_VARIABLE: Final = "PAWFECT_REMOTE_DAILY"
TIMEOUT_VARIABLE: Final = "PAWFECT_REMOTE_TIMEOUT_S"
VARIABLES: Final = (URL_VARIABLE, KEY_VARIABLE, MODEL_VARIABLE, DAILY_VARIABLE, TIMEOUT_VARIABLE)
# What OpenAI's SDK 3.57 names in place of the models that it calls shut down.
DEFAULT_MODEL: Final = "gpt-image-2.5-sunburst"
# Requests of one day: what a few people try by hand.
DEFAULT_DAILY: Final = 50
# An edit takes up to a minute or two.
DEFAULT_TIMEOUT_S: Final = 180
_MOST_DAILY: Final = 100_000
_MOST_TIMEOUT_S: Final = 600


@dataclass(frozen=True)
class RemoteSettings:
    """Where a remote engine is and what it may cost.

    Attributes:
        url: base of its API, such as https://api.openai.com/v1.
        key: the operator's; never in messages, reports or logs.
        model: its name there.
        daily: requests of one day, in UTC, of this process.
        timeout_s: longest wait for an answer, s, within the request's own deadline.
    """

    url: str
    key: str = field(repr=False)
    model: str = DEFAULT_MODEL
    daily: int = DEFAULT_DAILY
    timeout_s: int = DEFAULT_TIMEOUT_S


def read_settings(environment: Mapping[str, str]) -> RemoteSettings | None:
    """Return what the environment says; None where it names neither URL nor key.

    Raises:
        PawfectError: UNAVAILABLE for one without the other, a URL that is neither https nor of
            this machine, and a number out of bounds.
    """
    url, key = environment.get(URL_VARIABLE, ""), environment.get(KEY_VARIABLE, "").strip()
    if not url and not key:
        return None
    if not url or not key:
        given, lacking = (URL_VARIABLE, KEY_VARIABLE) if url else (KEY_VARIABLE, URL_VARIABLE)
        raise _wrong(lacking, f"it beside {given}", "nothing")
    _check_url(url)
    return RemoteSettings(
        url,
        key,
        environment.get(MODEL_VARIABLE) or DEFAULT_MODEL,
        _number(environment, DAILY_VARIABLE, DEFAULT_DAILY, _MOST_DAILY),
        _number(environment, TIMEOUT_VARIABLE, DEFAULT_TIMEOUT_S, _MOST_TIMEOUT_S),
    )


def is_here(url: str) -> bool:
    """Say whether a URL is of this machine's own loopback."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_url(url: str) -> None:
    expected = "https://HOST/PATH, or http:// of this machine"
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise _wrong(URL_VARIABLE, expected, "no URL") from None
    if parts.username is not None or parts.query:
        raise _wrong(URL_VARIABLE, expected, "one with a user's name or a query")
    # Plain HTTP would carry the key and the picture for anyone on the way to read.
    if not whole or not (parts.scheme == "https" or (parts.scheme == "http" and is_here(url))):
        raise _wrong(URL_VARIABLE, expected, f"{parts.scheme or 'no scheme'} of another")


def _number(environment: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = environment.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most and len(text) < 9):
        raise _wrong(name, f"an integer from 1 to {most}", repr(text[:20]))
    return int(text)


def _wrong(name: str, expected: str, got: str) -> PawfectError:
    return PawfectError(ErrorKind.UNAVAILABLE, f"{name}: expected {expected}, got {got}")


def _today() -> date:
    return datetime.now(UTC).date()


class Budget:
    """Counts the requests of a day; safe to use from several threads.

    Each one that is sent counts, whether or not it is answered: what came of it may be charged.
    The count is this process's own, and begins anew when it starts.

    Args:
        daily: requests of one day.
        today: returns the day.
    """

    def __init__(self, daily: int, today: Callable[[], date] = _today) -> None:
        self._daily = daily
        self._today = today
        self._day = today()
        self._sent = 0
        self._lock = threading.Lock()

    def take(self) -> int:
        """Count one request and return how many are left for the day.

        Raises:
            PawfectError: UNAVAILABLE where none is left.
        """
        with self._lock:
            if self._today() != self._day:
                self._day, self._sent = self._today(), 0
            if self._sent >= self._daily:
                message = f"{DAILY_VARIABLE}: the {self._daily} requests of this day (UTC) are made"
                raise PawfectError(ErrorKind.UNAVAILABLE, message)
            self._sent += 1
            return self._daily - self._sent
