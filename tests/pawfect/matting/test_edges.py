"""Alpha at the photo's size: bounds, what stays as it is, bad input, and how steep an edge is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.matting.edges import refine, sharpness
from pawfect.matting.guided import trimap
from tests.pawfect.matting.known import picture, seen

MODES = ("none", "guided", "matting")
FINE = ("guided", "matting")


def test_none_is_the_plain_linear_enlargement():
    photo = picture().photo
    alpha = seen(picture().alpha)
    assert np.array_equal(refine(photo, alpha, "none"), cv2.resize(alpha, (320, 240)))


@pytest.mark.parametrize("mode", FINE)
def test_hairs_that_the_network_lost_are_found_on_the_photo(mode: str):
    known = picture(size=(480, 640))
    raw = refine(known.photo, seen(known.alpha, 128), "none")
    fine = refine(known.photo, seen(known.alpha, 128), mode)
    assert np.abs(fine - known.alpha).sum() < 0.85 * np.abs(raw - known.alpha).sum()
    steep = sharpness(fine)
    assert steep is not None
    assert steep > 1.15 * (sharpness(raw) or 1)


@pytest.mark.parametrize("mode", FINE)
def test_what_is_surely_inside_or_outside_stays_as_the_network_said(mode: str):
    known = picture()
    alpha = seen(known.alpha)
    raw, fine = (refine(known.photo, alpha, each) for each in ("none", mode))
    found = trimap(known.photo, alpha)
    assert found.guide.shape[:2] == known.alpha.shape
    sure = found.inside | found.outside
    assert found.inside.any()
    assert found.outside.any()
    assert np.array_equal(fine[sure], raw[sure])
    assert not np.array_equal(fine, raw)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
def test_a_constant_alpha_stays(mode: str, value: float):
    fine = refine(picture().photo, np.full((32, 32), value, np.float32), mode)
    assert np.array_equal(fine, np.full((240, 320), value, np.float32))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "size", [(64, 64), (1, 1), (2, 900), (900, 2), (64, 2000), (200, 64), (97, 101)]
)
@pytest.mark.parametrize("part", ["half", "corner", "all but a pixel", "stripes", "noise"])
def test_any_shape_and_subject_gives_alpha_within_bounds(
    mode: str, size: tuple[int, int], part: str
):
    rng = np.random.default_rng(3)
    photo = rng.integers(0, 256, (*size, 3), np.uint8)
    alpha = np.zeros((40, 40), np.float32)
    if part == "half":
        alpha[:, 20:] = 1
    elif part == "corner":
        alpha[:6, :6] = 1
    elif part == "all but a pixel":
        alpha[:] = 1
        alpha[20, 20] = 0
    elif part == "stripes":
        alpha[:, ::2] = 1
    else:
        alpha[:] = rng.random((40, 40))
    fine = refine(photo, alpha, mode)
    assert fine.shape == size
    assert fine.dtype == np.float32
    assert fine.min() >= 0
    assert fine.max() <= 1


@pytest.mark.parametrize("mode", FINE)
def test_a_photo_of_one_colour_leaves_alpha_as_it_is(mode: str):
    photo = np.full((240, 320, 3), 90, np.uint8)
    alpha = seen(picture().alpha)
    raw = refine(photo, alpha, "none")
    # Without any colour to go by matting still makes what is between smooth.
    near = {"guided": 0.0, "matting": 0.15}[mode]
    assert np.abs(refine(photo, alpha, mode) - raw).mean() <= near


@pytest.mark.parametrize("mode", MODES)
def test_repeats_and_threads_change_no_bit(mode: str):
    known = picture()
    alpha = seen(known.alpha)
    first = refine(known.photo, alpha, mode)
    before = cv2.getNumThreads()
    try:
        for threads in (1, 2):
            cv2.setNumThreads(threads)
            assert np.array_equal(refine(known.photo, alpha, mode), first)
    finally:
        cv2.setNumThreads(before)


def test_a_photo_that_is_not_contiguous_gives_the_same():
    known = picture()
    alpha = seen(known.alpha)
    turned = np.asfortranarray(known.photo)
    assert np.array_equal(refine(turned, alpha, "guided"), refine(known.photo, alpha, "guided"))


@pytest.mark.parametrize(
    ("photo", "alpha", "mode", "named"),
    [
        (np.zeros((8, 8, 3), np.uint8), np.full((4, 4), np.nan, np.float32), "guided", "NaN"),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((4, 4)), "guided", "float64"),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((0, 4), np.float32), "none", r"\[0, 4\]"),
        (np.zeros((8, 8), np.uint8), np.zeros((4, 4), np.float32), "none", r"\[8, 8\]"),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((4, 4), np.float32), "best", "best"),
    ],
)
def test_bad_input_is_refused_by_name(photo, alpha, mode: str, named: str):
    with pytest.raises(ValueError, match=named):
        refine(photo, alpha, mode)


@pytest.mark.parametrize("mode", MODES)
def test_an_answer_that_nobody_waits_for_is_left(mode: str):
    with pytest.raises(PawfectError) as stopped:
        refine(picture().photo, seen(picture().alpha), mode, lambda: True)
    assert stopped.value.kind is ErrorKind.CANCELLED


@pytest.mark.parametrize("width", [1, 2, 5, 20])
def test_sharpness_is_one_over_the_edges_width(width: int):
    ramp = np.clip((np.arange(100) - 40) / width, 0, 1)
    alpha = np.repeat(ramp[None].astype(np.float32), 50, 0)
    assert sharpness(alpha) == pytest.approx(1 / width, rel=0.02)
    assert sharpness(alpha.T.copy()) == pytest.approx(1 / width, rel=0.02)


def test_there_is_no_sharpness_without_an_edge():
    assert sharpness(np.zeros((9, 9), np.uint8)) is None
    assert sharpness(np.full((9, 9), 255, np.uint8)) is None


def test_the_sharpness_of_bytes_and_of_floats_is_one():
    alpha = np.rint(picture().alpha * 255).astype(np.uint8)
    assert sharpness(alpha) == sharpness(alpha.astype(np.float32) / np.float32(255))
