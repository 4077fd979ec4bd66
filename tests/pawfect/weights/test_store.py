"""The store: entries are whole, or what is wrong and what mends it is said. The lock under it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.weights import store as store_module
from pawfect.weights.lock import LOCK_NAME, NOTHING, LockedEntry, LockedFile, LockFile
from pawfect.weights.manifest import parse_manifest
from pawfect.weights.store import Store, locked_folder, locked_now, sha256_of, weights_root

CONTENT = {"config.json": b"{}", "unet/model.safetensors": b"weights" * 100}
DIGESTS = {path: hashlib.sha256(data).hexdigest() for path, data in CONTENT.items()}
CONFIG, WEIGHTS = CONTENT
TABLES = {
    # Its config's digest is not in the manifest.
    "toy": {
        "kind": "fetched",
        "repository": "lab/toy",
        "revision": "0" * 40,
        "licence": "MIT",
        "commercial": True,
        "gated": False,
        "files": [
            {"path": "config.json"},
            {"path": "unet/model.safetensors", "size": 700,
             "sha256": DIGESTS["unet/model.safetensors"]},
        ],
    },
    "one": {
        "kind": "fetched",
        "repository": "lab/many",
        "revision": "main",
        "pinned": False,
        "licence": "MIT",
        "commercial": True,
        "gated": False,
        "files": [
            {"path": "q8.gguf"},
            {"path": "config.json", "repository": "lab/toy", "revision": "0" * 40},
        ],
    },
    "made": {"kind": "built", "licence": "none", "commercial": True},
}  # fmt: skip


def write(root: Path, name: str = "toy") -> None:
    for path, data in CONTENT.items():
        (root / name / path).parent.mkdir(parents=True, exist_ok=True)
        (root / name / path).write_bytes(data)


def lock(store: Store, name: str = "toy", **revisions: str) -> None:
    files = {
        path: locked_now(store.root / name / path, digest, "first fetch", "2026-01-01T00:00:00Z")
        for path, digest in DIGESTS.items()
    }
    store.lock.put(name, LockedEntry({"lab/toy": "0" * 40} | revisions, files))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with the entry `toy`, whole and locked."""
    made = Store(tmp_path / "root", parse_manifest(TABLES))
    write(made.root)
    lock(made)
    return made


def refusal(store: Store, name: str = "toy") -> str:
    with pytest.raises(PawfectError) as caught:
        store.folder(name, mend="pawfect weights fetch t4")
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert str(store.root) not in caught.value.message
    return caught.value.message


def moved_out(path: Path) -> None:
    """Put a file or folder elsewhere and a link to it in its place."""
    root = next(folder for folder in path.parents if folder.name == "root")
    outside = Path(shutil.move(path, root.with_name("outside")))
    path.symlink_to(outside, target_is_directory=outside.is_dir())


def rewritten(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))


def replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        (WEIGHTS, Path.unlink, f"expected {WEIGHTS}, got nothing"),
        # Found by its size, by its digest, and by a digest that was recorded at the first fetch.
        (WEIGHTS, lambda p: p.write_bytes(b"weights"), f"{WEIGHTS}: expected 700 bytes, got 7"),
        (
            WEIGHTS,
            lambda p: rewritten(p, bytes(700)),
            f"SHA-256 {DIGESTS[WEIGHTS][:12]}..., got",
        ),
        (CONFIG, lambda p: rewritten(p, b"[]"), f"SHA-256 {DIGESTS[CONFIG][:12]}..., got"),
        (CONFIG, replaced_by_a_folder, f"expected the file {CONFIG}, got something else"),
        (CONFIG, moved_out, f"expected {CONFIG} inside the weights' folder, got a link out of it"),
        ("", moved_out, "got a link out of it"),
    ],
)
def test_what_is_wrong_is_named_with_the_command_that_mends_it(store, path, change, message):
    change(store.root / "toy" / path)
    said = refusal(store)
    assert said.startswith("weights toy: ")
    assert message in said
    assert said.endswith("; run `pawfect weights fetch t4`")


def test_a_missing_entry_names_its_first_file(tmp_path):
    empty = Store(tmp_path / "none", parse_manifest(TABLES))
    assert "weights toy: expected config.json, got nothing" in refusal(empty)
    assert "weights made: expected it built here, got nothing" in refusal(empty, "made")
    assert not (tmp_path / "none").exists()


def test_a_file_of_unknown_digest_is_refused(store):
    store.lock.put("toy", NOTHING)
    assert "config.json: expected a file that was fetched here, got one of unknown" in (
        refusal(store)
    )


def test_a_whole_entry_is_its_folder_though_the_root_is_a_link(store, tmp_path):
    assert store.folder("toy", mend="m") == store.root / "toy"
    (tmp_path / "link").symlink_to(store.root, target_is_directory=True)
    linked = Store(tmp_path / "link", store.entries)
    assert linked.folder("toy", mend="m") == tmp_path / "link" / "toy"


@pytest.fixture
def hashed(monkeypatch):
    """The names of the files that were hashed."""
    names = []

    def counted(path, seen=None):
        names.append(path.name)
        return sha256_of(path, seen)

    monkeypatch.setattr(store_module, "sha256_of", counted)
    return names


def test_a_digest_is_computed_once(store, hashed):
    store.lock.put("toy", NOTHING)
    with pytest.raises(PawfectError):
        store.folder("toy", mend="m")
    lock(store)
    store.folder("toy", mend="m")
    store.folder("toy", mend="m")
    assert hashed == []


