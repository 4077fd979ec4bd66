"""Signed URLs of Cloud Storage: a service account's key, its check, and an emulator."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

import gcp_storage_emulator.server
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from harness.local_server import free_ports

MAIL = "audit@project.iam.gserviceaccount.com"
BUCKET = "pets"


def write_key(path: Path) -> rsa.RSAPublicKey:
    """Write a service account's key file and return the public half."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    content = {
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": MAIL,
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    path.write_text(json.dumps(content))
    return private.public_key()


def check_signature(link: str, key: rsa.RSAPublicKey) -> None:
    """Build what a V4 signature signs, from the link alone, and check it; InvalidSignature."""
    parts = urlsplit(link)
    query = dict(parse_qsl(parts.query))
    signature = bytes.fromhex(query.pop("X-Goog-Signature"))
    canonical_query = "&".join(
        f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in sorted(query.items())
    )
    request = "\n".join(
        ("GET", parts.path, canonical_query, f"host:{parts.netloc}", "", "host", "UNSIGNED-PAYLOAD")
    )
    scope = query["X-Goog-Credential"].split("/", 1)[1]
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"GOOG4-RSA-SHA256\n{query['X-Goog-Date']}\n{scope}\n{digest}"
    key.verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())


@contextmanager
def emulated_bucket() -> Iterator[None]:
    """Run an emulator with BUCKET, to which clients of this process are led."""
    (port,) = free_ports(1)
    server = gcp_storage_emulator.server.create_server(
        "127.0.0.1", port, in_memory=True, default_bucket=BUCKET
    )
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        yield
    server.stop()
