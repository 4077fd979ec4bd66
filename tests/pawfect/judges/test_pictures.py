"""What of a photo is shown: a small view round the hole, and nothing more."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from pawfect.contract.errors import ErrorKind
from pawfect.judges.pictures import GUTTER_PX, SIDE, jpeg, shown, side_by_side
from tests.lawn import holes, lawn
from tests.pawfect.judges.conftest import same
from tests.refusals import refusal

MAGENTA = np.array((255, 0, 255))


def test_a_small_photo_is_shown_as_it_is_with_the_hole_outlined():
    original, result = lawn(120, 160), lawn(120, 160, seed=4)
    mask = holes(120, 160, (60, 40, 100, 80))
    seen = shown(result, original, mask)
    np.testing.assert_array_equal(seen.result, result)
    marked = (seen.original == MAGENTA).all(2)
    assert marked[38:42, 60:100].any()
    # What is to be filled shows; so does all that is farther from the edge than the line is wide.
    assert not marked[44:76, 64:96].any()
    np.testing.assert_array_equal(seen.original[~marked], original[~marked])
    assert not marked[:36].any()
    assert seen.reference is None


def test_of_a_large_photo_only_the_surroundings_are_shown_and_small():
    original = np.zeros((3000, 4000, 3), np.uint8)
    result = original.copy()
    result[:200] = 255
    mask = holes(3000, 4000, (2000, 1500, 2900, 2000))
    seen = shown(result, original, mask, np.zeros((1000, 500, 3), np.uint8))
    assert max(seen.original.shape[:2]) == SIDE
    assert seen.original.shape == seen.result.shape
    # The white strip lies farther off than what surrounds the hole.
    assert not seen.result.any()
    assert (seen.original == MAGENTA).all(2).any()
    assert seen.reference.shape == (SIDE, SIDE // 2, 3)


def test_a_hole_of_a_few_px_is_still_outlined_in_a_large_view():
    mask = holes(2000, 2000, (10, 10, 12, 12), (1900, 1900, 1990, 1990))
    grey = np.full((2000, 2000, 3), 90, np.uint8)
    seen = shown(grey, grey, mask)
    assert (seen.original == MAGENTA).all(2)[:20, :20].any()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"result": lawn(64, 65)}, "RESULT: expected the size of ORIGINAL, 64x64, got 65x64"),
        ({"mask": holes(70, 64)}, "MASK: expected the size of ORIGINAL, 64x64, got 64x70"),
        ({"mask": holes(64, 64)}, "MASK: expected some of it >= 128, got nothing that is"),
        ({"mask": np.full((64, 64), 127, np.uint8)}, "MASK: expected some of it >= 128"),
        ({"original": lawn(32, 64)}, "ORIGINAL: expected sides of 64"),
        ({"reference": lawn(20, 20)}, "REFERENCE: expected sides of 64"),
    ],
)
def test_pictures_that_do_not_fit_are_refused_by_name(change, says):
    given = {
        "result": lawn(64, 64),
        "original": lawn(64, 64),
        "mask": holes(64, 64, (9, 9, 20, 20)),
    }
    assert says in refusal(ErrorKind.INVALID_ARG, shown, **(given | change))


def test_two_stand_side_by_side_within_the_bound_and_swapped_the_other_way():
    left, right = np.full((300, 900, 3), 10, np.uint8), np.full((768, 200, 3), 200, np.uint8)
    joined = side_by_side(left, right)
    assert max(joined.shape[:2]) <= SIDE
    half = (SIDE - GUTTER_PX) // 2
    middle = joined[joined.shape[0] // 2]
    assert (middle[:half] == 10).all()
    assert (middle[half : half + GUTTER_PX] == 255).all()
    assert (middle[half + GUTTER_PX :] == 200).all()
    assert (side_by_side(right, left)[384, :200] == 200).all()


def test_the_file_is_a_jpeg_of_the_pixels_and_nothing_else():
    picture = lawn(80, 100)
    with Image.open(io.BytesIO(jpeg(picture))) as image:
        assert (image.format, image.size) == ("JPEG", (100, 80))
        assert not image.getexif()
        assert same(np.array(image), picture)
