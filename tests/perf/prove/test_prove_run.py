"""The whole rehearsal on a real server and a session's own files, killed and gone on with."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from harness.process import LoggedProcess
from pawfect.weights.store import ROOT_VARIABLE
from perf.audit.journal import NAME, read_journal
from perf.prove.verdict import ELSEWHERE, FAIL, PASS, REHEARSED
from perf.scenes import load_scene
from tests.conftest import bring_networks

# Two busy cores take ten times as long as two idle ones.
LONG_S = 1500


class Proving(LoggedProcess):
    """A `python -m perf.prove` of its own process."""

    def __init__(self, folder: Path, profile: str = "tiny") -> None:
        self.out, session = folder / "out", folder / "D1A406F5"
        own = {ROOT_VARIABLE: str(folder / "weights")}
        command = [sys.executable, "-u", "-m", "perf.prove", "--profile", profile]
        command += ["--out", str(self.out), "--results", str(folder / "results")]
        command += ["--session", str(session)]
        super().__init__(command, folder / "prove.log", environment=os.environ | own)

    def cells(self) -> int:
        return len(read_journal(self.out / NAME)[1])

    def wait_for_cells(self, count: int) -> None:
        until = time.monotonic() + LONG_S
        while self.cells() < count:
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < until, self.output()
            time.sleep(0.1)


def save_session(folder: Path) -> None:
    """Save a scene as its photo's owner would have it."""
    scene = load_scene("reference_768")
    folder.mkdir()
    files = {"photo": scene.photo, "mask": scene.mask, "protect": scene.protect}
    for name, picture in {**files, "truth": scene.truth}.items():
        Image.fromarray(picture).save(folder / f"{name}.png")


@pytest.mark.slow
def test_a_rehearsal_that_is_killed_goes_on_and_judges_what_needs_no_weights(tmp_path):
    save_session(tmp_path / "D1A406F5")
    with Proving(tmp_path) as proving:
        proving.wait_for_cells(3)
        servers = [
            child
            for child in psutil.Process(proving.process.pid).children()
            if "tritonserver" in child.name()
        ]
        proving.process.kill()
        proving.process.wait(30)
        psutil.wait_procs(servers, 60)
        assert len(servers) == 1
        assert not servers[0].is_running()
        before = proving.cells()
    with Proving(tmp_path) as proving:
        assert proving.process.wait(LONG_S) == 0, proving.output()
        assert f"cells: {before} are done already" in proving.output()
        assert proving.output().count("compile ...") == 1
        assert "compile: done already" in proving.output()
    result = json.loads((tmp_path / "results" / "prove-tiny.json").read_text())
    statuses = {one["number"]: one["status"] for one in result["criteria"]}
    assert FAIL not in statuses.values(), result["criteria"]
    judged = {number for number, status in statuses.items() if status != REHEARSED}
    assert judged == {"1.4", "1.5", "2.1", "2.2", "2.3", "2.4", "2.5", "3.1", "3.3"}
    assert all(statuses[number] == PASS for number in judged)
    assert result["session"] == "D1A406F5"
    assert {cell["status"] for cell in result["cells"]} == {"done"}
    page = (tmp_path / "out" / "prove.html").read_text()
    for link in set(re.findall(r'(?:src|href)="([^"]+)"', page)):
        file = tmp_path / "out" / link
        assert file.is_file(), link
        if file.suffix == ".jpg":
            with Image.open(file) as picture:
                picture.load()
    started = (tmp_path / "prove.log").read_text().count("server ready")
    with Proving(tmp_path) as proving:
        assert proving.process.wait(LONG_S) == 0, proving.output()
        assert proving.output().count("server ready") == started, "all is done already"
        assert proving.output().count("starting the server as it is served") == 1


@pytest.mark.slow
def test_a_rehearsal_of_klein_judges_what_klein_has(tmp_path):
    save_session(tmp_path / "D1A406F5")
    bring_networks(tmp_path / "weights")
    with Proving(tmp_path, "tiny-klein") as proving:
        assert proving.process.wait(LONG_S) == 0, proving.output()
    result = json.loads((tmp_path / "results" / "prove-tiny-klein.json").read_text())
    assert result["engine"] == "klein"
    told = {one["number"]: one for one in result["criteria"]}
    assert FAIL not in {one["status"] for one in told.values()}, result["criteria"]
    for number in ("0.2", "1.2"):
        assert told[number]["how"] == f"would be: {ELSEWHERE}. FLUX.2 [klein] is not guided"
    for number in ("0.1", "0.3", "4.2", "5.1", "5.2"):
        assert told[number]["how"].startswith("would be: pass"), told[number]
    assert {cell["status"] for cell in result["cells"]} == {"done"}
    assert {cell["references"] for cell in result["cells"]} == {True, False}
    assert {cell["guidance"] for cell in result["cells"]} == {None}
    page = (tmp_path / "out" / "prove.html").read_text()
    assert "2 x Flux2TransformerBlock, 2 x Flux2SingleTransformerBlock" in page
    assert "as it was, int8" in page
