"""Which addresses a task file's URLs may lead to: those of the public internet alone."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError, invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# What stands for IPv4 addresses in IPv6 networks (RFC 6052): where it is routed, it reaches them.
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Say whether an address is one of the public internet, and so is any that stands in it."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return is_public(inner)
        # Those of a site, RFC 3879: of no use any more, and routed where they still are.
        if address.is_site_local:
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 one leads to; None for one that is its own."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def addresses_of(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Return the addresses of a host, each of which may be connected to.

    Args:
        host: a name, or an address.
        port: of the connection.
        allow_private: whether any address will do.

    Raises:
        PawfectError: INVALID_ARG where one of them is not public; UNAVAILABLE where there are none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        got = error.strerror if isinstance(error, OSError) else "a name that is none"
        message = f"{host}: expected a host with an address, got {got}"
        raise PawfectError(ErrorKind.UNAVAILABLE, message) from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for text in () if allow_private else addresses:
        # One is enough: which of them is taken is not for us to say.
        if not is_public(ipaddress.ip_address(text)):
            raise invalid(host, "a public address (--allow-private allows others)", text)
    return addresses
