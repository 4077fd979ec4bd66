"""`pawfect weights add`: files that the user has are taken whole and known, or not at all."""

from __future__ import annotations

import hashlib
import resource
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.lama.network import Network
from pawfect.weights.lock import LockedEntry, held
from pawfect.weights.manifest import parse_manifest
from pawfect.weights.store import Store
from pawfect_export import add as adding
from pawfect_export import command
from pawfect_export.add import Terms, add
from pawfect_export.command import weights
from pawfect_export.fetch import fetch
from pawfect_export.tiny import lama as tiny_lama
from tests.export.conftest import at
from tests.export.hub_server import COMMIT
from tests.refusals import refusal

MODEL = save({"w": np.arange(50_000, dtype=np.float32)})
DIGEST = hashlib.sha256(MODEL).hexdigest()
CONFIG = b'{"model_type": "toy"}\n'
OTHER = b'{"model_type": "other"}\n'
_FROM = {"repository": "lab/toy", "revision": COMMIT, "licence": "Toy", "gated": False}
TABLES = {
    "known": {
        "kind": "fetched",
        **_FROM,
        "files": [
            {"path": "config.json", "sha256": hashlib.sha256(CONFIG).hexdigest()},
            {"path": "model.safetensors", "size": len(MODEL), "sha256": DIGEST},
        ],
    },
    "unknown": {
        "kind": "fetched",
        **_FROM,
        "files": [
            {"path": "model_index.json"},
            {"path": "text_encoder/config.json"},
            {"path": "text_encoder/model.safetensors"},
            {"path": "vae/config.json"},
        ],
    },
    "branch": {
        "kind": "fetched",
        **_FROM,
        "repository": "lab/other",
        "revision": "main",
        "pinned": False,
        "files": [
            {"path": "model.safetensors"},
            {"path": "config.json", "repository": "lab/toy", "revision": COMMIT},
        ],
    },
    "made": {"kind": "built", "licence": "none"},
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


def test_files_of_known_digests_are_verified_and_the_entry_is_whole(store, mine):
    said = added(store, "known", mine / "model.safetensors")
    assert said.startswith("known: licence Toy\n")
    assert f"verified by the manifest: SHA-256 {DIGEST}" in said
    assert "known: not whole yet: expected config.json, got nothing; add them, or run" in said
    assert added(store, "known", mine / "config.json").endswith("known: whole")
    folder = store.folder("known", mend="m")
    assert (folder / "model.safetensors").read_bytes() == MODEL
    assert [*store.problems("known", rehash=True)] == []
    assert {row.origin for row in store.lock.get("known").files.values()} == {"manifest"}
    assert store.identity("known") == "lab/toy@ccccccc"
    # The user's files are still there.
    assert (mine / "model.safetensors").read_bytes() == MODEL
    assert left(store) == ["known/config.json", "known/model.safetensors"]


def test_a_folder_laid_out_as_published_is_taken_at_once(store, mine):
    (mine / "README.md").write_text("not of the entry")
    assert added(store, "known", mine).endswith("known: whole")
    assert left(store) == ["known/config.json", "known/model.safetensors"]


def test_a_hubs_cache_of_links_is_taken_and_its_files_stay(store, mine, tmp_path):
    snapshot = tmp_path / "snapshots"
    snapshot.mkdir()
    for path in mine.iterdir():
        (snapshot / path.name).symlink_to(path)
    assert added(store, "known", snapshot).endswith("known: whole")
    assert not (store.root / "known/model.safetensors").is_symlink()
    message = refused(store, "known", snapshot, move=True, fresh=True)
    assert message == "config.json: expected a file to move, got a link to one; leave --move out"


def test_on_one_disk_no_second_copy_is_made_and_on_two_a_copy_is_the_same(store, mine, monkeypatch):
    model = mine / "model.safetensors"
    said = added(store, "known", model)
    assert "linked; " in said or "blocks shared; " in said
    # Not the file that is linked now.
    model.unlink()
    model.write_bytes(MODEL)
    monkeypatch.setattr(adding.os, "link", _across_disks)
    monkeypatch.setattr(adding.fcntl, "ioctl", _across_disks)
    assert "copied" in added(store, "known", model, fresh=True)
    target = store.root / "known/model.safetensors"
    assert not target.samefile(model)
    assert target.read_bytes() == MODEL


def _across_disks(*given: Any, **more: Any) -> None:
    raise OSError(18, "Invalid cross-device link")


def test_move_removes_the_users_file_once_it_is_in_the_store(store, mine):
    added(store, "known", mine, move=True)
    assert [*mine.iterdir()] == []
    store.folder("known", mend="m")
    # The store's own file is none to move away.
    own = store.root / "known/config.json"
    added(store, "known", own, move=True, fresh=True)
    assert own.read_bytes() == CONFIG


def test_a_file_that_is_here_and_whole_is_left_alone(store, mine):
    added(store, "known", mine)
    before = {path: (store.root / path).stat().st_mtime_ns for path in left(store)}
    (mine / "model.safetensors").unlink()
    (mine / "model.safetensors").write_bytes(b"another file since")
    said = added(store, "known", mine, move=True)
    assert said.splitlines() == [
        "known/config.json: here and whole, nothing to do",
        "known/model.safetensors: here and whole, nothing to do",
        "known: whole",
    ]
    assert {path: (store.root / path).stat().st_mtime_ns for path in left(store)} == before
    assert sorted(path.name for path in mine.iterdir()) == ["config.json", "model.safetensors"]


def test_another_file_of_the_same_size_is_refused_and_nothing_of_it_stays(store, mine):
    model = mine / "model.safetensors"
    model.write_bytes(save({"w": np.ones(50_000, np.float32)}))
    message = refused(store, "known", model)
    assert message.startswith(f"model.safetensors: expected model.safetensors of SHA-256 {DIGEST}")
    assert message.endswith("another file or a damaged one; it was not taken")
    assert left(store) == []
    model.write_bytes(MODEL)
    assert "verified by the manifest" in added(store, "known", model)


def test_a_file_of_another_size_is_refused_before_it_is_hashed(store, mine, monkeypatch):
    (mine / "model.safetensors").write_bytes(save({"w": np.ones(7, np.float32)}))
    monkeypatch.setattr(adding, "sha256_of", _across_disks)
    size = (mine / "model.safetensors").stat().st_size
    message = refused(store, "known", mine)
    assert message == f"model.safetensors: expected {len(MODEL)} bytes, got {size}"
    # What is seen at once is seen of all, before any is taken.
    assert left(store) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (MODEL[:-1], "cut off"),
        (b"<!doctype html><html>Sign in</html>", "a web page (HTML)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "a Git LFS"),
        (b"PK\x03\x04archive/data.pkl", "a pickle"),
    ],
)
@pytest.mark.parametrize("entry", ["known", "unknown"])
def test_what_is_no_weights_is_refused_in_its_own_words(store, mine, content, said, entry):
    (mine / "model.safetensors").write_bytes(content)
    message = refused(store, entry, mine / "model.safetensors", unverified=True)
    assert message.startswith("model.safetensors: expected safetensors, got ")
    assert said in message
    assert left(store) == []


