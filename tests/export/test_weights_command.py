"""`pawfect weights` as it is typed: what it prints and how it ends."""

from __future__ import annotations

import json
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from pawfect.contract.errors import TABLE, ErrorKind
from pawfect.weights.manifest import parse_manifest
from pawfect.weights.store import Store
from pawfect_export import build, command, hub
from pawfect_export.build import Builder
from pawfect_export.command import weights
from tests.export.conftest import LARGE, TABLES
from tests.export.hub_server import TOKEN
from tests.refusals import refusal


@pytest.fixture
def typed(monkeypatch, tmp_path, hub_quick):
    """The command on the toy entries, with two profiles."""
    root, entries = tmp_path / "weights", parse_manifest(TABLES)
    monkeypatch.setenv("PAWFECT_WEIGHTS", str(root))
    monkeypatch.setattr(command, "Store", lambda root: Store(root, entries))
    monkeypatch.setattr(command, "profile_names", lambda: ("embedded", "small"))
    needs = {"embedded": {}, "small": {"unet": "toy", "text": "made", "vae": "toy"}}
    monkeypatch.setattr(command, "load_profile", lambda name: SimpleNamespace(weights=needs[name]))
    made = {"made": Builder("tests.export.test_build:made")}
    monkeypatch.setattr(build, "BUILDERS", made)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(weights, arguments)

    return run


@pytest.fixture
def hub_quick(hub, monkeypatch):
    monkeypatch.setattr(
        "pawfect_export.hub.Hub.of_environment",
        classmethod(lambda cls: cls(hub.endpoint, None, (0.0,))),
    )
    return hub


def test_a_profiles_entries_are_fetched_and_built(typed, tmp_path):
    run = typed("fetch", "small")
    assert run.exit_code == 0, run.output
    assert (tmp_path / "weights/toy/unet/model.safetensors").read_bytes() == LARGE
    assert (tmp_path / "weights/made/sub/model.safetensors").exists()
    assert run.stderr.splitlines()[0] == "toy: licence Toy Non-Commercial: ask first"
    assert "fetching toy/unet/model.safetensors (3 MB)" in run.stderr
    assert "made: built" in run.stderr
    assert run.stdout == ""
    assert typed("fetch", "small").stderr == "toy: here and whole\nmade: here and whole\n"


def test_a_profile_without_weights_needs_none(typed, hub):
    run = typed("fetch", "embedded")
    assert (run.exit_code, run.stderr) == (0, "embedded: needs no weights\n")
    assert hub.requests == []


def test_the_list_shows_what_is_here(typed, tmp_path):
    typed("fetch", "made", "toy")
    (tmp_path / "weights/toy/config.json").unlink()
    lines = typed("list").stdout.splitlines()
    head = ["ENTRY", "FROM", "SIZE", "LICENCE", "COMMERCIAL", "GATED", "HERE"]
    assert lines[0].split() == head
    rows = {line.split()[0]: line for line in lines[1:]}
    assert rows["made"].endswith("whole")
    assert rows["toy"].endswith("damaged: expected config.json, got nothing")
    assert "lab/toy@ccccccc" in rows["toy"]
    assert rows["branch"].split()[-4:] == ["Toy", "yes", "no", "no"]
    assert rows["toy"].split("Toy Non-Commercial")[1].split()[0] == "no"


def test_the_real_manifest_is_listed(tmp_path, monkeypatch):
    monkeypatch.setenv("PAWFECT_WEIGHTS", str(tmp_path))
    run = CliRunner().invoke(weights, ["list"])
    assert run.exit_code == 0, run.output
    assert "facebook/sam3@3c879f3" in run.stdout
    assert "about 6.81 GB" in run.stdout


def test_verify_finds_damage_and_names_the_command_that_mends_it(typed, tmp_path):
    typed("fetch", "small")
    assert typed("verify").stdout == "toy: whole\nmade: whole\n"
    path = tmp_path / "weights/toy/unet/model.safetensors"
    path.write_bytes(bytes(len(LARGE)))
    run = typed("verify")
    assert run.exit_code == 1
    assert "toy: unet/model.safetensors: expected SHA-256" in run.stdout
    assert run.stderr == "mend with: pawfect weights fetch toy\n"
    assert typed("fetch", "toy").exit_code == 0
    assert typed("verify", "small").exit_code == 0


