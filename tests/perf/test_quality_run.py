import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from perf.quality.__main__ import main
from perf.quality.bench import run_scene
from perf.quality.methods import METHODS, Method, Outcome, cleaned
from perf.quality.scenes import Scene, build_scene
from perf.quality.tables import means


@pytest.fixture(scope="module")
def scene() -> Scene:
    return build_scene("chelsea_leash")


def broken(scene: Scene, hole: np.ndarray) -> Outcome:
    raise RuntimeError("no fill today")


def perfect(scene: Scene, hole: np.ndarray) -> Outcome:
    return Outcome(scene.truth, 0.1)


def test_a_run_writes_tables_and_a_sheet(tmp_path: Path) -> None:
    arguments = ["--only", "chelsea_leash", "--methods", "telea,patchmatch", "--fresh"]
    result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "quality.json").read_text())
    assert [(row["scene"], row["method"]) for row in content["rows"]] == [
        ("chelsea_leash", "truth"),
        ("chelsea_leash", "telea"),
        ("chelsea_leash", "patchmatch"),
    ]
    assert content["conditions"]["fresh"] is True
    assert content["conditions"]["set_is"].startswith("as recorded")
    telea, patches = (content["means"]["photo"][name] for name in ("telea", "patchmatch"))
    assert 0 < patches["st_lpips"] < telea["st_lpips"]
    table = (tmp_path / "quality.md").read_text()
    assert "| chelsea_leash | photo |" in table
    with Image.open(tmp_path / "quality_contact_sheet.jpg") as sheet:
        assert sheet.width > 4 * 200
    assert (tmp_path / "quality_contact_sheet.jpg").stat().st_size < 3_000_000


def test_a_method_that_raises_is_an_error_in_the_table(scene: Scene) -> None:
    methods = [Method("broken", "0", broken), Method("perfect", "0", perfect)]
    result = run_scene(scene, methods)
    failed = result.rows[1]
    assert failed.error == "RuntimeError: no fill today"
    assert failed.scores is None
    assert means([result], "broken").errors == 1
    best = means([result], "perfect")
    assert (best.scenes, best.errors, best.seam_off, best.sharpness_off) == (1, 0, 0, 0)


def test_a_changed_pixel_outside_the_hole_is_counted(scene: Scene) -> None:
    def careless(scene: Scene, hole: np.ndarray) -> Outcome:
        image = scene.photo.copy()
        image[hole == 0] ^= 1
        return Outcome(image, 0.1)

    row = run_scene(scene, [Method("careless", "0", careless)]).rows[1]
    assert row.outside_changed == 1


def test_a_cached_peer_is_not_run_again(scene: Scene, tmp_path: Path) -> None:
    once = Method("peer", "1", perfect)
    first = run_scene(scene, [once], tmp_path)
    again = run_scene(scene, [Method("peer", "1", broken)], tmp_path)
    assert again.rows == first.rows
    newer = run_scene(scene, [Method("peer", "2", broken)], tmp_path)
    assert newer.rows[1].error
    own = run_scene(scene, [Method("peer", "1", broken, own=True)], tmp_path)
    assert own.rows[1].error


def test_peers_get_a_cleaned_mask_that_covers_the_soft_edge(scene: Scene) -> None:
    hole = cleaned(scene)
    touched = (scene.photo != scene.truth).any(axis=2)
    assert (hole[touched] > 0).all()
    assert (hole > 0).mean() < 4 * (scene.true_mask > 0).mean()


def test_an_unknown_scene_or_method_is_refused() -> None:
    assert CliRunner().invoke(main, ["--only", "moon"]).exit_code == 2
    assert CliRunner().invoke(main, ["--methods", "magic"]).exit_code == 2


def test_every_method_of_the_comparison_is_there() -> None:
    assert list(METHODS) == ["telea", "ns", "shiftmap", "patchmatch", "pawfect"]
    assert [method.name for method in METHODS.values() if method.own] == ["pawfect"]
