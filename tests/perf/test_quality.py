"""The removal benchmark: what it runs, scores and writes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pawfect.picture.mask import clean_mask
from perf.quality.__main__ import main
from perf.quality.methods import METHODS, Method, Outcome
from perf.quality.removal import Removal, removal_of
from perf.quality.rim import rim_colour
from perf.quality.run import run_removal
from perf.quality.tables import means
from perf.scenes import load_scene


@pytest.fixture(scope="module")
def removal() -> Removal:
    return removal_of(load_scene("chelsea_leash"))


def test_a_run_writes_tables_and_a_sheet(tmp_path):
    arguments = ["--only", "chelsea_leash", "--methods", "telea,patchmatch"]
    result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "quality.json").read_text())
    assert [(row["name"], row["method"]) for row in content["rows"]] == [
        ("chelsea_leash", "truth"),
        ("chelsea_leash", "telea"),
        ("chelsea_leash", "patchmatch"),
    ]
    assert content["provenance"]["versions"]["pypatchmatch"]
    command = "python -m perf.quality --only chelsea_leash --methods telea,patchmatch"
    assert content["provenance"]["command"] == command
    telea, patches = (content["means"]["photo"][name] for name in ("telea", "patchmatch"))
    assert 0 < patches["st_lpips"] < telea["st_lpips"]
    assert (telea["better"], telea["compared"], patches["compared"]) == (0, 1, 0)
    assert patches["cpu_seconds"] > telea["cpu_seconds"] > 0
    table = (tmp_path / "quality.md").read_text()
    assert "| chelsea_leash | photo |" in table
    times = telea["st_lpips"] / patches["st_lpips"]
    assert f"| {telea['st_lpips']:.4f} | {times:.2f} | 0 of 1 |" in table
    with Image.open(tmp_path / "quality_contact_sheet.jpg") as sheet:
        assert sheet.width > 4 * 200


def test_a_method_that_raises_is_an_error_in_the_table(removal):
    def broken(removal: Removal) -> Outcome:
        raise RuntimeError("no fill today")

    def perfect(removal: Removal) -> Outcome:
        return Outcome(removal.truth, 0.1, 0.2)

    result = run_removal(removal, [Method("broken", broken), Method("perfect", perfect)])
    failed = result.rows[1]
    assert failed.error == "RuntimeError: no fill today"
    assert failed.scores is None
    assert means([result], "broken").errors == 1
    best = means([result], "perfect")
    assert (best.scored, best.errors, best.seam_off, best.sharpness_off) == (1, 0, 0, 0)
    assert (best.rim_colour, best.seconds, best.cpu_seconds) == (0, 0.1, 0.2)
    assert best.st_lpips == pytest.approx(0, abs=1e-6)


def test_better_counts_the_holes_on_which_both_were_scored(removal):
    def smear(removal: Removal) -> Outcome:
        return Outcome(np.full_like(removal.truth, 90), 0.1, 0.1)

    def choosy(removal: Removal) -> Outcome:
        if removal.name == "third":
            raise RuntimeError("not this one")
        return Outcome(removal.truth, 0.1, 0.1)

    methods = [Method("patchmatch", smear), Method("choosy", choosy)]
    names = ("first", "second", "third")
    results = [run_removal(replace(removal, name=name), methods) for name in names]
    counted = means(results, "choosy")
    assert (counted.better, counted.compared, counted.errors) == (2, 2, 1)


def test_a_changed_pixel_outside_the_hole_is_counted(removal):
    def careless(removal: Removal) -> Outcome:
        image = removal.photo.copy()
        image[removal.hole == 0] ^= 1
        return Outcome(image, 0.1, 0.1)

    row = run_removal(removal, [Method("careless", careless)]).rows[1]
    assert row.outside_changed == 1


def test_peers_get_a_cleaned_mask_that_covers_the_soft_edge(removal):
    scene = load_scene(removal.name)
    assert (removal.hole == clean_mask(scene.mask).mask).all()
    left = np.abs(scene.photo.astype(int) - scene.truth)[removal.hole == 0]
    assert left.max() <= 4, "no eye sees what is left of the edge"
    assert (removal.hole > 0).mean() < 4 * (scene.object_mask > 0).mean()


def test_an_unknown_scene_or_method_is_refused():
    assert CliRunner().invoke(main, ["--only", "moon"]).exit_code == 2
    assert CliRunner().invoke(main, ["--methods", "magic"]).exit_code == 2


def test_every_method_of_the_comparison_is_there():
    expected = ["telea", "ns", "shiftmap", "patchmatch", "patchmatch_3", "patches", "pawfect"]
    assert list(METHODS) == expected


class TestRimColour:
    """The colour along the rim against pictures whose distance is known by hand."""

    hole = np.zeros((80, 80), np.uint8)
    hole[20:60, 20:60] = 255
    truth = np.full((80, 80, 3), 119, np.uint8)

    def test_a_uniform_shift_measures_its_own_distance(self):
        # Grey 119 and 94 of sRGB have L* 50.0 and 39.9.
        assert rim_colour(np.full_like(self.truth, 94), self.truth, self.hole) == pytest.approx(
            10.1, abs=0.1
        )

    def test_the_inside_beyond_the_band_and_the_outside_do_not_count(self):
        result = self.truth.copy()
        result[:20] = result[28:52, 28:52] = 0
        assert rim_colour(result, self.truth, self.hole) == 0

    def test_texture_that_keeps_the_local_mean_counts_little(self):
        result, checks = self.truth.copy(), np.indices((80, 80)).sum(0) % 2 == 1
        result[checks], result[~checks] = 129, 109
        assert rim_colour(result, self.truth, self.hole) < 0.6

    def test_no_hole_has_no_distance(self):
        assert rim_colour(self.truth, self.truth, np.zeros((80, 80), np.uint8)) == 0
