"""Which of Triton's protocols answer nobody, over gRPC and HTTP."""

from __future__ import annotations

import secrets
from typing import Final

# What no client of ours asks for, and what harms whoever runs a server, on the loopback address
# too, where any web page may post to HTTP: memory of the server's machine as a tensor's place, and
# traces and logs, whose settings name files that the server writes.
ALWAYS: Final = ("shared-memory", "trace", "logging")
# With `--restricted` models' files, configs and counts besides. Left open: inference, metadata, and
# the health check.
RESTRICTED: Final = (*ALWAYS, "model-config", "model-repository", "statistics")


def closing(*, restricted: bool, http: bool) -> list[str]:
    """Return Triton's options that close the protocols.

    Args:
        restricted: whether `RESTRICTED` is closed, or `ALWAYS` alone.
        http: whether HTTP is on.
    """
    # A key for each start that is told to nobody.
    protocols = ",".join(RESTRICTED if restricted else ALWAYS)
    closed = f"{protocols}:pawfect={secrets.token_hex(16)}"
    options = ["--grpc-restricted-protocol", *(["--http-restricted-api"] if http else [])]
    return [f"{option}={closed}" for option in options]
