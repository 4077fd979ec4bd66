"""A store of small entries, a user's folder of downloads, and what `add` makes of them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from pawfect.contract.errors import ErrorKind
from pawfect.weights.manifest import parse_manifest
from pawfect.weights.store import Store
from pawfect_export.add import Terms, add
from tests.export.hub_server import COMMIT
from tests.refusals import refusal

MODEL = save({"w": np.arange(50_000, dtype=np.float32)})
DIGEST = hashlib.sha256(MODEL).hexdigest()
CONFIG = b'{"model_type": "toy"}\n'
OTHER = b'{"model_type": "other"}\n'
FROM = {
    "repository": "lab/toy",
    "revision": COMMIT,
    "licence": "Toy",
    "commercial": True,
    "gated": False,
}
TABLES = {
    "known": {
        "kind": "fetched",
        **FROM,
        "files": [
            {"path": "config.json", "sha256": hashlib.sha256(CONFIG).hexdigest()},
            {"path": "model.safetensors", "size": len(MODEL), "sha256": DIGEST},
        ],
    },
    "unknown": {
        "kind": "fetched",
        **FROM,
        "files": [
            {"path": "model_index.json"},
            {"path": "text_encoder/config.json"},
            {"path": "text_encoder/model.safetensors"},
            {"path": "vae/config.json"},
        ],
    },
    "branch": {
        "kind": "fetched",
        **FROM,
        "repository": "lab/other",
        "revision": "main",
        "pinned": False,
        "files": [
            {"path": "model.safetensors"},
            {"path": "config.json", "repository": "lab/toy", "revision": COMMIT},
        ],
    },
    "made": {"kind": "built", "licence": "none", "commercial": True},
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "weights", parse_manifest(TABLES))


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The user's folder, with the files of `known`."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    (folder / "config.json").write_bytes(CONFIG)
    (folder / "model.safetensors").write_bytes(MODEL)
    return folder


def added(store: Store, name: str, *sources: Path, path: str | None = None, **terms: Any) -> str:
    lines: list[str] = []
    add(name, sources, store, lines.append, path=path, terms=Terms(**terms))
    return "\n".join(lines)


def refused(store: Store, name: str, *sources: Path, **how: Any) -> str:
    return refusal(ErrorKind.INVALID_ARG, added, store, name, *sources, **how)


def left(store: Store) -> list[str]:
    """Files below the root but for locks."""
    found = [path for path in store.root.rglob("*") if path.is_file()]
    inside = sorted(path.relative_to(store.root).as_posix() for path in found)
    return [path for path in inside if not path.startswith((".locks/", "weights.lock"))]


def across_disks(*given: Any, **more: Any) -> None:
    raise OSError(18, "Invalid cross-device link")