def test_verifying_a_profile_that_was_never_fetched_is_a_failure(typed):
    run = typed("verify", "small")
    assert run.exit_code == 1
    assert run.stdout == "toy: not here\nmade: not here\n"
    assert run.stderr == "mend with: pawfect weights fetch toy made\n"
    assert typed("verify").exit_code == 0


def test_verify_waits_for_another_process_that_fetches_and_says_for_what(typed, monkeypatch):
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        typed("fetch", "small")

    clock = SimpleNamespace(monotonic=time.monotonic, sleep=pause)
    monkeypatch.setattr(command, "time", clock)
    run = typed("verify", "small", "--wait", "60")
    assert (run.exit_code, pauses) == (0, [command.WAIT_PAUSE_S])
    assert run.stderr.splitlines()[0].startswith("waiting for toy: expected ")
    assert run.stderr.splitlines()[-1] == "toy, made: whole"


def test_verify_does_not_wait_for_ever(typed):
    run = typed("verify", "small", "--wait", "0.01")
    assert run.exit_code == TABLE[ErrorKind.UNAVAILABLE].exit_code
    assert run.stderr.endswith("for 0.01 s; run `pawfect weights fetch toy made`\n")
    assert "--wait: expected the names" in typed("verify", "--wait", "1").stderr


def test_path_prints_folders(typed, tmp_path):
    assert typed("path").stdout == f"{tmp_path / 'weights'}\n"
    assert typed("path", "toy").stdout == f"{tmp_path / 'weights' / 'toy'}\n"


@pytest.mark.parametrize("words", [("fetch", "nope"), ("verify", "nope"), ("path", "nope")])
def test_an_unknown_name_ends_with_65(typed, words):
    run = typed(*words)
    assert run.exit_code == 65
    assert run.stderr.startswith("pawfect weights: ")
    assert "got 'nope'" in run.stderr


def test_a_refusal_ends_with_69_and_says_what_to_do(typed, hub):
    hub.gated = {"lab/toy"}
    run = typed("fetch", "toy")
    assert run.exit_code == 69
    assert run.stderr.splitlines()[-1].startswith("pawfect weights: lab/toy config.json: access")
    assert "Traceback" not in run.output


def test_a_folder_that_cannot_be_written_ends_with_69(typed, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("PAWFECT_WEIGHTS", str(tmp_path / "file"))
    run = typed("fetch", "made")
    assert run.exit_code == 69
    assert "pawfect weights: the weights' folder: " in run.stderr


def test_fetching_without_the_hub_library_says_how_to_install_it(typed, monkeypatch):
    for name in ("pawfect_export.fetch", "pawfect_export.hub"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    run = typed("fetch", "toy")
    assert run.exit_code == 69
    assert "needs the package huggingface_hub: pip install 'pawfect[server]'" in run.stderr
    assert typed("list").exit_code == 0


def test_an_interrupted_fetch_ends_with_130(typed, monkeypatch):
    def interrupted(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pawfect_export.fetch.fetch", interrupted)
    run = typed("fetch", "toy")
    assert (run.exit_code, run.stderr) == (
        130,
        "pawfect weights: interrupted; the same command goes on from there\n",
    )


def test_a_damaged_lock_ends_with_69(typed, tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/weights.lock.json").write_text(json.dumps({"version": 7}))
    run = typed("list")
    assert run.exit_code == 69
    assert "remove it and fetch again" in run.stderr


def test_endpoint_and_token_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.test/")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    found = hub.Hub.of_environment()
    assert (found.endpoint, found.token) == ("https://mirror.test", TOKEN)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", "hf_old_name")
    monkeypatch.delenv("HF_ENDPOINT")
    found = hub.Hub.of_environment()
    assert (found.endpoint, found.token) == ("https://huggingface.co", "hf_old_name")


@pytest.mark.parametrize("endpoint", ["http://mirror.test", "ftp://mirror.test", "mirror.test"])
def test_a_token_goes_to_no_server_on_the_way_to_which_others_can_read(monkeypatch, endpoint):
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    message = refusal(ErrorKind.UNAVAILABLE, hub.Hub.of_environment)
    assert message.startswith("HF_ENDPOINT: expected https://HOST/PATH, or http:// of this machine")
    assert TOKEN not in message
    monkeypatch.setattr(hub, "get_token", lambda: None)
    assert hub.Hub.of_environment().endpoint == endpoint
