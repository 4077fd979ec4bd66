"""`pawfect weights add`: files that the user has come into the store whole and known."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

from pawfect.lama.network import Network
from pawfect.weights.lock import LockedEntry, held
from pawfect.weights.manifest import parse_manifest
from pawfect.weights.store import Store
from pawfect_export import add as adding
from pawfect_export.fetch import fetch
from pawfect_export.tiny import lama as tiny_lama
from tests.export.add.conftest import (
    CONFIG,
    DIGEST,
    FROM,
    MODEL,
    across_disks,
    added,
    left,
    refused,
)
from tests.export.conftest import at
from tests.export.hub_server import COMMIT


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
    monkeypatch.setattr(adding.os, "link", across_disks)
    monkeypatch.setattr(adding.fcntl, "ioctl", across_disks)
    assert "copied" in added(store, "known", model, fresh=True)
    target = store.root / "known/model.safetensors"
    assert not target.samefile(model)
    assert target.read_bytes() == MODEL


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


def test_what_a_killed_add_left_is_replaced(store, mine):
    part = store.root / ".parts/known/model.safetensors.added"
    part.parent.mkdir(parents=True)
    part.write_bytes(MODEL[:1000])
    assert added(store, "known", mine).endswith("known: whole")
    assert left(store) == ["known/config.json", "known/model.safetensors"]


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


def test_a_model_loads_from_what_was_added(tmp_path):
    tiny_lama.build(tmp_path / "built")
    file = tmp_path / "built" / tiny_lama.FILE
    table = {"kind": "fetched", **FROM, "files": [{"path": file.name}]}
    store = Store(tmp_path / "weights", parse_manifest({"lama": table}))
    added(store, "lama", file, unverified=True, move=True)
    # As a server does when it starts.
    assert Network.load(store.folder("lama", mend="m"), 1).contract.kind == "masked"
