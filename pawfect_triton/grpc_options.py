"""How the server's gRPC endpoint is protected and shared out: Triton's options, from ours."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from pawfect_triton.tls import Tls

# What no client of ours asks for: memory of the server's machine as a tensor's place, models' files
# and configs, traces and logs, which may hold what others sent. Left open: inference, metadata, and
# gRPC's health check.
CLOSED: Final = (
    "shared-memory", "model-config", "model-repository", "statistics", "trace", "logging",
)  # fmt: skip


@dataclass(frozen=True)
class GrpcOptions:
    """The endpoint's options.

    Attributes:
        tls: the certificate that it shows; None: unencrypted.
        restricted: whether the protocols of `CLOSED` answer nobody.
        connection_age_s: after so long a connection is closed, once its calls have ended, and the
            caller looks up anew where servers are; None: never.
    """

    tls: Tls | None = None
    restricted: bool = False
    connection_age_s: int | None = None

    def arguments(self) -> list[str]:
        """Return Triton's options."""
        found = []
        if self.tls is not None:
            found += [
                "--grpc-use-ssl=true",
                f"--grpc-server-cert={self.tls.cert}",
                f"--grpc-server-key={self.tls.key}",
            ]
        if self.restricted:
            # A key for each start that is told to nobody.
            key = secrets.token_hex(16)
            found.append(f"--grpc-restricted-protocol={','.join(CLOSED)}:pawfect={key}")
        if self.connection_age_s is not None:
            found.append(f"--grpc-max-connection-age={self.connection_age_s * 1000}")
        return found
