"""The demo as a user runs it, on a small photo of one's own."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pawfect.local import inpaint_local
from perf.demo import GAP_PX, before_after, demo
from tests.server.conftest import SMALL, SMALL_HOLE


def test_a_photo_of_ones_own_is_filled_reported_and_shown(tmp_path):
    Image.fromarray(SMALL).save(tmp_path / "p.png")
    Image.fromarray(SMALL_HOLE).save(tmp_path / "m.png")
    command = [sys.executable, "-m", "perf.demo", "--out", str(tmp_path / "out"), "--seed", "4"]
    command += ["--photo", str(tmp_path / "p.png"), "--mask", str(tmp_path / "m.png")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
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


def test_before_after_shows_both_and_stacks_wide_photos():
    wide = np.full((100, 200, 3), 90, np.uint8)
    mask = np.zeros((100, 200), np.uint8)
    mask[40:60, 80:120] = 255
    picture = before_after(wide, mask, wide + 1)
    assert picture.shape == (2 * 100 + GAP_PX, 200, 3)
    np.testing.assert_array_equal(picture[-100:], wide + 1)
    assert (picture[:100] != wide).any()