def test_a_file_of_unknown_digest_is_refused_unless_it_is_trusted_by_name(store, mine):
    model = mine / "model.safetensors"
    message = refused(store, "unknown", model)
    assert "text_encoder/model.safetensors, which can be recorded but not verified" in message
    assert "--sha256" in message
    assert "--unverified" in message
    assert left(store) == []
    said = added(store, "unknown", model, unverified=True)
    assert f"NOT verified, its digest recorded: SHA-256 {DIGEST}" in said
    row = store.lock.get("unknown").files["text_encoder/model.safetensors"]
    assert (row.origin, row.sha256) == ("added by hand", DIGEST)
    # The report of a fill shows that nobody vouches for these weights.
    assert store.identity("unknown").startswith("lab/toy@ccccccc+")


def test_the_publishers_digest_given_by_the_user_is_compared(store, mine):
    model = mine / "model.safetensors"
    message = refused(store, "unknown", model, sha256="0" * 64)
    assert message.startswith(
        f"model.safetensors: expected text_encoder/model.safetensors of SHA-256 {'0' * 64}, got "
    )
    assert left(store) == []
    assert "verified by --sha256" in added(store, "unknown", model, sha256=DIGEST)
    assert "--sha256: expected" in refused(store, "known", model, sha256="0" * 64)
    assert refused(store, "known", mine, sha256=DIGEST) == (
        "--sha256: expected one file with it, got 2"
    )


