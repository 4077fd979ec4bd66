"""A drawing leads the search: a fill goes where a picture of it, however blurred, says."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pawfect.patch.engine import fill
from tests.pawfect.patch.textures import box_mask, has_magenta, hidden, stones


def bay(side: int) -> np.ndarray:
    """Light stones with a bay of dark ones that only reaches into the middle: nothing at the rim of
    a hole there tells how far.
    """
    light = stones(side, side).astype(np.int16) + 60
    dark = stones(side, side, 1).astype(np.int16) - 60
    shape = np.zeros((side, side), np.uint8)
    middle = (side // 2, side // 2)
    cv2.ellipse(shape, middle, (side // 4, side // 9), 30, 0, 360, 255, -1)
    cv2.rectangle(shape, (0, side - side // 6), (side, side), 255, -1)
    return np.clip(np.where(shape[..., None] > 0, dark, light), 0, 255).astype(np.uint8)


def seen_from_afar(image: np.ndarray, times: int) -> np.ndarray:
    """The image shrunk this many times and enlarged again."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (width // times, height // times), interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(large, np.uint8)


def off(filled: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    """Mean distance of local means from the truth's, levels of 255."""
    one, other = (cv2.GaussianBlur(a.astype(np.float32), (0, 0), 4) for a in (filled, truth))
    return float(np.abs(one - other).mean(2)[mask > 0].mean())


@pytest.mark.parametrize(("side", "times"), [(160, 1), (160, 4), (280, 2), (280, 4), (440, 8)])
def test_a_fill_led_by_the_truth_from_afar_is_much_nearer_to_it(side: int, times: int):
    truth = bay(side)
    edge = side // 5
    mask = box_mask(truth.shape, edge, edge, side - edge, side - edge)
    mask[side - side // 6 :] = 0
    image = hidden(truth, mask)
    plain = fill(image, mask).image
    led = fill(image, mask, drawing=seen_from_afar(truth, times)).image
    np.testing.assert_array_equal(led[mask < 128], image[mask < 128])
    assert not has_magenta(led)
    assert off(led, truth, mask) < 0.5 * off(plain, truth, mask)
    # Its detail is copied, not the drawing's blur.
    detail = [
        np.median(np.abs(cv2.Laplacian(a.astype(np.float32), -1))[mask > 0]) for a in (led, truth)
    ]
    assert detail[0] > 0.65 * detail[1]


def test_a_led_fill_is_the_same_each_time_and_its_drawing_leads_at_every_working_size():
    truth = bay(200)
    mask = box_mask(truth.shape, 40, 40, 160, 160)
    image, drawing = hidden(truth, mask), seen_from_afar(truth, 4)
    first = fill(image, mask, drawing=drawing, seed=3).image
    np.testing.assert_array_equal(fill(image, mask, drawing=drawing, seed=3).image, first)
    small, plain = (fill(image, mask, drawing=led, working_px=100).image for led in (drawing, None))
    assert off(small, truth, mask) < 0.5 * off(plain, truth, mask)


def test_a_drawing_of_nothing_but_the_rims_colour_leads_nowhere_else():
    image = stones(120, 120)
    mask = box_mask(image.shape, 40, 40, 80, 80)
    led = fill(hidden(image, mask), mask, drawing=np.full_like(image, 128)).image
    assert not has_magenta(led)
    np.testing.assert_array_equal(led[mask < 128], image[mask < 128])


def test_a_drawing_never_gives_a_colour_of_its_own():
    image = stones(120, 120)
    mask = box_mask(image.shape, 40, 40, 80, 80)
    drawing = np.full_like(image, (0, 200, 0))
    filled = fill(hidden(image, mask), mask, drawing=drawing).image[mask > 0].astype(int)
    # Nothing green lies around: the stones are red over green over blue.
    assert (filled[:, 0] >= filled[:, 1] - 2).all()


@pytest.mark.parametrize(
    "drawing",
    [np.zeros((40, 41, 3), np.uint8), np.zeros((40, 40), np.uint8), np.zeros((40, 40, 3))],
    ids=["size", "planes", "dtype"],
)
def test_a_drawing_of_another_shape_or_dtype_is_refused(drawing: np.ndarray):
    image = stones(40, 40)
    with pytest.raises(ValueError, match=r"drawing: expected uint8 \[40, 40, 3\]"):
        fill(image, box_mask(image.shape, 10, 10, 20, 20), drawing=drawing)
