"""ID tokens signed as Google signs them, by a key of the test's own."""

from __future__ import annotations

import datetime
import json
import time
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt, transport
from google.auth.exceptions import TransportError

AUDIENCE = "client.apps.example"


@cache
def _key_and_certificate(name: str) -> tuple[bytes, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return pem, certificate.public_bytes(serialization.Encoding.PEM).decode()


class _Answer(transport.Response):
    def __init__(self, status: int, data: bytes) -> None:
        self._status, self._data = status, data

    @property
    def status(self) -> int:
        return self._status

    @property
    def headers(self) -> dict[str, str]:
        return {}

    @property
    def data(self) -> bytes:
        return self._data


class Certificates(transport.Request):
    """Serves the test's certificate where Google would serve its own."""

    def __init__(self) -> None:
        self.fetched = 0
        self.away = False
        self.timeout: float | None = None

    def __call__(self, url: str, timeout: float | None = None, **kwargs: Any) -> _Answer:
        assert url.startswith("https://www.googleapis.com/")
        self.timeout = timeout
        if self.away:
            raise TransportError("away")
        self.fetched += 1
        return _Answer(200, json.dumps({"k": _key_and_certificate("google")[1]}).encode())


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
    key = crypt.RSASigner.from_string(_key_and_certificate(signer)[0], key_id="k")
    return jwt.encode(key, payload).decode()
