"""A session's own folder in place of a matrix's sessions, and matrices by name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.process import PAWFECT
from pawfect.contract.tables import TableError
from perf.audit.__main__ import audit
from perf.audit.matrix import MATRICES, load_matrix, matrix_names, session_in
from perf.audit.options import command_line
from perf.audit.sessions import load_session


@pytest.fixture
def folder(lawn_files, tmp_path) -> Path:
    """A session as the service stores it, with what is none of it beside."""
    place = tmp_path / "D1A406F5"
    place.mkdir()
    for here, there in (("photo", "original.png"), ("mask", "mask_auto.png")):
        shutil.copy(lawn_files / f"{here}.png", place / there)
    (place / "edited.jpg").write_bytes(b"of a former job")
    (place / "audit").mkdir()
    return place


def test_a_sessions_folder_takes_the_place_of_the_matrixs_own(folder, lawn_files):
    session = session_in(folder, {"one": "grass"})
    matrix = load_matrix(MATRICES / "tiny.toml", session)
    (placed,) = matrix.session
    assert (placed.name, placed.scene, placed.truth) == ("D1A406F5", None, None)
    assert placed.text("one") == "grass"
    assert matrix.cells == 32
    bare = load_session(placed)
    assert bare.photo.shape == (256, 256, 3)
    assert bare.truth is None
    # Whatever its suffix, or without one.
    shutil.copy(lawn_files / "truth.png", folder / "truth")
    shutil.copy(lawn_files / "mask.png", folder / "protect.png")
    whole = load_session(
        load_matrix(MATRICES / "tiny.toml", session_in(folder, {"one": "x"})).session[0]
    )
    assert whole.truth is not None
    assert whole.protect is not None
    assert whole.digest != bare.digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda place: (place / "mask_auto.png").unlink(), "mask: expected mask"),
        (
            lambda place: shutil.copy(place / "mask_auto.png", place / "mask.png"),
            "mask: expected one file, got mask",
        ),
    ],
)
def test_a_folder_without_a_mask_or_with_two_is_refused_by_name(folder, change, message):
    change(folder)
    with pytest.raises(TableError, match=f"session D1A406F5.*{message}") as caught:
        load_matrix(MATRICES / "tiny.toml", session_in(folder, {"one": "grass"}))
    assert str(folder) not in str(caught.value)


def test_a_text_that_the_matrix_names_and_the_session_lacks_is_refused(folder):
    with pytest.raises(
        TableError, match="session D1A406F5: prompts: expected a text one, got none"
    ):
        load_matrix(MATRICES / "tiny.toml", session_in(folder, {}))


def test_the_reports_command_of_a_session_holds_no_path(folder, tmp_path):
    told = command_line(MATRICES / "tiny.toml", folder, folder / "audit")
    assert told == "pawfect audit run --matrix tiny --session D1A406F5 --out audit"
    told = command_line(Path("my.toml"), None, Path("build/audit"))
    assert told == "pawfect audit run --matrix my.toml --out build/audit"


def test_the_command_lists_its_matrices_and_takes_them_by_name():
    ran = subprocess.run([PAWFECT, "audit", "matrices"], capture_output=True, check=True)
    told = json.loads(ran.stdout)
    assert list(told) == matrix_names()
    assert told["tiny_short"] == {"profile": "tiny", "engines": ["flux"], "cells": 2}
    assert told["t4"] == {"profile": "t4", "engines": ["flux"], "cells": 750}
    for arguments, said in (
        (["--matrix", "none"], "expected a TOML file or one of t4, t4-klein, tiny, tiny-klein"),
        (["--matrix", "tiny", "--prompt", "grass"], "expected NAME=TEXT, each name once"),
        (["--matrix", "tiny", "--prompt", "a=b", "--prompt", "a=c"], "expected NAME=TEXT"),
        (["--matrix", "tiny", "--prompt", "a=b"], "--prompt needs --session"),
    ):
        ended = CliRunner().invoke(audit, ["run", *arguments])
        assert ended.exit_code == 2
        assert said in " ".join(ended.output.split())


def test_what_is_listed_needs_no_torch_and_compile_is_among_it():
    code = "import sys; from perf.audit.__main__ import audit; print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
    assert audit.list_commands(None) == ["approve", "attention", "compile", "matrices", "run"]


def test_without_the_source_tree_the_command_says_where_it_runs(tmp_path):
    (tmp_path / "perf.py").write_text("raise ModuleNotFoundError('no perf', name='perf')")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    ran = subprocess.run(
        [PAWFECT, "audit", "run", "--matrix", "tiny"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.strip() == (
        "Error: audit needs the package perf: it runs in the source tree alone, after "
        "`make setup-perf`"
    )
