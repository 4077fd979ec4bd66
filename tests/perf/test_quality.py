"""The removal benchmark: what it runs, scores and writes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pawfect.picture.mask import clean_mask
from perf.quality.__main__ import main
from perf.quality.methods import METHODS, Method, Outcome
from perf.quality.run import run_scene
from perf.quality.tables import means
from perf.scenes import Scene, load_scene


@pytest.fixture(scope="module")
def scene() -> Scene:
    return load_scene("chelsea_leash")


def test_a_run_writes_tables_and_a_sheet(tmp_path):
    arguments = ["--only", "chelsea_leash", "--methods", "telea,patchmatch"]
    result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "quality.json").read_text())
    assert [(row["scene"], row["method"]) for row in content["rows"]] == [
        ("chelsea_leash", "truth"),
        ("chelsea_leash", "telea"),
        ("chelsea_leash", "patchmatch"),
    ]
    assert content["provenance"]["versions"]["pypatchmatch"]
    telea, patches = (content["means"]["photo"][name] for name in ("telea", "patchmatch"))
    assert 0 < patches["st_lpips"] < telea["st_lpips"]
    table = (tmp_path / "quality.md").read_text()
    assert "| chelsea_leash | photo |" in table
    with Image.open(tmp_path / "quality_contact_sheet.jpg") as sheet:
        assert sheet.width > 4 * 200


def test_a_method_that_raises_is_an_error_in_the_table(scene):
    def broken(scene: Scene, hole: np.ndarray) -> Outcome:
        raise RuntimeError("no fill today")

    def perfect(scene: Scene, hole: np.ndarray) -> Outcome:
        return Outcome(scene.truth, 0.1)

    result = run_scene(scene, [Method("broken", broken), Method("perfect", perfect)])
    failed = result.rows[1]
    assert failed.error == "RuntimeError: no fill today"
    assert failed.scores is None
    assert means([result], "broken").errors == 1
    best = means([result], "perfect")
    assert (best.scenes, best.errors, best.seam_off, best.sharpness_off) == (1, 0, 0, 0)
    assert best.st_lpips == pytest.approx(0, abs=1e-6)


def test_a_changed_pixel_outside_the_hole_is_counted(scene):
    def careless(scene: Scene, hole: np.ndarray) -> Outcome:
        image = scene.photo.copy()
        image[hole == 0] ^= 1
        return Outcome(image, 0.1)

    row = run_scene(scene, [Method("careless", careless)]).rows[1]
    assert row.outside_changed == 1


def test_peers_get_a_cleaned_mask_that_covers_the_soft_edge(scene):
    hole = clean_mask(scene.mask).mask
    touched = (scene.photo != scene.truth).any(axis=2)
    assert (hole[touched] > 0).all()
    assert (hole > 0).mean() < 4 * (scene.object_mask > 0).mean()


def test_an_unknown_scene_or_method_is_refused():
    assert CliRunner().invoke(main, ["--only", "moon"]).exit_code == 2
    assert CliRunner().invoke(main, ["--methods", "magic"]).exit_code == 2


def test_every_method_of_the_comparison_is_there():
    assert list(METHODS) == ["telea", "ns", "shiftmap", "patchmatch", "pawfect"]
