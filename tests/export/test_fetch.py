"""Fetching from a hub that redirects, refuses, cuts off and lies."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.weights.store import Store
from pawfect_export import fetch
from pawfect_export.hub import Hub
from pawfect_export.progress import silent
from tests.export.conftest import DIGEST, LARGE, SMALL, at
from tests.export.hub_server import COMMIT, TOKEN, FakeHub
from tests.refusals import refusal


def fetched(
    store: Store, hub: FakeHub, *names: str, token: str | None = None, **how: Any
) -> list[str]:
    """Fetch entries and return what it says."""
    lines: list[str] = []
    fetch.fetch(names, store, lambda: at(hub, token), lines.append, **how)
    return lines


def refused(store: Store, hub: FakeHub, name: str = "toy", token: str | None = None) -> str:
    return refusal(ErrorKind.UNAVAILABLE, fetched, store, hub, name, token=token)


def test_an_entry_arrives_whole_in_the_published_layout_and_the_lock_says_from_where(store, hub):
    lines = fetched(store, hub, "toy")
    folder = store.folder("toy", mend="m")
    assert (folder / "config.json").read_bytes() == SMALL
    assert (folder / "unet/model.safetensors").read_bytes() == LARGE
    assert not any(path.is_symlink() for path in store.root.rglob("*"))
    assert not (store.root / fetch.PARTS / "toy").exists()
    locked = store.lock.get("toy")
    assert dict(locked.revisions) == {"lab/toy": COMMIT}
    assert locked.files["unet/model.safetensors"].sha256 == DIGEST
    assert locked.files["unet/model.safetensors"].origin == "manifest"
    assert locked.files["config.json"].origin == "first fetch"
    assert lines[0] == "toy: licence Toy Non-Commercial: ask first"
    (recorded,) = (line for line in lines if "recorded" in line)
    assert recorded.startswith("toy/config.json: its digest was not known; recorded ")
    # A second fetch asks nothing.
    before = len(hub.requests)
    assert fetched(store, hub, "toy") == ["toy: here and whole"]
    assert len(hub.requests) == before


def test_a_cut_connection_goes_on_where_it_ended(store, hub):
    hub.faults = [None, ("cut", 1_000_000), ("cut", 500_000)]
    fetched(store, hub, "toy")
    assert hub.ranges_asked() == [None, None, "bytes=1000000-", "bytes=1500000-"]
    assert (store.folder("toy", mend="m") / "unet/model.safetensors").read_bytes() == LARGE


@pytest.fixture
def part(store, hub) -> Path:
    """What is left of a fetch that gave up."""
    hub.faults = [None, ("cut", 1_000_000), 503, 503, 503, 503, 503]
    assert "the server answered 503, 4 times; try again later" in refused(store, hub)
    hub.faults = []
    hub.requests.clear()
    (left,) = store.root.rglob("*.part")
    return left


def test_a_later_fetch_goes_on_where_an_earlier_one_gave_up(store, hub, part):
    lines = fetched(store, hub, "toy")
    assert hub.ranges_asked() == ["bytes=1000000-"]
    assert "fetching toy/unet/model.safetensors (3 MB, going on at 1 MB)" in lines
    store.folder("toy", mend="m")


def test_a_server_that_ignores_ranges_costs_the_beginning_only(store, hub):
    hub.ranges = False
    hub.faults = [None, ("cut", 1_000_000)]
    fetched(store, hub, "toy")
    store.folder("toy", mend="m")


def test_a_part_of_another_file_is_not_gone_on_with(store, hub):
    hub.faults = [("cut", 1_000_000), 503, 503, 503, 503]
    refused(store, hub, "branch")
    other = LARGE[::-1]
    hub.files["lab/toy", "unet/model.safetensors"] = other
    hub.faults = []
    fetched(store, hub, "branch")
    assert (store.folder("branch", mend="m") / "unet/model.safetensors").read_bytes() == other


def test_a_damaged_part_is_fetched_again_from_nothing(store, hub, part):
    part.write_bytes(b"\0" * 1_000_000)
    fetched(store, hub, "toy")
    assert hub.ranges_asked() == ["bytes=1000000-", None]
    store.folder("toy", mend="m")


@pytest.mark.parametrize(("more", "asked"), [(b"", [None]), (b"x", [None, None])])
def test_a_whole_part_is_taken_and_one_that_is_too_long_dropped(store, hub, more, asked):
    part = store.root / fetch.PARTS / "toy" / f"unet/model.safetensors.{DIGEST}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(LARGE + more)
    fetched(store, hub, "toy")
    assert hub.ranges_asked() == asked
    store.folder("toy", mend="m")


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_passing_errors_are_asked_again(store, hub, status):
    hub.heads = [status, status]
    hub.faults = [status, None, status]
    fetched(store, hub, "toy")
    store.folder("toy", mend="m")


def test_the_token_goes_to_the_hub_and_never_to_the_cdn(store, hub):
    hub.gated = {"lab/toy"}
    fetched(store, hub, "toy", token=TOKEN)
    at_hub = [r for r in hub.requests if r.server == "hub"]
    assert {r.headers["authorization"] for r in at_hub} == {f"Bearer {TOKEN}"}
    at_cdn = [r for r in hub.requests if r.server == "cdn"]
    assert at_cdn
    assert not any("authorization" in r.headers for r in at_cdn)
    assert not any(TOKEN in str(r.headers) for r in at_cdn)


def test_a_gated_repository_says_which_licence_and_variable_and_shows_no_token(store, hub):
    hub.gated = {"lab/toy"}
    message = refused(store, hub)
    assert "access refused (401), no token" in message
    assert f"accept the licence on {hub.endpoint}/lab/toy, then set HF_TOKEN" in message
    message = refused(store, hub, token="hf_other")
    assert "access refused (403): the token's account must accept the licence" in message
    assert "hf_other" not in message
    assert "hf_other" not in repr(at(hub, "hf_other"))


def test_other_bytes_than_the_manifests_are_removed(store, hub):
    hub.files["lab/toy", "unet/model.safetensors"] = bytes(len(LARGE))
    message = refused(store, hub)
    assert f"expected SHA-256 {DIGEST}, got" in message
    assert not (store.root / "toy/unet/model.safetensors").exists()
    assert not list(store.root.rglob("*.part"))


def test_other_bytes_than_published_are_removed_though_no_digest_was_known(store, hub):
    hub.served = bytes(len(LARGE))
    assert f"expected the published SHA-256 {DIGEST}, got" in refused(store, hub, "branch")
    assert not (store.root / "branch/unet/model.safetensors").exists()


def test_a_shorter_file_than_the_manifests_is_refused(store, hub):
    hub.files["lab/toy", "unet/model.safetensors"] = LARGE[:-1]
    assert f"expected {len(LARGE)} bytes, got {len(LARGE) - 1}" in refused(store, hub)


def test_a_branch_is_resolved_once_and_its_commit_kept(store, hub):
    lines = fetched(store, hub, "branch")
    assert f"branch: lab/toy is not pinned; recorded its commit {COMMIT}" in lines
    asked = [r.path.split("/")[4] for r in hub.requests if r.server == "hub"]
    assert asked == ["main", COMMIT, COMMIT, COMMIT]
    assert store.identity("branch") == "lab/toy@ccccccc"
    shutil.rmtree(store.root / "branch")
    hub.requests.clear()
    assert not any("not pinned" in line for line in fetched(store, hub, "branch"))
    assert {r.path.split("/")[4] for r in hub.requests if r.server == "hub"} == {COMMIT}


def test_a_first_fetchs_digest_binds_the_next(store, hub):
    fetched(store, hub, "branch")
    (store.root / "branch/config.json").unlink()
    hub.files["lab/toy", "config.json"] = b"{}"
    assert "config.json: expected" in refused(store, hub, "branch")


def test_another_commit_than_pinned_is_refused(store, hub):
    hub.commit = "d" * 40
    hub.files["lab/toy", "config.json"] = SMALL
    assert "no such revision" in refused(store, hub)


def test_a_missing_file_and_a_missing_server_are_named(store, hub):
    del hub.files["lab/toy", "config.json"]
    assert "lab/toy config.json: no such file on" in refused(store, hub)
    gone = Hub("http://127.0.0.1:9", None, (0.0,))
    with pytest.raises(PawfectError, match=r"the connection failed \(ConnectError\), 2 times"):
        fetch.fetch(["toy"], store, lambda: gone, silent)


def test_a_damaged_file_alone_is_fetched_again(store, hub):
    fetched(store, hub, "toy")
    (store.root / "toy/config.json").write_bytes(b"{}")
    hub.requests.clear()
    fetched(store, hub, "toy")
    assert [r.path.split("/", 5)[5] for r in hub.gets()] == ["config.json"]
    store.folder("toy", mend="m")


def test_files_put_there_by_hand_are_taken_when_they_are_the_published_ones(store, hub):
    (store.root / "branch/unet").mkdir(parents=True)
    (store.root / "branch/unet/model.safetensors").write_bytes(LARGE)
    (store.root / "branch/config.json").write_bytes(SMALL)
    fetched(store, hub, "branch")
    assert hub.gets() == []
    store.folder("branch", mend="m")


def test_a_full_disk_is_said_before_anything_is_fetched(store, hub, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda path: usage)
    assert "of free disk space, got 1 kB" in refused(store, hub)
    assert hub.gets() == []


@pytest.mark.parametrize(("names", "gets"), [(("toy",) * 3, 2), (("toy", "branch"), 4)])
def test_fetches_at_once_share_a_download_and_keep_each_others_lock(store, hub, names, gets):
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: fetched(store, hub, name), names))
    assert len(hub.gets()) == gets
    assert set(store.lock.read()) == set(names)
    for name in names:
        store.folder(name, mend="m")


def test_fresh_fetches_again_and_forgets_what_was_recorded(store, hub):
    fetched(store, hub, "branch")
    hub.commit = "e" * 40
    hub.files["lab/toy", "config.json"] = b"{}"
    fetched(store, hub, "branch", fresh=True)
    assert (store.folder("branch", mend="m") / "config.json").read_bytes() == b"{}"
    assert dict(store.lock.get("branch").revisions) == {"lab/toy": "e" * 40}


def test_offline_mode_is_named(store, hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in refused(store, hub)
