"""Canvases: what of a photo is worked on, and at which of a few sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pawfect.contract.tensors import MAX_SIDE, MIN_SIDE
from pawfect.picture.box import Box
from pawfect.picture.canvas import (
    ASPECTS,
    TOKEN_PX,
    Canvas,
    fit_canvas,
    whole_canvas,
    working_size,
)
from pawfect.picture.window import MAX_CONTEXT_PX, with_context

SIZES = (512, 768, 1024)
TINY = (128, 256)
SIDES = st.integers(MIN_SIDE, MAX_SIDE)
SIZE_SETS = st.sampled_from([SIZES, TINY, (1024,), (64,)])


@st.composite
def holes_in_photos(draw, sides=SIDES) -> tuple[Box, int, int]:
    """A hole's box, and the photo's height and width."""
    height, width = draw(sides), draw(sides)
    x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    x1, y1 = draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height))
    return Box(x0, y0, x1, y1), height, width


@given(holes_in_photos(), SIZE_SETS)
@example((Box(0, 0, 8192, 64), 64, 8192), SIZES)
@example((Box(0, 0, 64, 8192), 8192, 64), TINY)
@example((Box(4000, 10, 4040, 30), 64, 8192), SIZES)
@example((Box(0, 0, 64, 64), 64, 64), SIZES)
@example((Box(30, 30, 34, 34), 64, 64), (1024,))
@example((Box(0, 0, 7000, 7000), 7000, 7000), SIZES)
def test_every_canvas_holds_its_holes_lies_in_the_photo_and_has_one_of_the_few_sizes(photo, sizes):
    holes, height, width = photo
    canvas = fit_canvas(holes, height, width, sizes)
    assert Box(0, 0, width, height).contains(canvas.box)
    assert canvas.box.contains(holes)
    assert (canvas.height, canvas.width) in {working_size(s, a) for s in sizes for a in ASPECTS}
    assert canvas.tokens * TOKEN_PX**2 == canvas.height * canvas.width


@pytest.mark.parametrize("side", [128, 256, 512, 768, 1024])
def test_all_shapes_of_a_size_cost_about_the_same(side):
    for aspect in ASPECTS:
        height, width = working_size(side, aspect)
        assert height % TOKEN_PX == width % TOKEN_PX == 0
        # Each side is within half a token of its own.
        assert abs(width - side * aspect**0.5) <= TOKEN_PX / 2
        assert abs(height - side / aspect**0.5) <= TOKEN_PX / 2
        if side >= 256:
            assert abs(height * width / side**2 - 1) < 0.06


@given(holes_in_photos())
def test_a_hole_that_fits_with_its_context_is_worked_on_pixel_for_pixel(photo):
    holes, height, width = photo
    canvas = fit_canvas(holes, height, width, SIZES)
    wanted = with_context(holes, height, width, sideways=1)
    assert canvas.box.contains(wanted)
    assume(wanted.width <= canvas.width and wanted.height <= canvas.height)
    assert canvas.box.width == min(canvas.width, width)
    assert canvas.box.height == min(canvas.height, height)


def test_where_the_box_is_the_working_size_no_pixel_is_resampled():
    rng = np.random.default_rng(1)
    photo = rng.integers(0, 256, (700, 900, 3), np.uint8)
    mask = rng.choice(np.array([0, 255], np.uint8), (700, 900))
    canvas = fit_canvas(Box(400, 300, 460, 350), 700, 900, SIZES)
    assert (canvas.box.height, canvas.box.width) == (canvas.height, canvas.width)
    taken = canvas.take(photo)
    np.testing.assert_array_equal(taken, photo[canvas.box.slices])
    np.testing.assert_array_equal(canvas.put_back(taken), photo[canvas.box.slices])
    np.testing.assert_array_equal(canvas.take_mask(mask), mask[canvas.box.slices])


@given(holes_in_photos(), SIZE_SETS)
def test_shapes_are_kept_where_the_photo_has_room(photo, sizes):
    holes, height, width = photo
    canvas = fit_canvas(holes, height, width, sizes)
    wanted = with_context(holes, height, width, sideways=1)
    stretch = canvas.width / canvas.box.width / (canvas.height / canvas.box.height)
    if canvas.box.width < width and canvas.box.height < height:
        # Only the rounding of the box to whole pixels is left.
        shorter = min(canvas.box.width, canvas.box.height)
        assert abs(np.log(stretch)) <= 2 / shorter
    elif wanted.width > canvas.width or wanted.height > canvas.height:
        # Worked on smaller, and the photo ends: no worse than the nearest shape there is.
        nearest = min(
            abs(np.log(w / h * wanted.height / wanted.width))
            for h, w in (working_size(sizes[-1], aspect) for aspect in ASPECTS)
        )
        assert abs(np.log(stretch)) <= nearest + 0.02


@given(holes_in_photos(st.integers(MIN_SIDE, 2000)), st.integers(0, 3000), st.integers(0, 3000))
def test_the_same_hole_in_a_larger_photo_gets_the_same_working_size(photo, right, below):
    holes, height, width = photo
    roomy = (
        max(height, holes.y1 + MAX_CONTEXT_PX + max(SIZES) * 2),
        max(width, holes.x1 + MAX_CONTEXT_PX + max(SIZES) * 2),
    )
    one = fit_canvas(holes, *roomy, SIZES)
    other = fit_canvas(holes, roomy[0] + below, roomy[1] + right, SIZES)
    assert (one.height, one.width) == (other.height, other.width)


# A part of a photo and a working size, however they differ.
LENGTHS = st.integers(1, 90)
TOKENS = st.integers(1, 8).map(lambda count: count * TOKEN_PX)


@given(LENGTHS, LENGTHS, TOKENS, TOKENS, st.data())
@example(16, 90 * 16, 16, 16, None)
@example(5, 80, 48, 16, None)
def test_no_hole_pixel_is_lost_and_none_shows_outside_the_taken_mask(h, w, height, width, data):
    canvas = Canvas(Box(0, 0, w, h), height, width)
    if data is None:
        at = [(row, column) for row in (0, h - 1) for column in (0, w // 2, w - 1)]
    else:
        at = [(data.draw(st.integers(0, h - 1)), data.draw(st.integers(0, w - 1)))]
    for row, column in at:
        mask = np.zeros((h, w), np.uint8)
        mask[row, column] = 255
        taken = canvas.take_mask(mask)
        assert set(np.unique(taken)) <= {0, 255}
        # The pixels of the canvas that the hole's pixel covers are all of the hole.
        rows = slice(row * height // h, -(-(row + 1) * height // h))
        columns = slice(column * width // w, -(-(column + 1) * width // w))
        assert taken[rows, columns].size
        assert (taken[rows, columns] == 255).all()
        # What is under the hole reaches nothing else.
        photo = np.full((h, w, 3), 100, np.uint8)
        painted = photo.copy()
        painted[row, column] = (255, 0, 255)
        kept = taken == 0
        np.testing.assert_array_equal(canvas.take(photo)[kept], canvas.take(painted)[kept])


@given(st.integers(20, 90), st.integers(20, 90), TOKENS, TOKENS)
def test_the_taken_mask_is_a_hole_little_larger_than_the_hole(h, w, height, width):
    canvas = Canvas(Box(0, 0, w, h), height, width)
    mask = np.zeros((h, w), np.uint8)
    mask[8:12, 8:12] = 255
    rows, columns = np.nonzero(canvas.take_mask(mask))
    # Two pixels of the photo, which cubic interpolation reads, and one of the canvas.
    assert rows.min() * h / height >= 8 - 2 - h / height - 1e-9
    assert (rows.max() + 1) * h / height <= 12 + 2 + h / height + 1e-9
    assert columns.min() * w / width >= 8 - 2 - w / width - 1e-9
    assert (columns.max() + 1) * w / width <= 12 + 2 + w / width + 1e-9


def test_a_photo_smaller_than_every_size_is_enlarged_whole_and_comes_back_its_size():
    rows, columns = np.mgrid[:64, :64]
    photo = np.stack([rows * 4, columns * 4, rows + columns], axis=2).astype(np.uint8)
    canvas = fit_canvas(Box(20, 20, 40, 40), 64, 64, SIZES)
    assert canvas.box == Box(0, 0, 64, 64)
    assert (canvas.height, canvas.width) == (512, 512)
    back = canvas.put_back(canvas.take(photo))
    assert np.abs(back.astype(int) - photo).mean() < 2


@given(st.integers(16, 4000), st.integers(16, 4000), st.sampled_from([64, 256, 1024]))
@example(256, 256, 256)
@example(16, 4000, 64)
def test_a_whole_picture_has_its_own_size_or_a_squares_area_in_whole_tokens(height, width, side):
    canvas = whole_canvas(height, width, side)
    assert canvas.box == Box(0, 0, width, height)
    assert (canvas.height % TOKEN_PX, canvas.width % TOKEN_PX) == (0, 0)
    least = TOKEN_PX in (canvas.height, canvas.width)
    assert canvas.height * canvas.width <= side * side or least
    assert canvas.height <= height
    assert canvas.width <= width
    if height * width <= side * side:
        assert canvas.height > height - TOKEN_PX
        assert canvas.width > width - TOKEN_PX
