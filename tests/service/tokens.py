"""ID tokens signed as Google signs them, by a key of the test's own."""

from __future__ import annotations

import json
import time
from functools import cache
from types import SimpleNamespace
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt, transport
from google.auth.exceptions import TransportError

AUDIENCE = "client.apps.example"


@cache
def _keys(name: str) -> tuple[bytes, str]:
    """A signer's private key and its public one, PEM both."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private, public.decode()


class Certificates(transport.Request):
    """Serves the test's public key where Google would serve its certificates."""

    def __init__(self) -> None:
        self.fetched = 0
        self.away = False
        self.timeout: float | None = None

    def __call__(self, url: str, timeout: float | None = None, **kwargs: Any) -> Any:
        assert url.startswith("https://www.googleapis.com/")
        self.timeout = timeout
        if self.away:
            raise TransportError("away")
        self.fetched += 1
        data = json.dumps({"k": _keys("google")[1]}).encode()
        return SimpleNamespace(status=200, headers={}, data=data)


def token(signer: str = "google", **claims: Any) -> str:
    """A token of user `u`, good for ten minutes."""
    now = int(time.time())
    payload = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "sub": "u",
        "iat": now,
        "exp": now + 600,
        **claims,
    }
    key = crypt.RSASigner.from_string(_keys(signer)[0], key_id="k")
    return jwt.encode(key, payload).decode()
