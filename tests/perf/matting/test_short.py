"""The short form of the benchmark: alpha is no worse than the stored results, or it is named."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from perf.matting.__main__ import RESULTS, SHORT, main, stored_rows
from perf.matting.baseline import compared, regressions
from perf.matting.pictures import picture
from perf.matting.removers import Cutout, Remover, Variant
from perf.matting.run import Result, run

ROOT = Path(__file__).parents[3]
STORED = ROOT / RESULTS / "matting.json"
# What a request gets that names nothing.
DEFAULT = Variant("u2netp", "standard", "guided")


@pytest.fixture(scope="module")
def measured(engine) -> list[Result]:
    return run(map(picture, SHORT), {DEFAULT: engine.remover(DEFAULT)})


def test_alpha_is_no_worse_than_the_stored_results(measured):
    rows = [row for result in measured for row in result.rows]
    stored = stored_rows(STORED)
    assert compared(stored, rows) == len(SHORT), "make matting stores what to compare with"
    assert [str(one) for one in regressions(stored, rows)] == []


def degraded(cutout: Cutout, how: str) -> Cutout:
    """What a bug would make of an alpha."""
    alpha = cutout.alpha
    if how == "shifted":
        alpha = np.roll(alpha, 4, axis=1)
    elif how == "eroded":
        alpha = cv2.erode(alpha, np.ones((7, 7), np.uint8))
    else:
        alpha = cv2.GaussianBlur(alpha, (0, 0), 6)
    return Cutout(np.asarray(alpha, np.uint8), cutout.colour, cutout.report)


@pytest.mark.parametrize("how", ["shifted", "eroded", "blurred"])
def test_an_alpha_that_got_worse_is_named_on_every_picture_with_a_subject(measured, how):
    def worse(result: Result) -> Remover:
        return lambda photo: degraded(result.cutouts[DEFAULT.name], how)

    rows = [
        row
        for result in measured
        for row in run([result.picture], {DEFAULT: worse(result)})[0].rows
    ]
    named = {one.picture for one in regressions(stored_rows(STORED), rows)}
    assert named >= {name for name in SHORT if not name.startswith("none")}


@pytest.mark.slow
def test_the_command_exits_with_one_and_names_what_got_worse(engine, tmp_path, monkeypatch):
    del engine
    content = json.loads(STORED.read_text())
    for row in content["rows"]:
        row["scores"] = row["scores"] | {"sad": row["scores"]["sad"] / 2}
    better = tmp_path / "better.json"
    better.write_text(json.dumps(content))
    given = ["--short", "--variant", DEFAULT.name, "--out", str(tmp_path), "--baseline"]
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(main, [*given, str(better)])
    assert ended.exit_code == 1, ended.output
    # Where there is no subject nothing is left to be worse than.
    for name in (name for name in SHORT if not name.startswith("none_")):
        assert f"worse: {name}, {DEFAULT.name}: sad" in ended.output
    # What is worse, or only a part, never takes the place of what is stored.
    assert not (tmp_path / "matting.json").exists()
    (written,) = tmp_path.rglob("matting.json")
    assert len(json.loads(written.read_text())["rows"]) == len(SHORT)
    ended = CliRunner().invoke(main, [*given, str(STORED)])
    assert ended.exit_code == 0, ended.output
    assert f"{len(SHORT)} of {len(SHORT)} rows compared" in ended.output


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (["--only", "laid_moon"], "expected a picture or one of scene, laid, fur"),
        (["--variant", "u2netp standard lasso"], "expected one of u2netp standard none"),
        (["--short", "--photos", "."], "--photos goes without --only and --short"),
    ],
)
def test_what_is_not_there_is_refused(engine, given, problem):
    del engine
    ended = CliRunner().invoke(main, given)
    assert ended.exit_code == 2
    assert problem in ended.output
