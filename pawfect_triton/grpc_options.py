"""How the server's gRPC endpoint is protected and shared out: Triton's options, from ours."""

from __future__ import annotations

from dataclasses import dataclass

from pawfect_triton.tls import Tls


@dataclass(frozen=True)
class GrpcOptions:
    """The endpoint's options.

    Attributes:
        tls: the certificate that it shows; None: unencrypted.
        restricted: whether the protocols of `pawfect_triton.closed.RESTRICTED` answer nobody.
        connection_age_s: after so long a connection is closed, once its calls have ended, and the
            caller looks up anew where servers are; None: never.
    """

    tls: Tls | None = None
    restricted: bool = False
    connection_age_s: int | None = None

    def arguments(self) -> list[str]:
        """Return Triton's options, but for what is closed: `pawfect_triton.closed`."""
        found = []
        if self.tls is not None:
            found += [
                "--grpc-use-ssl=true",
                f"--grpc-server-cert={self.tls.cert}",
                f"--grpc-server-key={self.tls.key}",
            ]
        if self.connection_age_s is not None:
            found.append(f"--grpc-max-connection-age={self.connection_age_s * 1000}")
        return found