def test_a_touched_file_is_hashed_again_and_trusted_from_then_on(store, hashed):
    os.utime(store.root / "toy/config.json", ns=(5, 5))
    store.folder("toy", mend="m")
    assert hashed == ["config.json"]
    store.folder("toy", mend="m")
    assert hashed == ["config.json"]
    kept = store.lock.get("toy").files["config.json"]
    assert (kept.origin, kept.time, kept.mtime_ns) == ("first fetch", "2026-01-01T00:00:00Z", 5)


def test_verifying_hashes_whatever_the_lock_says(store, hashed):
    path = store.root / "toy/unet/model.safetensors"
    stamp = path.stat()
    path.write_bytes(bytes(700))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert list(store.problems("toy")) == []
    (problem,) = store.problems("toy", rehash=True)
    assert problem.path == "unet/model.safetensors"
    assert sorted(hashed) == ["config.json", "model.safetensors"]


def test_a_root_that_cannot_be_written_still_serves(store, monkeypatch):
    os.utime(store.root / "toy/config.json", ns=(5, 5))

    def read_only(*args):
        raise PermissionError(13, "Read-only file system")

    monkeypatch.setattr(LockFile, "put_file", read_only)
    assert store.folder("toy", mend="m")


def test_files_fetched_at_another_commit_are_not_taken(store):
    lock(store, **{"lab/toy": "1" * 40})
    assert "expected lab/toy at 0000000, got 1111111" in refusal(store)


def test_the_identity_names_the_commit_and_a_lone_file(store):
    assert store.identity("toy") == "lab/toy@0000000"
    assert store.identity("one") == "lab/many@main:q8.gguf"
    store.lock.put("one", LockedEntry({"lab/many": "2" * 40}, {}))
    assert store.identity("one") == "lab/many@2222222:q8.gguf"


def test_a_built_entrys_files_and_identity_come_from_its_lock(store):
    with pytest.raises(PawfectError, match="made: not built here"):
        store.identity("made")
    write(store.root, "made")
    store.lock.put("made", locked_folder(store.root / "made", "build", "t"))
    assert store.folder("made", mend="m") == store.root / "made"
    first = store.identity("made")
    (store.root / "made/config.json").write_bytes(b"[]")
    assert "weights made: config.json: expected SHA-256" in refusal(store, "made")
    store.lock.put("made", locked_folder(store.root / "made", "build", "t"))
    assert first.startswith("made@")
    assert store.identity("made") != first


def test_a_built_folder_with_links_or_nothing_is_not_locked(tmp_path):
    (tmp_path / "made").mkdir()
    with pytest.raises(PawfectError, match="no file was built"):
        locked_folder(tmp_path / "made", "build", "t")
    (tmp_path / "made/link").symlink_to(tmp_path)
    with pytest.raises(PawfectError, match="link is a link"):
        locked_folder(tmp_path / "made", "build", "t")


# --- the root ----------------------------------------------------------------------------------


def test_the_root_is_the_variables_the_source_trees_or_the_users_caches(monkeypatch, tmp_path):
    monkeypatch.setenv("PAWFECT_WEIGHTS", str(tmp_path))
    assert weights_root() == tmp_path
    monkeypatch.delenv("PAWFECT_WEIGHTS")
    assert weights_root() == Path(__file__).parents[3] / "weights"
    # An installed package is in no source tree.
    monkeypatch.setattr(store_module, "__file__", str(tmp_path / "site/pawfect/weights/store.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert weights_root() == tmp_path / "cache/pawfect/weights"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights_root() == tmp_path / ".cache/pawfect/weights"


# --- the lock ----------------------------------------------------------------------------------

ROW = LockedFile(2, DIGESTS["config.json"], 5, "build", "t")


def test_what_is_written_is_read_again(tmp_path):
    file = LockFile(tmp_path)
    assert file.read() == {}
    file.put("a", LockedEntry({"lab/toy": "0" * 40}, {"x/config.json": ROW}))
    file.put_file("b", "config.json", ROW)
    assert file.get("a").files == {"x/config.json": ROW}
    assert set(file.read()) == {"a", "b"}
    assert file.get("c") == NOTHING
    assert json.loads((tmp_path / LOCK_NAME).read_text())["version"] == 1
    # Servers may run as somebody else.
    assert (tmp_path / LOCK_NAME).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version": 2, "entries": {}}',
        '{"version": 1, "entries": {"a": {}}}',
        '{"version": 1, "entries": {"a": {"revisions": {}, "files": {"../x": {}}}}}',
        '{"version": 1, "entries": {"a": {"revisions": {}, "files": {"x": {"size": 1}}}}}',
    ],
)
def test_a_damaged_lock_is_an_error_that_says_what_to_do(tmp_path, text):
    (tmp_path / LOCK_NAME).write_text(text)
    with pytest.raises(PawfectError, match="remove it and fetch again") as caught:
        LockFile(tmp_path).read()
    assert caught.value.kind is ErrorKind.UNAVAILABLE


def test_a_write_that_fails_leaves_the_lock_as_it_was(tmp_path, monkeypatch):
    file = LockFile(tmp_path)
    file.put("a", NOTHING)
    before = file.path.read_bytes()
    broken = SimpleNamespace(files={"x": object()}, revisions={})
    with pytest.raises(TypeError):
        file.put("b", broken)
    assert file.path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == [".locks", LOCK_NAME]
