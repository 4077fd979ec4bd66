"""What a subject is laid on."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.matting.output import GREEN, laid, over
from tests.lawn import lawn

PHOTO = lawn(96, 128)
OWN = np.full_like(PHOTO, 200)
ALPHA = np.tile(np.linspace(0, 255, 128).round().astype(np.uint8), (96, 1))


def out(output, background=None):
    return laid(output, PHOTO, ALPHA, OWN, background)


def test_rgba_is_the_subjects_colours_with_alpha():
    cutout = out("rgba")
    np.testing.assert_array_equal(cutout[..., :3], OWN)
    np.testing.assert_array_equal(cutout[..., 3], ALPHA)


def test_a_map_is_alpha_in_grey():
    cutout = out("map")
    for channel in range(3):
        np.testing.assert_array_equal(cutout[..., channel], ALPHA)
    assert (cutout[..., 3] == 255).all()


@pytest.mark.parametrize(
    ("output", "colour"),
    [("green", GREEN), ("white", (255, 255, 255)), ("#102030", (16, 32, 48))],
)
def test_a_colour_shows_where_the_subject_is_not(output, colour):
    cutout = out(output)
    share = ALPHA[..., None] / 255
    expected = np.rint(OWN * share + np.array(colour) * (1 - share))
    assert np.abs(cutout[..., :3] - expected).max() <= 1
    assert (cutout[..., 3] == 255).all()


@pytest.mark.parametrize("size", [(48, 64), (500, 300), (96, 128), (64, 900)])
def test_a_background_of_any_size_covers_the_photo(size):
    background = np.zeros((*size, 3), np.uint8)
    background[:, : size[1] // 2] = (250, 0, 0)
    background[:, size[1] // 2 :] = (0, 0, 250)
    cutout = laid("background", PHOTO, np.zeros_like(ALPHA), OWN, background)
    # Its middle is the photo's middle.
    assert cutout[48, 60, 0] > 200
    assert cutout[48, 67, 2] > 200


def test_a_blurred_ground_has_nothing_of_the_subjects_colours():
    photo = np.full((200, 300, 3), (30, 90, 30), np.uint8)
    alpha = np.zeros((200, 300), np.uint8)
    alpha[60:140, 100:200] = 255
    photo[alpha > 0] = (255, 0, 255)
    cutout = laid("blur", photo, alpha, photo, None)[..., :3]
    np.testing.assert_array_equal(cutout[alpha > 0], photo[alpha > 0])
    assert np.abs(cutout[alpha == 0].astype(int) - (30, 90, 30)).max() <= 2


def test_blurring_a_picture_that_is_all_subject_leaves_it():
    full = np.full_like(ALPHA, 255)
    np.testing.assert_array_equal(laid("blur", PHOTO, full, PHOTO, None)[..., :3], PHOTO)


def test_laying_is_exact_at_both_ends_and_rounds_between():
    zero, full = np.zeros_like(ALPHA), np.full_like(ALPHA, 255)
    np.testing.assert_array_equal(over(OWN, full, PHOTO), OWN)
    np.testing.assert_array_equal(over(OWN, zero, PHOTO), PHOTO)
    half = np.full_like(ALPHA, 128)
    expected = np.rint((OWN * 128.0 + PHOTO * 127.0) / 255)
    np.testing.assert_array_equal(over(OWN, half, PHOTO), expected)
