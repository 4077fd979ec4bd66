"""What the operator says about a server elsewhere, read strictly from the environment."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from pawfect.contract.errors import ErrorKind, PawfectError

# Longest key, letters: no provider's is near it.
_MOST_KEY: Final = 512
_AMOUNT: Final = re.compile(r"\d{1,6}(\.\d{1,6})?", re.ASCII)


def is_here(url: str) -> bool:
    """Say whether a URL is of this machine's own loopback."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_url(name: str, url: str) -> None:
    """Make sure that a URL is https, or http of this machine, with neither user nor query.

    Args:
        name: of the variable that it came from.
        url: what it says.

    Raises:
        PawfectError: UNAVAILABLE for any other; the message does not repeat it.
    """
    expected = "https://HOST/PATH, or http:// of this machine"
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise setting_error(name, expected, "no URL") from None
    if parts.username is not None or parts.query:
        raise setting_error(name, expected, "one with a user's name or a query")
    # Plain HTTP would carry the key and the picture for anyone on the way to read.
    if not whole or not (parts.scheme == "https" or (parts.scheme == "http" and is_here(url))):
        raise setting_error(name, expected, f"{parts.scheme or 'no scheme'} of another")


def read_key(environment: Mapping[str, str], name: str) -> str:
    """Return a key; empty where there is none.

    Raises:
        PawfectError: UNAVAILABLE for what no header can carry; the message does not repeat it.
    """
    key = environment.get(name, "").strip()
    if not (key.isascii() and key.isprintable() and " " not in key and len(key) <= _MOST_KEY):
        raise setting_error(name, f"up to {_MOST_KEY} ASCII letters, digits and signs", "others")
    return key


def read_integer(environment: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Return an integer from 1 to `most`; UNAVAILABLE for anything else."""
    text = environment.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most and len(text) < 9):
        raise setting_error(name, f"an integer from 1 to {most}", repr(text[:20]))
    return int(text)


def read_amount(environment: Mapping[str, str], name: str, default: float, most: float) -> float:
    """Return an amount of USD from 0 to `most`, to six decimals; UNAVAILABLE for anything else."""
    text = environment.get(name)
    if not text:
        return default
    if not _AMOUNT.fullmatch(text) or float(text) > most:
        raise setting_error(name, f"USD from 0 to {most:g}, such as 1.50", repr(text[:20]))
    return float(text)


def setting_error(name: str, expected: str, got: str) -> PawfectError:
    """Return the UNAVAILABLE error of one variable: its name, what was expected, what came."""
    return PawfectError(ErrorKind.UNAVAILABLE, f"{name}: expected {expected}, got {got}")
