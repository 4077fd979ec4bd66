"""The certificate that the server shows its callers, checked before it starts."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from pawfect_triton.installation import MachineError

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Tls:
    """A certificate and its key.

    Attributes:
        cert: PEM file of the server's certificate and, after it, of those between it and its root.
        key: PEM file of its private key, without a passphrase.
        name: one that the certificate is for; whoever asks on the loopback address expects it.
    """

    cert: Path
    key: Path
    name: str


def tls_options(command: Command) -> Command:
    """Add the options that name the server's certificate."""
    for kind, what in (("key", "Private key"), ("cert", "Certificate of gRPC")):
        command = click.option(
            f"--tls-{kind}",
            type=click.Path(path_type=Path),
            envvar=f"PAWFECT_TLS_{kind.upper()}",
            metavar="FILE",
            help=f"{what}, PEM.  [default: unencrypted]",
        )(command)
    return command


def load_tls(cert: Path | None, key: Path | None) -> Tls | None:
    """Return the certificate that the server is to show; None where neither file is given.

    Raises:
        MachineError: only one is given; a file cannot be read; the two do not belong together; the
            certificate holds no more, or is for no name.
    """
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        lacking = "--tls-cert" if cert is None else "--tls-key"
        raise MachineError([f"TLS: expected --tls-cert and --tls-key, got no {lacking}"])
    for option, path in (("--tls-cert", cert), ("--tls-key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            problem = f"{option} {path.name}: expected a PEM file, got: {reason}"
            raise MachineError([problem]) from None
    try:
        shown = _shown(cert, key)
    except ssl.SSLError as error:
        got = error.reason or type(error).__name__
        if isinstance(error, ssl.SSLCertVerificationError):
            got = error.verify_message
        expected = "a certificate that holds today, and its key without a passphrase"
        raise MachineError([f"--tls-cert, --tls-key: expected {expected}, got: {got}"]) from None
    # Of a name with a wildcard any host below it.
    names = [name.replace("*", "server") for _, name in shown.get("subjectAltName", ())]
    if not names:
        raise MachineError(["--tls-cert: expected a certificate for a name, got one without"])
    return Tls(cert.absolute(), key.absolute(), names[0])


def _shown(cert: Path, key: Path) -> dict[str, Any]:
    """Return what a caller sees who trusts the certificate itself: a handshake within memory.

    Raises:
        ssl.SSLError: as the handshake fails.
    """
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # An empty passphrase, so that nobody is asked for one on a terminal.
    serving.load_cert_chain(cert, key, password="")
    calling = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    calling.check_hostname = False
    calling.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    calling.load_verify_locations(cert)
    to_server, to_caller = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = serving.wrap_bio(to_server, to_caller, server_side=True)
    caller = calling.wrap_bio(to_caller, to_server)
    for side in (caller, server, caller):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return dict(caller.getpeercert() or {})
