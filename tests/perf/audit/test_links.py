"""Signed links as Google's page says, and pictures in a bucket."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import socket
from dataclasses import asdict
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

import gcp_storage_emulator.server
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from harness.local_server import free_ports
from perf.audit.audit import report
from perf.audit.journal import AuditError, Journal
from perf.audit.links import EMULATOR_VARIABLE, SignedLinks, Target, upload
from tests.perf.audit.conftest import cell, record

MAIL = "audit@project.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def private_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def key_file(tmp_path_factory, private_key):
    pem = private_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path_factory.mktemp("key") / "key.json"
    content = {
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": MAIL,
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    path.write_text(json.dumps(content))
    return path


def string_to_sign(link: str) -> tuple[bytes, bytes]:
    """Build what a V4 signature signs, from the link alone, and return it with the signature."""
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
    return text.encode(), signature


@pytest.mark.parametrize("name", ["runs/1/pictures/a.jpg", "a b/ü &?#+.jpg"])
def test_a_link_is_signed_as_v4_says_with_no_call_to_anyone(
    key_file, private_key, name, monkeypatch
):
    def no_network(*args, **kwargs):
        raise AssertionError("a link is made offline")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    link = SignedLinks(key_file, 3).sign("pictures-of-pets", name)
    parts = urlsplit(link)
    query = dict(parse_qsl(parts.query))
    assert (parts.scheme, parts.netloc) == ("https", "storage.googleapis.com")
    assert parts.path == "/pictures-of-pets/" + quote(name, safe="/~")
    assert query["X-Goog-Algorithm"] == "GOOG4-RSA-SHA256"
    assert query["X-Goog-Expires"] == str(3 * 24 * 3600)
    today = datetime.now(UTC).strftime("%Y%m%d")
    assert query["X-Goog-Credential"] == f"{MAIL}/{today}/auto/storage/goog4_request"
    text, signature = string_to_sign(link)
    key = private_key.public_key()
    key.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        key.verify(signature, text + b"0", padding.PKCS1v15(), hashes.SHA256())


def test_links_hold_at_most_seven_days(key_file):
    with pytest.raises(AuditError, match="expected 1 to 7, got 8"):
        SignedLinks(key_file, 8)


@pytest.mark.parametrize("content", ["", "{}", "no json", base64.b64encode(b"x" * 50).decode()])
def test_a_file_that_is_no_key_is_refused_and_not_told(tmp_path, content):
    path = tmp_path / "key.json"
    path.write_text(content)
    with pytest.raises(AuditError, match=r"key key\.json: expected a service account's") as caught:
        SignedLinks(path)
    assert str(tmp_path) not in str(caught.value)


def test_a_target_is_a_bucket_and_a_prefix():
    assert Target.parse("gs://pets/runs/1/") == Target("pets", "runs/1")
    assert Target.parse("gs://pets").name("pictures/a.jpg") == "pictures/a.jpg"
    assert Target.parse("gs://pets/x").name("pictures/a.jpg") == "x/pictures/a.jpg"
    for wrong in ("s3://pets", "pets/runs", "gs://", "gs:///x"):
        with pytest.raises(AuditError, match="expected gs://BUCKET/PREFIX"):
            Target.parse(wrong)


@pytest.fixture
def emulator(monkeypatch):
    (port,) = free_ports(1)
    server = gcp_storage_emulator.server.create_server(
        "127.0.0.1", port, in_memory=True, default_bucket="pets"
    )
    server.start()
    monkeypatch.setenv(EMULATOR_VARIABLE, f"http://127.0.0.1:{port}")
    yield
    server.stop()


def names_in(bucket: str) -> dict[str, bytes]:
    from perf.audit.links import _client

    blobs = _client(None).bucket(bucket).list_blobs()
    return {blob.name: blob.download_as_bytes() for blob in blobs}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_pictures_are_uploaded_once_under_the_prefix(emulator, tmp_path, key_file):
    (tmp_path / "pictures").mkdir()
    for name in ("a", "b"):
        (tmp_path / "pictures" / f"{name}.jpg").write_bytes(name.encode() * 50)
    paths = ["pictures/a.jpg", "pictures/b.jpg"]
    upload(tmp_path, paths[:1], Target("pets", "runs/1"), key_file)
    assert names_in("pets") == {"runs/1/pictures/a.jpg": b"a" * 50}
    (tmp_path / "pictures" / "a.jpg").write_bytes(b"c" * 50)
    upload(tmp_path, paths, Target("pets", "runs/1"), key_file)
    # Pictures are named by their cell's identity: the same name and size is the same picture.
    assert names_in("pets") == {
        "runs/1/pictures/a.jpg": b"a" * 50,
        "runs/1/pictures/b.jpg": b"b" * 50,
    }


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_bucket_that_is_not_there_is_a_plain_error(emulator, tmp_path, key_file):
    (tmp_path / "a.jpg").write_bytes(b"a")
    with pytest.raises(AuditError, match=r"upload to gs://none:"):
        upload(tmp_path, ["a.jpg"], Target("none", ""), key_file)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_report_with_uploads_links_to_signed_pictures(emulator, tmp_path, key_file, private_key):
    one = record()
    for path in (one.picture, one.crop):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(path.encode())
    with Journal(tmp_path) as journal:
        source = {"command": "c", "date": "d", "machine": "m", "versions": {}}
        sessions = [{"name": "lawn", "photo": "pictures/p.jpg", "truth": ""}]
        note = {"profile": "tiny", "budget_ms": 30_000, "provenance": source, "sessions": sessions}
        journal.begin(note | {"cells": [asdict(cell())]})
        journal.add(one)
    report(tmp_path, Target("pets", "runs/2"), key_file, days=1)
    assert set(names_in("pets")) == {f"runs/2/{path}" for path in (one.picture, one.crop)}
    text = html.unescape((tmp_path / "audit.html").read_text())
    (link,) = set(re.findall(rf'(https://[^" ]+{one.picture}[^" ]+)', text))
    assert urlsplit(link).path == f"/pets/runs/2/{one.picture}"
    signed, signature = string_to_sign(link)
    private_key.public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())


def test_an_upload_without_a_key_is_refused(tmp_path):
    with Journal(tmp_path) as journal:
        journal.begin({"profile": "tiny", "budget_ms": 1, "cells": []})
    with pytest.raises(AuditError, match="expected --key FILE"):
        report(tmp_path, Target("pets", ""))