def test_what_was_recorded_binds_until_fresh_forgets_it(store, mine):
    config = mine / "config.json"
    given = {"path": "vae/config.json", "unverified": True}
    added(store, "unknown", config, **given)
    (store.root / "unknown/vae/config.json").unlink()
    config.unlink()
    config.write_bytes(OTHER)
    assert "config.json: expected" in refused(store, "unknown", config, **given)
    added(store, "unknown", config, fresh=True, **given)
    assert (store.root / "unknown/vae/config.json").read_bytes() == OTHER


@pytest.mark.parametrize("folder", ["text_encoder", "vae"])
def test_the_end_of_a_path_tells_which_file_it_is(store, mine, folder):
    (mine / folder).mkdir()
    (mine / folder / "config.json").write_bytes(CONFIG)
    added(store, "unknown", mine / folder / "config.json", unverified=True)
    assert left(store) == [f"unknown/{folder}/config.json"]


def test_a_name_that_does_not_tell_asks_for_as(store, mine):
    message = refused(store, "unknown", mine / "config.json", unverified=True)
    assert message == (
        "config.json: expected the name of one of text_encoder/config.json, vae/config.json; say "
        "which it is with --as PATH, got a name alone"
    )
    assert "--as: expected model_index.json, " in refused(
        store, "unknown", mine / "config.json", path="unet/config.json"
    )
    assert "one file with it" in refused(store, "unknown", mine, path="vae/config.json")
    (mine / "mine.safetensors").write_bytes(MODEL)
    assert "say which it is with --as PATH" in refused(store, "known", mine / "mine.safetensors")
    added(store, "known", mine / "mine.safetensors", path="model.safetensors")
    assert left(store) == ["known/model.safetensors"]


def test_what_is_not_there_or_given_twice_or_built_here_is_named(store, mine, tmp_path):
    assert refused(store, "known", mine / "gone.json") == (
        "gone.json: expected a file or a folder, got nothing of that name"
    )
    assert "downloads: expected the files as published" in refused(store, "unknown", mine)
    assert refused(store, "known", mine, mine / "config.json") == (
        "config.json: expected one file for it, got config.json and another"
    )
    assert "made, which is built here; run `pawfect weights fetch made`" in refused(
        store, "made", mine
    )
    assert "entry: expected one of known, " in refused(store, "nothing", mine)
    assert left(store) == []


