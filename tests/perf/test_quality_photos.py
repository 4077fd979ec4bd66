"""Holes in a folder of photos: the rule that draws them, and what is published of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from perf.quality.__main__ import main
from perf.quality.methods import METHODS
from perf.quality.photos import of_folder, part_of, photo_files, removals
from tests.lawn import lawn

MAGENTA = (255, 0, 255)
HEIGHT, WIDTH = 240, 320


@pytest.fixture
def photo(tmp_path) -> Callable[..., Path]:
    """Saves a lawn under a name; from column `gone` on it is transparent, and magenta beneath."""

    def saved(name: str, gone: int = WIDTH) -> Path:
        pixels = np.dstack([lawn(HEIGHT, WIDTH), np.full((HEIGHT, WIDTH), 255, np.uint8)])
        pixels[:, gone:] = (*MAGENTA, 0)
        path = tmp_path / name
        Image.fromarray(pixels if gone < WIDTH else pixels[..., :3].copy()).save(path)
        return path

    return saved


def share_of_its_box(hole: np.ndarray) -> float:
    """How long a hole is: the longer side of its tightest turned box over the shorter."""
    contours, _ = cv2.findContours(hole, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    sides = cv2.minAreaRect(contours[0])[1]
    return max(sides) / min(sides)


def test_a_name_gives_the_same_holes_whatever_the_random_state_is(photo):
    path = photo("meadow.png")
    np.random.seed(1)
    once = [removal.hole for removal in removals(path)]
    np.random.seed(2)
    again = [removal.hole for removal in removals(path)]
    assert len(once) == 4
    assert all((one == other).all() for one, other in zip(once, again, strict=True))
    # Published figures are of these holes: a change of the rule would go unseen otherwise.
    boxes = [(89, 147, 91, 62), (129, 141, 24, 88), (191, 148, 40, 50), (83, 48, 93, 62)]
    assert [tuple(cv2.boundingRect(hole)) for hole in once] == boxes
    other = next(removals(photo("pasture.png"))).hole
    assert (other != once[0]).any()


def test_compact_and_long_holes_take_turns_and_the_truth_is_not_in_the_photo(photo):
    found = list(removals(photo("meadow.png")))
    assert [share_of_its_box(removal.hole) > 2.5 for removal in found] == [False, True] * 2
    for removal in found:
        assert removal.group == "photo"
        assert removal.unknown is None
        assert (removal.photo[removal.hole > 0] == 127).all()
        assert (removal.photo[removal.hole == 0] == removal.truth[removal.hole == 0]).all()
        assert np.count_nonzero(removal.hole) >= 1200


def test_holes_keep_away_from_what_is_transparent(photo):
    found = list(removals(photo("wall.png", gone=220)))
    assert [removal.group for removal in found] == ["structure"] * 2
    for removal in found:
        assert removal.unknown is not None
        assert (removal.unknown[:, 218:] == 255).all()
        assert (removal.unknown[:, :218] == 0).all()
        assert not removal.hole[:, 206:].any()


def test_a_folder_called_structure_makes_a_group(photo, tmp_path):
    (tmp_path / "structure").mkdir()
    meadow, wall = photo("meadow.png"), photo("structure/wall.png")
    assert photo_files(tmp_path) == [meadow, wall]
    groups = [removal.group for removal in of_folder(tmp_path, "held", unseen=True)]
    assert groups == ["photo"] * 4 + ["structure"] * 4


def test_a_photo_without_room_has_no_holes(photo):
    assert list(removals(photo("shred.png", gone=20))) == []


def test_a_large_photo_is_shrunk(tmp_path):
    Image.fromarray(lawn(600, 2048)).save(tmp_path / "wide.jpg")
    assert {removal.hole.shape for removal in removals(tmp_path / "wide.jpg")} == {(300, 1024)}


@pytest.mark.parametrize("method", ["patchmatch", "patches", "pawfect"])
def test_nothing_is_copied_from_what_is_unknown(photo, method):
    removal = next(removals(photo("wall.png", gone=220)))
    image = METHODS[method].run(removal).image
    inside = image[removal.hole > 0].astype(int)
    assert np.abs(inside - MAGENTA).sum(1).min() > 150
    assert (image[removal.hole == 0] == removal.photo[removal.hole == 0]).all()


def test_a_third_of_all_names_is_held_and_underscores_do_not_matter():
    parts = [part_of(Path(f"DSC{number:05}.jpg")) for number in range(600)]
    assert 170 < parts.count("held") < 230
    assert {*parts} == {"held", "tune"}
    for number in range(20):
        assert part_of(Path(f"a_{number}.png")) == part_of(Path(f"a{number}.jpg"))


def test_the_parts_share_the_numbers_of_the_holes(photo, tmp_path):
    for name in ("one.png", "two.png", "three.png", "four.png"):
        photo(name)
    (tmp_path / "notes.txt").write_text("not a photo")
    assert [path.name for path in photo_files(tmp_path)] == [
        "four.png", "one.png", "three.png", "two.png"
    ]  # fmt: skip
    held, tune = ([r.name for r in of_folder(tmp_path, part)] for part in ("held", "tune"))
    assert held
    assert sorted(held + tune) == sorted(f"hole {number}" for number in range(1, 17))
    assert len(list(of_folder(tmp_path, "held", unseen=True))) == 16
    assert list(of_folder(tmp_path, "tune", unseen=True)) == []


def test_a_folder_is_published_without_names_and_pictures(photo, tmp_path, monkeypatch):
    photo("grandmother.png", gone=220)
    monkeypatch.chdir(tmp_path)
    arguments = ["--photos", str(tmp_path), "--unseen", "--methods", "telea,patchmatch"]
    result = CliRunner().invoke(main, [*arguments, "--out", "out"])
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "out/quality-photos.json").read_text())
    assert list(content["parts"]) == ["held"]
    held = content["parts"]["held"]
    assert {row["name"] for row in held["rows"]} == {"hole 1", "hole 2"}
    assert held["means"]["structure"]["telea"]["compared"] == 2
    command = "python -m perf.quality --methods telea,patchmatch --photos DIR --unseen"
    assert content["provenance"]["command"] == command
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "quality-photos.json", "quality-photos.md"
    }  # fmt: skip
    for path in (tmp_path / "out").iterdir():
        text = path.read_text()
        assert "grandmother" not in text
        assert str(tmp_path) not in text
    with Image.open(tmp_path / "build/quality/quality_photos_contact_sheet.jpg") as sheet:
        assert sheet.width > 4 * 200


@pytest.mark.parametrize(
    "arguments",
    [
        ["--part", "held"],
        ["--unseen"],
        ["--photos", "nowhere"],
        ["--photos", ".", "--only", "photo"],
        ["--photos", ".", "--methods", "telea"],
        ["--before", "."],
    ],
    ids=["a part of scenes", "unseen scenes", "no folder", "a scene", "no photo", "no checkout"],
)
def test_options_that_cannot_be_met_are_refused(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result.output
    assert not isinstance(result.exception, ValueError)


def test_a_file_that_is_no_picture_is_named_and_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    result = CliRunner().invoke(main, ["--photos", ".", "--methods", "telea"])
    assert result.exit_code == 1
    assert "broken.jpg" in result.output
