"""`pawfect weights fetch` where a licence is asked about: shown first, then accepted or not."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from pawfect.weights.manifest import parse_manifest
from pawfect.weights.store import Store
from pawfect_export import command
from pawfect_export.command import weights
from tests.export.conftest import LARGE, TABLES

ASKED = {"strict": {**TABLES["toy"], "asked": True}, "toy": TABLES["toy"]}


@pytest.fixture
def typed(monkeypatch, tmp_path, hub):
    """The command on two entries, one of them asked about; nobody sits at a terminal."""
    entries = parse_manifest(ASKED)
    monkeypatch.setenv("PAWFECT_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(command, "Store", lambda root: Store(root, entries))

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(weights, arguments)

    return run


def test_without_a_terminal_it_is_refused_with_the_command_that_accepts(typed, hub):
    run = typed("fetch", "toy", "strict")
    assert run.exit_code == 69
    assert run.stderr == (
        "pawfect weights: strict: licence Toy Non-Commercial: ask first; to accept it, run "
        "`pawfect weights fetch strict --accept-licence`\n"
    )
    assert hub.requests == []


def test_the_option_accepts_it_and_what_is_here_is_not_asked_about_again(typed, tmp_path):
    run = typed("fetch", "strict", "--accept-licence")
    assert run.exit_code == 0, run.output
    assert run.stderr.startswith("strict: licence Toy Non-Commercial: ask first\n")
    assert (tmp_path / "weights/strict/unet/model.safetensors").read_bytes() == LARGE
    assert typed("fetch", "strict").stderr == "strict: here and whole\n"
    assert typed("fetch", "strict", "--fresh").exit_code == 69


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [("n", 130, "rmbg: nothing was fetched"), ("y", 69, "onnx/model.onnx: access refused (401)")],
)
def test_on_a_terminal_it_is_asked(hub, tmp_path, answer, status, says):
    hub.gated = {"briaai/RMBG-2.0"}
    terminal, its_other_end = pty.openpty()
    environment = {**os.environ, "PAWFECT_WEIGHTS": str(tmp_path / "weights")}
    os.write(terminal, f"{answer}\n".encode())
    run = subprocess.run(
        [Path(sys.executable).with_name("pawfect"), "weights", "fetch", "rmbg"],
        stdin=its_other_end,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    os.close(terminal)
    os.close(its_other_end)
    assert run.returncode == status
    assert "rmbg: licence CC BY-NC 4.0: for non-commercial use only" in run.stderr
    assert "Do you accept it? [y/N]" in run.stderr
    assert says in run.stderr
    assert bool(hub.requests) == (answer == "y")


def test_a_profile_is_fetched_without_what_is_asked_about_and_says_so(
    typed, hub, tmp_path, monkeypatch
):
    profile = SimpleNamespace(weights={"matting": "toy", "swap": "strict"})
    monkeypatch.setattr(command, "load_profile", lambda name: profile)
    run = typed("fetch", "embedded")
    assert run.exit_code == 0, run.output
    assert run.stderr.startswith(
        "strict: left out of embedded; licence Toy Non-Commercial: ask first; "
        "`pawfect weights fetch strict` asks about it\n"
    )
    assert (tmp_path / "weights/toy").is_dir()
    assert not (tmp_path / "weights/strict").exists()
    # Accepted, or here already, it is one of the profile's.
    assert typed("fetch", "embedded", "--accept-licence").exit_code == 0
    assert (tmp_path / "weights/strict/unet/model.safetensors").read_bytes() == LARGE
    assert "strict: here and whole" in typed("fetch", "embedded").stderr
