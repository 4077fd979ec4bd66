"""A hub per test, and a store whose entries it has."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from pawfect.weights.manifest import parse_manifest
from pawfect.weights.store import Store
from pawfect_export.hub import Hub
from tests.export.hub_server import COMMIT, FakeHub, running

SMALL = b'{"model_type": "toy"}\n'
LARGE = random.Random(7).randbytes(3_000_000)
DIGEST = hashlib.sha256(LARGE).hexdigest()

TABLES = {
    "toy": {
        "kind": "fetched",
        "repository": "lab/toy",
        "revision": COMMIT,
        "licence": "Toy Non-Commercial",
        "commercial": False,
        "licence_note": "ask first",
        "gated": False,
        "files": [
            {"path": "config.json"},
            {"path": "unet/model.safetensors", "size": len(LARGE), "sha256": DIGEST},
        ],
    },
    "branch": {
        "kind": "fetched",
        "repository": "lab/toy",
        "revision": "main",
        "pinned": False,
        "licence": "Toy",
        "commercial": True,
        "gated": False,
        "files": [{"path": "unet/model.safetensors"}, {"path": "config.json"}],
    },
    "made": {"kind": "built", "licence": "none", "commercial": True},
    "made-of-made": {"kind": "built", "licence": "none", "commercial": True},
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    # A proxy of the machine's own must not see what goes to 127.0.0.1.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    # What comes is written in such pieces; a cut loses the one that it falls into.
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100_000)
    # The hub library waits between its own attempts.
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with running() as fake:
        fake.files = {
            ("lab/toy", "config.json"): SMALL,
            ("lab/toy", "unet/model.safetensors"): LARGE,
        }
        fake.large = {"unet/model.safetensors"}
        monkeypatch.setenv("HF_ENDPOINT", fake.endpoint)
        yield fake


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "weights", parse_manifest(TABLES))


def at(fake: FakeHub, token: str | None = None) -> Hub:
    """The hub, asked without a pause."""
    return Hub(fake.endpoint, token, (0.0, 0.0, 0.0))
