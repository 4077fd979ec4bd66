"""Photos and masks that people do not send on purpose, through the whole flow in this process."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.local import inpaint_local
from pawfect.picture.window import MAX_PAIRWISE
from tests.lawn import holes, lawn
from tests.refusals import refusal

MAGENTA = (255, 0, 255)


def painted(photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.where((mask >= 128)[..., None], np.array(MAGENTA, np.uint8), photo)


def filled(photo: np.ndarray, mask: np.ndarray, **more):
    """The result, in which all outside the cleaned mask is the photo's."""
    result = inpaint_local(painted(photo, mask), mask, dilate_px=0, **more)
    outside = result.clean_mask == 0
    np.testing.assert_array_equal(result.image[outside], painted(photo, mask)[outside])
    return result


def is_magenta(pixels: np.ndarray) -> np.ndarray:
    wide = pixels.astype(int)
    return (wide[..., 0] > 200) & (wide[..., 1] < 60) & (wide[..., 2] > 200)


def test_a_hundred_holes_far_apart_are_all_filled_in_no_more_windows_than_are_planned_at_once():
    photo = lawn(2100, 2100)
    places = [(x, y) for y in range(50, 2100, 210) for x in range(50, 2100, 210)]
    assert len(places) == 100
    mask = holes(2100, 2100, *((x, y, x + 8, y + 8) for x, y in places))
    result = filled(photo, mask, deadline_ms=600_000)
    assert 1 < len(result.report.windows) <= MAX_PAIRWISE
    for x, y in places:
        own = result.image[y : y + 8, x : x + 8]
        assert not is_magenta(own).any()
        around = photo[y - 20 : y + 28, x - 20 : x + 28].reshape(-1, 3)
        assert np.abs(own.mean((0, 1)) - around.mean(0)).max() < 40


SIDE = 96
ROWS, COLUMNS = np.indices((SIDE, SIDE))
FROM_RIM = np.minimum(np.minimum(ROWS, 95 - ROWS), np.minimum(COLUMNS, 95 - COLUMNS))
HOLES = {
    "all but a rim of a pixel": FROM_RIM > 0,
    "all but a rim of 5 px": FROM_RIM > 4,
    "all but the corners": ~((np.minimum(ROWS, 95 - ROWS) < 6) & (FROM_RIM < 6) & (COLUMNS < 6)),
    "all but a row": ROWS != 40,
    "all but a square": (ROWS // 8 != 9) | (COLUMNS // 8 != 2),
    "a column": COLUMNS == 40,
    "every other row": ROWS % 2 == 0,
    "every other pixel": (ROWS + COLUMNS) % 2 == 0,
}


# Enlarged they are filled at a smaller size; two show it, the others take seconds each.
ENLARGED = [
    pytest.param(name, 3, marks=() if name in ("a column", "every other row") else pytest.mark.slow)
    for name in HOLES
]


@pytest.mark.parametrize(("name", "times"), [*((name, 1) for name in HOLES), *ENLARGED])
def test_holes_of_any_kind_are_filled_with_what_is_known_at_a_smaller_size_too(
    name: str, times: int
):
    hole = np.tile(HOLES[name], (times, times))
    photo = np.full((*hole.shape, 3), (60, 140, 50), np.uint8)
    mask = np.where(hole, 255, 0).astype(np.uint8)
    result = filled(photo, mask, window_px=256)
    inside = result.image[result.clean_mask > 0]
    assert np.abs(inside.astype(int) - photo[0, 0]).max() <= 2


@pytest.mark.parametrize("size", [(64, 8192), (8192, 64)])
def test_the_longest_and_narrowest_photos_are_filled(size: tuple[int, int]):
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    mask = np.zeros(size, np.uint8)
    mask[size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = 255
    result = filled(photo, mask, deadline_ms=600_000)
    assert result.image[mask > 0].std() > 20


def test_where_nothing_is_known_at_all_the_mask_is_refused():
    photo, full = lawn(SIDE, SIDE), np.full((SIDE, SIDE), 255, np.uint8)
    message = refusal(ErrorKind.INVALID_ARG, inpaint_local, photo, full)
    assert "MASK: expected some pixels < 128 (to keep), got a full mask" in message
    photo, full = lawn(6 * SIDE, 6 * SIDE), np.tile(full, (6, 6))
    full[25:560:50, 35:560:70] = 0
    message = refusal(ErrorKind.INVALID_ARG, inpaint_local, photo, full)
    assert (
        "MASK: expected some pixels < 128 (to keep), got a full mask but for 88 pinholes" in message
    )


@pytest.mark.parametrize("name", ["IMAGE", "MASK", "PROTECT"])
@pytest.mark.parametrize(
    "plane",
    [
        np.full((SIDE, SIDE, 3), np.nan, np.float32),
        np.zeros((SIDE, SIDE), np.float32),
        np.zeros((SIDE, SIDE), np.bool_),
        np.zeros((SIDE, SIDE, 4), np.uint8),
        np.zeros((SIDE, SIDE, 1), np.uint8),
        np.zeros(SIDE, np.uint8),
    ],
    ids=["no numbers", "floats", "flags", "with alpha", "one channel", "a row"],
)
def test_planes_of_another_kind_are_refused_with_what_came(name: str, plane: np.ndarray):
    given = {"image": lawn(SIDE, SIDE), "mask": holes(SIDE, SIDE, (9, 9, 40, 40)), "protect": None}
    given[name.lower()] = plane
    message = refusal(ErrorKind.INVALID_ARG, inpaint_local, **given)
    expected = "uint8 [H, W, 3]" if name == "IMAGE" else "uint8 [H, W]"
    assert f"{name}: expected {expected}, got {plane.dtype} {list(plane.shape)}" in message
