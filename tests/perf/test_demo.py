"""The demo as a user runs it, on a small photo of one's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement
from PIL import Image

from pawfect.local import inpaint_local
from pawfect_triton.installation import WHEEL_SYSTEMS, why_no_server
from perf.demo import GAP_PX, before_after, demo
from tests.server.conftest import SMALL, SMALL_HOLE

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements" / "tritonserver.txt").read_text()
README = (ROOT / "README.md").read_text()


# Runs the demo as on a system for which the wheel does not exist: nothing of it is installed.
WITHOUT_WHEEL = (
    "import sys; sys.modules['pytriton'] = None; from perf.demo import demo; demo(sys.argv[1:])"
)


@pytest.mark.parametrize(
    ("start", "says"),
    [
        pytest.param(["-m", "perf.demo"], "starting the server", marks=pytest.mark.slow),
        (["-m", "perf.demo", "--local"], "filling in this process"),
        (["-c", WITHOUT_WHEEL], "the wheel of the local server is not installed: pip install"),
    ],
    ids=["server", "asked to do without", "no server here"],
)
def test_a_photo_of_ones_own_is_filled_reported_and_shown(tmp_path, start, says):
    Image.fromarray(SMALL).save(tmp_path / "p.png")
    Image.fromarray(SMALL_HOLE).save(tmp_path / "m.png")
    command = [sys.executable, *start, "--out", str(tmp_path / "out"), "--seed", "4"]
    command += ["--photo", str(tmp_path / "p.png"), "--mask", str(tmp_path / "m.png")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert says in ended.stdout
    assert (tmp_path / "out" / "server.log").exists() is (says == "starting the server")
    with Image.open(tmp_path / "out" / "result.png") as written:
        result = np.array(written)
    np.testing.assert_array_equal(result, inpaint_local(SMALL, SMALL_HOLE, seed=4).image)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["engine"], report["seed"]) == ("patch", 4)
    with Image.open(tmp_path / "out" / "before_after.png") as pair:
        assert pair.size == (2 * 80 + GAP_PX, 64)
    assert "patch" in ended.stdout


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--photo", "x.png"), 2, "needs its mask too"),
        (("--photo", "gone.png", "--mask", "gone.png"), 65, "gone.png"),
    ],
)
def test_a_missing_file_is_a_sentence_not_a_traceback(tmp_path, options, code, says):
    ended = CliRunner().invoke(demo, ["--out", str(tmp_path), *options])
    assert ended.exit_code == code
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


def test_which_systems_have_a_server_is_said_alike_by_the_code_the_lock_and_the_readme():
    (line,) = (line for line in LOCK.splitlines() if line.startswith("nvidia-pytriton"))
    marker = Requirement(line).marker
    assert marker is not None
    machines = ("x86_64", "aarch64", "arm64", "AMD64", "armv7l", "ppc64le")
    for system, name in (("Linux", "linux"), ("Darwin", "darwin"), ("Windows", "win32")):
        for machine in machines:
            environment = {"sys_platform": name, "platform_machine": machine}
            there = (system, machine) in WHEEL_SYSTEMS
            assert marker.evaluate(environment) is there, environment
    assert "exists for\nLinux on x86-64 and aarch64." in README


def test_a_machine_without_a_server_says_why(tmp_path, monkeypatch):
    assert why_no_server() is None
    # As on a system where pip passed over the wheel.
    monkeypatch.setitem(sys.modules, "pytriton", None)
    told = why_no_server(str(tmp_path), ("Darwin", "arm64"))
    there = "the wheel of the local server exists for Linux x86_64 and Linux aarch64"
    assert told == f"{there}, not for Darwin arm64"
    (tmp_path / "tritonserver").write_text("#!/bin/sh\n")
    (tmp_path / "tritonserver").chmod(0o755)
    assert why_no_server(str(tmp_path), ("Darwin", "arm64")) is None


def test_before_after_shows_both_and_stacks_wide_photos():
    wide = np.full((100, 200, 3), 90, np.uint8)
    mask = np.zeros((100, 200), np.uint8)
    mask[40:60, 80:120] = 255
    picture = before_after(wide, mask, wide + 1)
    assert picture.shape == (2 * 100 + GAP_PX, 200, 3)
    np.testing.assert_array_equal(picture[-100:], wide + 1)
    assert (picture[:100] != wide).any()
