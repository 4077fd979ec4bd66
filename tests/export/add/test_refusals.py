"""`pawfect weights add`: what is refused, in its own words, and leaves nothing behind."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_export import add as adding
from tests.export.add.conftest import (
    CONFIG,
    DIGEST,
    MODEL,
    OTHER,
    across_disks,
    added,
    left,
    refused,
)


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
    monkeypatch.setattr(adding, "sha256_of", across_disks)
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
    monkeypatch.setattr(adding.os, "link", across_disks)
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


def test_a_link_out_of_the_weights_folder_is_not_written_through(store, mine, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    store.root.mkdir()
    (store.root / "known").symlink_to(tmp_path / "elsewhere")
    assert "a link out of it" in refused(store, "known", mine)
    assert [*(tmp_path / "elsewhere").iterdir()] == []


def test_a_file_that_cannot_be_read_is_the_files_fault(store, tmp_path):
    name = f"{'x' * 300}.json"
    message = refused(store, "known", tmp_path / name)
    assert message == f"{name}: expected a file that can be read, got File name too long"
