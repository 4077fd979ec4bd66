"""Colours of what is cut out: nothing old along the edge, the photo's own inside."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.matting.foreground import foreground
from tests.pawfect.matting.known import picture


def test_inside_the_colours_are_the_photos_own():
    known = picture()
    opacity = np.rint(known.alpha * 255).astype(np.uint8)
    own = foreground(known.photo, opacity)
    assert own.dtype == np.uint8
    assert np.array_equal(own[opacity == 255], known.photo[opacity == 255])


def test_a_new_background_shows_nothing_of_the_old_one():
    known = picture()
    own = foreground(known.photo, known.alpha)
    edge = (known.alpha > 0.02) & (known.alpha < 0.98)
    share = known.alpha[edge][:, None]
    truth = share * known.foreground[edge]
    before = np.abs(share * known.photo[edge] - truth).mean()
    after = np.abs(share * own[edge] - truth).mean()
    assert after < before / 2


def test_where_nothing_is_left_the_colour_is_the_nearby_subjects():
    photo = np.zeros((90, 120, 3), np.uint8)
    photo[:, 60:] = (200, 120, 60)
    alpha = np.zeros((90, 120), np.uint8)
    alpha[:, 60:] = 255
    own = foreground(photo, alpha)
    assert np.abs(own.astype(int) - (200, 120, 60)).max() <= 1


def test_a_viewers_interpolation_brings_in_no_dark_fringe():
    photo = np.zeros((90, 120, 3), np.uint8)
    photo[:, 61:] = 210
    alpha = np.zeros((90, 120), np.uint8)
    alpha[:, 61:] = 255
    own = foreground(photo, alpha)
    half = cv2.resize(own, (60, 45), interpolation=cv2.INTER_AREA)
    assert half.min() >= 208


@pytest.mark.parametrize("value", [0, 255])
def test_with_nothing_or_everything_inside_it_is_the_photo(value: int):
    photo = picture().photo
    own = foreground(photo, np.full(photo.shape[:2], value, np.uint8))
    assert np.array_equal(own, photo)
    assert own is not photo


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (900, 2), (64, 64), (33, 1500)])
@pytest.mark.parametrize("value", [1, 128, 254, None])
def test_any_shape_and_alpha_gives_colours(size: tuple[int, int], value: int | None):
    rng = np.random.default_rng(4)
    photo = rng.integers(0, 256, (*size, 3), np.uint8)
    random = rng.integers(0, 256, size, np.uint8)
    alpha = random if value is None else np.full(size, value, np.uint8)
    own = foreground(photo, alpha)
    assert own.shape == photo.shape
    assert np.array_equal(own[alpha == 255], photo[alpha == 255])


def test_floats_and_bytes_give_the_same():
    known = picture()
    opacity = np.rint(known.alpha * 255).astype(np.uint8)
    floats = opacity.astype(np.float32) / np.float32(255)
    assert np.array_equal(foreground(known.photo, opacity), foreground(known.photo, floats))


def test_repeats_and_threads_change_no_bit():
    known = picture(size=(900, 1200))
    first = foreground(known.photo, known.alpha)
    before = cv2.getNumThreads()
    try:
        for threads in (1, 2):
            cv2.setNumThreads(threads)
            assert np.array_equal(foreground(known.photo, known.alpha), first)
    finally:
        cv2.setNumThreads(before)


@pytest.mark.parametrize(
    ("alpha", "named"),
    [
        (np.full((240, 320), np.nan, np.float32), "NaN"),
        (np.zeros((240, 320)), "float64"),
        (np.ones((24, 32), np.uint8), r"\[24, 32\]"),
    ],
)
def test_bad_input_is_refused_by_name(alpha, named: str):
    with pytest.raises(ValueError, match=named):
        foreground(picture().photo, alpha)


def test_an_answer_that_nobody_waits_for_is_left():
    with pytest.raises(PawfectError) as stopped:
        foreground(picture().photo, picture().alpha, lambda: True)
    assert stopped.value.kind is ErrorKind.CANCELLED
