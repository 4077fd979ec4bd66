"""The reference scene is repeatable, and its pictures and masks agree with each other."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from perf.scene import ReferenceScene, __main__, render_scene

WIDTH, HEIGHT = 400, 300
NEAR = np.ones((25, 25), np.uint8)
"""12 px: the lens's blur, the sensor's sharpening and a JPEG block at this size."""


@pytest.fixture(scope="module")
def scene() -> ReferenceScene:
    return render_scene(0, width=WIDTH, height=HEIGHT)


def _blobs(mask: np.ndarray) -> int:
    return cv2.connectedComponents(mask)[0] - 1


def test_the_same_seed_gives_the_same_bytes(scene: ReferenceScene) -> None:
    again = render_scene(0, width=WIDTH, height=HEIGHT)
    for name in ("photo", "truth", "mask", "clean_mask", "pet_mask"):
        np.testing.assert_array_equal(getattr(again, name), getattr(scene, name), err_msg=name)


def test_another_seed_gives_another_scene(scene: ReferenceScene) -> None:
    other = render_scene(1, width=WIDTH, height=HEIGHT)
    assert np.mean(other.truth != scene.truth) > 0.5
    assert np.any(other.clean_mask != scene.clean_mask)


def test_arrays_are_bytes_of_the_size_asked_for(scene: ReferenceScene) -> None:
    assert scene.photo.shape == scene.truth.shape == (HEIGHT, WIDTH, 3)
    for mask in (scene.mask, scene.clean_mask, scene.pet_mask):
        assert mask.shape == (HEIGHT, WIDTH)
        assert set(np.unique(mask).tolist()) == {0, 255}
    assert scene.photo.dtype == scene.truth.dtype == scene.mask.dtype == np.uint8


@pytest.mark.parametrize(("width", "height"), [(200, 200), (97, 131)])
def test_other_shapes_work(width: int, height: int) -> None:
    small = render_scene(3, width=width, height=height)
    assert small.photo.shape == (height, width, 3)
    assert small.clean_mask.any()
    assert small.pet_mask.any()


def test_photo_and_truth_differ_only_near_object_and_shadow(scene: ReferenceScene) -> None:
    differ = np.any(scene.photo != scene.truth, axis=2)
    region = cv2.dilate(np.maximum(scene.clean_mask, scene.mask & _largest(scene.mask)), NEAR)
    assert differ.any()
    assert not np.any(differ & (region == 0))


def test_the_object_is_visible_in_the_photo_only(scene: ReferenceScene) -> None:
    inside = scene.clean_mask > 0
    gap = np.abs(scene.photo.astype(int) - scene.truth.astype(int))[inside].max(axis=1)
    assert np.mean(gap > 12) > 0.9


def test_the_hole_lies_lower_left_and_has_the_size_of_the_real_one(scene: ReferenceScene) -> None:
    rows, columns = np.nonzero(scene.clean_mask)
    assert 0.06 < np.mean(scene.mask > 0) < 0.15
    assert rows.mean() > 0.5 * HEIGHT
    assert columns.mean() < 0.4 * WIDTH


def test_the_mask_covers_the_object_but_for_pinholes(scene: ReferenceScene) -> None:
    missed = np.where((scene.clean_mask > 0) & (scene.mask == 0), 255, 0).astype(np.uint8)
    assert missed.any()
    assert np.count_nonzero(missed) < 0.02 * np.count_nonzero(scene.clean_mask)
    _, _, stats, _ = cv2.connectedComponentsWithStats(missed)
    assert stats[1:, cv2.CC_STAT_AREA].max() <= 40
    rim = cv2.dilate(255 - scene.clean_mask, np.ones((3, 3), np.uint8))
    assert not np.any((missed > 0) & (rim > 0))


def test_the_mask_has_stray_specks_away_from_the_object(scene: ReferenceScene) -> None:
    near = cv2.dilate(scene.clean_mask, NEAR)
    specks = np.where(near > 0, 0, scene.mask).astype(np.uint8)
    assert _blobs(specks) >= 5
    _, _, stats, _ = cv2.connectedComponentsWithStats(specks)
    assert np.median(stats[1:, cv2.CC_STAT_AREA]) < 30


def test_the_pet_is_apart_from_the_object(scene: ReferenceScene) -> None:
    assert not np.any((scene.pet_mask > 0) & (scene.clean_mask > 0))
    assert 0.08 < np.mean(scene.pet_mask > 0) < 0.4
    assert np.nonzero(scene.pet_mask)[1].mean() > 0.5 * WIDTH


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 95}, "width: expected 96-4096 px, got 95"),
        ({"height": 5000}, "height: expected 96-4096 px, got 5000"),
        ({"seed": -1}, "seed: expected a non-negative integer, got -1"),
    ],
)
def test_values_out_of_range_are_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render_scene(**arguments)


def test_the_command_writes_four_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "made"
    arguments = ["perf.scene", "--out", str(out), "--width", "120", "--height", "96"]
    monkeypatch.setattr("sys.argv", arguments)
    __main__.main()
    scene = render_scene(width=120, height=96)
    for name in ("photo", "mask", "truth", "pet_mask"):
        with Image.open(out / f"{name}.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture), getattr(scene, name))


def _largest(mask: np.ndarray) -> np.ndarray:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    biggest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return np.where(labels == biggest, 255, 0).astype(np.uint8)