def test_a_full_disk_leaves_nothing_and_the_same_command_goes_on(store, mine, monkeypatch):
    monkeypatch.setattr(adding.os, "link", _across_disks)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The system refuses to write on, as it does on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(PawfectError, match=r"expected room for model\.safetensors") as caught:
            added(store, "known", mine, move=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert left(store) == ["known/config.json"]
    assert [path.name for path in mine.iterdir()] == ["model.safetensors"]
    assert added(store, "known", mine / "model.safetensors").endswith("known: whole")


def test_an_interrupt_leaves_nothing_half_done(store, mine, monkeypatch):
    def interrupted(path: Path) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(adding, "sha256_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        added(store, "known", mine / "model.safetensors", move=True)
    assert left(store) == []
    assert (mine / "model.safetensors").read_bytes() == MODEL


def test_what_a_killed_add_left_is_replaced(store, mine):
    part = store.root / ".parts/known/model.safetensors.added"
    part.parent.mkdir(parents=True)
    part.write_bytes(MODEL[:1000])
    assert added(store, "known", mine).endswith("known: whole")
    assert left(store) == ["known/config.json", "known/model.safetensors"]


def test_a_link_out_of_the_weights_folder_is_not_written_through(store, mine, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    store.root.mkdir()
    (store.root / "known").symlink_to(tmp_path / "elsewhere")
    assert "a link out of it" in refused(store, "known", mine)
    assert [*(tmp_path / "elsewhere").iterdir()] == []


def test_files_of_another_commit_count_no_more(store, mine):
    added(store, "unknown", mine / "model.safetensors", unverified=True)
    locked = store.lock.get("unknown")
    store.lock.put("unknown", LockedEntry({"lab/toy": "d" * 40}, locked.files))
    # The same file is not taken for whole on the strength of an older commit's record.
    assert "not verified" in refused(store, "unknown", mine / "model.safetensors")


def test_two_at_once_and_a_fetch_that_holds_the_entry_wait_for_each_other(store, mine):
    with ThreadPoolExecutor(3) as pool:
        with held(store.root, "fetch-known"):
            runs = [pool.submit(added, store, "known", mine) for _ in range(2)]
            assert not any(run.done() for run in runs)
            assert left(store) == []
        said = sorted(run.result() for run in runs)
    assert sum("verified by the manifest" in one for one in said) == 1
    assert all(one.endswith("known: whole") for one in said)


def test_a_fetch_brings_only_what_is_missing_and_verifies_what_was_recorded(store, mine, hub):
    hub.files = {("lab/toy", "config.json"): CONFIG, ("lab/other", "model.safetensors"): MODEL}
    hub.large = {"model.safetensors"}
    added(store, "branch", mine / "model.safetensors", unverified=True)
    fetch(["branch"], store, lambda: at(hub), lambda line: None)
    assert [request.path.split("/", 5)[5] for request in hub.gets()] == ["config.json"]
    assert store.identity("branch").startswith("lab/other@main:model.safetensors+")
    # Damaged since: what the hub has is compared with the record, and vouches for it.
    shutil.copy(mine / "config.json", store.root / "branch/model.safetensors")
    fetch(["branch"], store, lambda: at(hub), lambda line: None)
    row = store.lock.get("branch").files["model.safetensors"]
    assert (row.origin, row.sha256) == ("first fetch", DIGEST)
    assert store.identity("branch") == f"lab/other@{COMMIT[:7]}:model.safetensors"


# --- as it is typed -------------------------------------------------------------------------------


@pytest.fixture
def typed(monkeypatch, tmp_path, store):
    monkeypatch.setenv("PAWFECT_WEIGHTS", str(store.root))
    monkeypatch.setattr(command, "Store", lambda root: Store(root, store.entries))

    def run(*words: object) -> Any:
        return CliRunner().invoke(weights, list(map(str, words)))

    return run


def test_added_files_pass_verify(typed, mine):
    run = typed("add", "known", mine / "model.safetensors", mine / "config.json")
    assert (run.exit_code, run.stdout) == (0, "")
    assert run.stderr.endswith("known: whole\n")
    assert typed("verify", "known").stdout == "known: whole\n"


def test_as_and_sha256_are_read_from_the_command_line(typed, mine, store):
    digest = hashlib.sha256(CONFIG).hexdigest()
    words = ("add", "unknown", mine / "config.json", "--as", "vae/config.json")
    assert typed(*words, "--sha256", "abc").exit_code == 2
    run = typed(*words, "--sha256", digest.upper())
    assert run.exit_code == 0, run.stderr
    assert left(store) == ["unknown/vae/config.json"]


def test_a_refusal_ends_with_65_and_one_line_without_a_path(typed, mine, tmp_path):
    run = typed("add", "unknown", mine / "model.safetensors")
    assert run.exit_code == 65
    (line,) = run.stderr.splitlines()
    assert line.startswith("pawfect weights: unknown: expected files whose digest is known")
    assert str(tmp_path) not in line


def test_a_file_that_cannot_be_read_is_the_files_fault(store, tmp_path):
    name = f"{'x' * 300}.json"
    message = refused(store, "known", tmp_path / name)
    assert message == f"{name}: expected a file that can be read, got File name too long"


def test_a_model_loads_from_what_was_added(tmp_path):
    tiny_lama.build(tmp_path / "built")
    file = tmp_path / "built" / tiny_lama.FILE
    table = {"kind": "fetched", **_FROM, "files": [{"path": file.name}]}
    store = Store(tmp_path / "weights", parse_manifest({"lama": table}))
    added(store, "lama", file, unverified=True, move=True)
    # As a server does when it starts.
    assert Network.load(store.folder("lama", mend="m"), 1).contract.kind == "masked"
