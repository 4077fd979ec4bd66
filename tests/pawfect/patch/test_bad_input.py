"""Holes and photos that no texture is to be learned from: a fill or a refusal, in bounded time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pawfect.patch import core
from pawfect.patch.engine import fill
from pawfect.patch.search import MOST_BEGUN
from tests.pawfect.patch.textures import box_mask, slope

SIZE = (80, 96)
ROWS, COLUMNS = np.indices(SIZE)
FROM_RIM = np.minimum(
    np.minimum(ROWS, SIZE[0] - 1 - ROWS), np.minimum(COLUMNS, SIZE[1] - 1 - COLUMNS)
)
NOISE = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
CONSTANT = np.full((*SIZE, 3), (77, 120, 31), np.uint8)

KNOWN = {
    "a rim of 1 px": FROM_RIM < 1,
    "a rim of 5 px": FROM_RIM < 5,
    "a rim of 7 px": FROM_RIM < 7,
    "four corners": (np.minimum(ROWS, 79 - ROWS) < 8) & (np.minimum(COLUMNS, 95 - COLUMNS) < 8),
    "one corner's pixel": (ROWS == 0) & (COLUMNS == 95),
    "one row": ROWS == 60,
    "seven rows": (ROWS > 40) & (ROWS < 48),
    "one column": COLUMNS == 95,
    "dots": (ROWS % 16 == 3) & (COLUMNS % 16 == 5),
    "a net of 1 px": (ROWS % 16 == 3) | (COLUMNS % 16 == 5),
    "every other row": ROWS % 2 == 0,
    "every other pixel": (ROWS + COLUMNS) % 2 == 0,
    "pixels at random": np.random.default_rng(1).random(SIZE) < 0.1,
    "all but a row": ROWS != 60,
    "all but a column": COLUMNS != 0,
    "all but a pixel": (ROWS != 3) | (COLUMNS != 95),
}


def masked(known: np.ndarray) -> np.ndarray:
    return np.where(known, 0, 255).astype(np.uint8)


def middle(height: int, width: int) -> np.ndarray:
    """A hole of half the sides of a photo, and at least a pixel."""
    x0, y0 = width // 3, height // 3
    return box_mask((height, width), x0, y0, x0 + max(1, width // 2), y0 + max(1, height // 2))


def painted(image: np.ndarray, mask: np.ndarray, colour: int) -> np.ndarray:
    return np.where((mask >= 128)[..., None], np.uint8(colour), image)


def filled_twice(image: np.ndarray, mask: np.ndarray, **more: Any) -> np.ndarray:
    """The fill, which is the same whatever lies under the mask."""
    one, other = (fill(painted(image, mask, under), mask, **more).image for under in (0, 255))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(one[mask < 128], image[mask < 128])
    return one


@pytest.mark.parametrize("working_px", [None, 40])
@pytest.mark.parametrize("name", KNOWN)
def test_noise_is_filled_from_what_is_known_however_little(name: str, working_px: int | None):
    mask = masked(KNOWN[name])
    filled = filled_twice(NOISE, mask, working_px=working_px)
    known = NOISE[mask < 128].astype(int)
    inside = filled[mask >= 128].astype(int)
    # Neither black nor any colour but those around.
    assert (inside.min(0) >= known.min(0) - 40).all()
    assert (inside.max(0) <= known.max(0) + 40).all()
    # A mean of so many is within so much of theirs.
    apart = np.abs(inside.mean(0) - known.mean(0))
    assert (apart <= 25 + 200 / np.sqrt(len(inside)) + 200 / np.sqrt(len(known))).all()


@pytest.mark.parametrize("working_px", [None, 40])
@pytest.mark.parametrize("name", KNOWN)
def test_one_colour_goes_on_however_little_of_it_is_known(name: str, working_px: int | None):
    filled = filled_twice(CONSTANT, masked(KNOWN[name]), working_px=working_px)
    assert np.abs(filled.astype(int) - CONSTANT).max() <= 1


@pytest.mark.parametrize("shape", [(1, 2), (1, 400), (400, 1), (2, 300), (7, 200), (3, 3)])
@pytest.mark.parametrize("working_px", [None, 32])
def test_photos_as_thin_as_a_line_are_filled(shape: tuple[int, int], working_px: int | None):
    filled_twice(np.resize(NOISE, (*shape, 3)), middle(*shape), working_px=working_px)


@pytest.mark.parametrize("name", ["every other row", "every other pixel", "a rim of 5 px"])
def test_where_all_that_is_known_is_protected_it_is_filled_from_nothing_else(name: str):
    known = KNOWN[name]
    filled = filled_twice(CONSTANT, masked(known), protect=255 - masked(known))
    np.testing.assert_array_equal(filled, CONSTANT)


def test_protected_pixels_at_random_are_kept_and_the_rest_is_filled():
    mask = box_mask(SIZE, 30, 20, 70, 60)
    protect = masked(np.random.default_rng(2).random(SIZE) < 0.7)
    filled_twice(NOISE, mask, protect=protect)


@pytest.mark.parametrize("working_px", [None, 32])
def test_a_mask_that_keeps_nothing_is_refused(working_px: int | None):
    with pytest.raises(ValueError, match="mask: expected some pixels to keep, got none"):
        fill(NOISE, np.full(SIZE, 200, np.uint8), working_px=working_px)


@pytest.mark.parametrize("name", ["image", "drawing"])
def test_numbers_that_are_none_are_refused_with_all_floats(name: str):
    given = {"image": NOISE, "mask": box_mask(SIZE, 30, 20, 70, 60)}
    given[name] = np.full((*SIZE, 3), np.nan, np.float32)
    with pytest.raises(ValueError, match=rf"{name}: expected uint8 .*, got float32 \[80, 96, 3\]"):
        fill(**given)


def test_a_wide_hole_with_next_to_nothing_around_it_takes_no_more_comparisons_than_any(
    monkeypatch: pytest.MonkeyPatch,
):
    begin, counts = core.begin, []

    def counted(*given: Any) -> None:
        rows, candidates = given[4], given[6]
        counts.append(rows.size * candidates.size)
        begin(*given)

    monkeypatch.setattr(core, "begin", counted)
    # Seven px round it hold whole patches, and at half its size none: it is begun at its own.
    image, mask = slope(264, 264, 3.0), box_mask((264, 264), 7, 7, 257, 257)
    fill(image, mask)
    assert 0.5 * MOST_BEGUN < sum(counts) <= MOST_BEGUN
