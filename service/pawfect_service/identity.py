"""As whom this process calls Triton: as nobody, or by its Google identity.

Cloud Run lets callers in by a token that Google signs for the calling service's account and for
the called service's address.
"""

from __future__ import annotations

import threading
from typing import Any, Final

from google.auth import transport
from google.auth.exceptions import GoogleAuthError
from google.oauth2 import id_token

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_client.base import Headers
from pawfect_client.wire import target_of

_HTTPS_PORT: Final = ":443"


def nobody() -> Headers:
    """Return no headers: the server asks nobody who calls."""
    return ()


class GoogleIdentity:
    """Tokens of this process's Google account, renewed before they expire.

    The account is that of GOOGLE_APPLICATION_CREDENTIALS, else the one that Google's metadata
    server gives the machine.

    Args:
        url: https://HOST[:PORT] of the server; a token is for it alone.
        fetcher: fetches from the metadata server.

    Raises:
        PawfectError: INVALID_ARG for a url without TLS, on which a token could be read.
    """

    def __init__(self, url: str, fetcher: transport.Request) -> None:
        target, secure = target_of(url)
        if not secure:
            expected = "https://HOST with --triton-identity, whose tokens others must not read"
            raise PawfectError(ErrorKind.INVALID_ARG, f"triton: expected {expected}, got {url!r}")
        # As Cloud Run names a service: without the port that https implies.
        self.audience = f"https://{target.removesuffix(_HTTPS_PORT)}"
        self._fetcher = fetcher
        self._lock = threading.Lock()
        self._credentials: Any = None

    def headers(self) -> Headers:
        """Return the metadata that shows the identity.

        It asks the metadata server once an hour; that is on the same machine.

        Raises:
            PawfectError: UNAVAILABLE where this machine has no Google identity.
        """
        try:
            with self._lock:
                if self._credentials is None:
                    self._credentials = id_token.fetch_id_token_credentials(  # type: ignore[no-untyped-call]
                        self.audience, request=self._fetcher
                    )
                if not self._credentials.valid:
                    self._credentials.refresh(self._fetcher)
                token = str(self._credentials.token)
        except GoogleAuthError as error:
            got = type(error).__name__
            raise PawfectError(
                ErrorKind.UNAVAILABLE, f"server: expected this process's Google identity, got {got}"
            ) from None
        return (("authorization", f"Bearer {token}"),)
