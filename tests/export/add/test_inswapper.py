"""`pawfect weights add inswapper_128 FILE`: the user's own file, from wherever they have it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.identity.inswapper import Swapper
from pawfect.weights.manifest import manifest, parse_manifest
from pawfect.weights.store import Store
from pawfect_export.tiny import inswapper as tiny
from tests.export.add.conftest import added, left, refused
from tests.refusals import refusal

ENTRY = "inswapper_128"


@pytest.fixture
def file(tmp_path) -> Path:
    """A swapper, but not the published one."""
    tiny.build(tmp_path / "downloads")
    return tmp_path / "downloads" / tiny.FILE


def entry_with(file: Path, digest: str) -> Store:
    """A fresh store whose entry is that of the manifest but for the file's size and digest."""
    own = manifest()[ENTRY]
    table = {
        "kind": own.kind,
        "repository": own.repository,
        "revision": own.revision,
        "pinned": own.pinned,
        "licence": own.licence,
        "commercial": own.commercial,
        "asked": own.asked,
        "gated": own.gated,
        "about_gb": own.about_gb,
        "files": [{"path": tiny.FILE, "size": file.stat().st_size, "sha256": digest}],
    }
    return Store(file.parents[1] / "weights", parse_manifest({ENTRY: table}))


def test_it_is_research_only_asked_about_and_known_by_size_and_digest():
    entry = manifest()[ENTRY]
    assert (entry.commercial, entry.asked) == (False, True)
    (known,) = entry.files
    assert (known.path, known.size) == (tiny.FILE, 554_253_681)
    assert known.sha256 == "e4a3f08c753cb72d04e10aa0f7dbe3deebbf39567d4ead6dce08e98aa49e16af"


def test_a_stand_in_is_refused_by_its_size_in_a_fresh_store(file, tmp_path):
    store = Store(tmp_path / "weights")
    message = refused(store, ENTRY, file)
    assert "554253681" in message
    assert str(file.stat().st_size) in message
    assert left(store) == []


def test_one_of_the_right_size_and_a_wrong_digest_is_refused_with_both(file):
    digest = "0" * 64
    store = entry_with(file, digest)
    message = refused(store, ENTRY, file)
    assert digest in message
    assert hashlib.sha256(file.read_bytes()).hexdigest() in message
    assert left(store) == []
    refusal(ErrorKind.UNAVAILABLE, store.folder, ENTRY, mend="m")


def test_the_right_one_is_taken_and_the_model_loads_it(file):
    store = entry_with(file, hashlib.sha256(file.read_bytes()).hexdigest())
    said = added(store, ENTRY, file)
    assert "licence InsightFace non-commercial research" in said
    assert said.endswith(f"{ENTRY}: whole")
    assert Swapper.load(store.folder(ENTRY, mend="m"), 1).device == "cpu"
