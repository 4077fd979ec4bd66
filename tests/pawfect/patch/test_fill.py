"""The fill engine as its callers see it: what it keeps, what it fills, and with what."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.patch import engine
from pawfect.patch.engine import fill
from pawfect.picture.grain import noise_level
from tests.pawfect.patch.textures import (
    MAGENTA,
    box_mask,
    has_magenta,
    hidden,
    slope,
    stones,
)
from tests.refusals import refusal


def filled_image(image: np.ndarray, mask: np.ndarray, **more: Any) -> np.ndarray:
    return fill(image, mask, **more).image


def test_pixels_outside_the_mask_are_kept_bit_for_bit():
    image = stones(160, 200)
    mask = box_mask(image.shape, 70, 50, 130, 110)
    mask[0:3, 0:3] = 127
    filled = filled_image(hidden(image, mask), mask)
    np.testing.assert_array_equal(filled[mask < 128], image[mask < 128])
    assert not has_magenta(filled)


def test_an_empty_mask_changes_nothing():
    image = stones(80, 90)
    result = fill(image, np.zeros((80, 90), np.uint8))
    np.testing.assert_array_equal(result.image, image)
    assert result.method == "nothing to fill"
    assert result.image is not image


def test_what_lies_under_the_mask_has_no_influence():
    image = stones(128, 128)
    mask = box_mask(image.shape, 40, 40, 90, 90)
    other = np.where((mask >= 128)[..., None], np.uint8(17), image)
    np.testing.assert_array_equal(
        filled_image(hidden(image, mask), mask), filled_image(other, mask)
    )


def test_a_constant_picture_is_filled_with_its_constant():
    image = np.full((200, 180, 3), (77, 120, 31), np.uint8)
    mask = box_mask(image.shape, 50, 60, 120, 140)
    np.testing.assert_array_equal(filled_image(hidden(image, mask), mask), image)


def test_the_same_arguments_give_the_same_pixels_whatever_ran_before():
    image = hidden(stones(96, 96), mask := box_mask((96, 96), 36, 36, 60, 60))
    first = filled_image(image, mask, seed=5)
    filled_image(stones(96, 96, 3), box_mask((96, 96), 36, 36, 56, 56), seed=9)
    np.testing.assert_array_equal(filled_image(image, mask, seed=5), first)


def test_four_threads_at_once_give_what_one_gives():
    image = hidden(stones(80, 80), mask := box_mask((80, 80), 30, 30, 48, 48))
    alone = [filled_image(image, mask, seed=seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: filled_image(image, mask, seed=seed), range(4)))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_seeds_beyond_32_bits_are_told_apart():
    image = hidden(stones(128, 128), mask := box_mask((128, 128), 40, 40, 90, 90))
    low, high = (filled_image(image, mask, seed=seed) for seed in (1, 2**63 - 1))
    assert (low != high).any()


def test_protected_pixels_stay_and_are_never_copied():
    image = stones(160, 200)
    mask = box_mask(image.shape, 60, 50, 120, 110)
    protect = np.zeros((160, 200), np.uint8)
    protect[30:130, 120:170] = 255
    image[protect > 0] = MAGENTA
    filled = filled_image(image, mask, protect=protect)
    np.testing.assert_array_equal(filled[protect > 0], image[protect > 0])
    inside = filled[mask >= 128].astype(int)
    assert not has_magenta(inside)
    # The stones are red over green over blue: magenta's blue bleeds into none of the rim.
    beside = filled[50:110, 112:120].astype(int).mean((0, 1))
    assert abs((beside[2] - beside[1]) - -15) < 3


def test_a_mask_under_protect_is_still_filled():
    image = stones(96, 96)
    mask = box_mask(image.shape, 30, 30, 60, 60)
    filled = filled_image(hidden(image, mask), mask, protect=mask)
    assert not has_magenta(filled)


def test_where_all_surroundings_are_protected_the_fill_is_a_film_from_the_rim():
    image = np.full((90, 90, 3), 90, np.uint8)
    mask = box_mask(image.shape, 30, 30, 60, 60)
    result = fill(hidden(image, mask), mask, protect=255 - mask)
    assert result.method == "membrane"
    np.testing.assert_array_equal(result.image, image)


@pytest.mark.parametrize(
    "box",
    [(0, 0, 70, 60), (90, 0, 160, 120), (0, 80, 160, 120), (8, 8, 152, 112), (1, 0, 160, 120)],
    ids=["corner", "side", "foot", "most of it", "all but a column"],
)
def test_holes_at_the_border_and_nearly_everywhere_are_filled(box: tuple[int, int, int, int]):
    image = stones(120, 160)
    mask = box_mask(image.shape, *box)
    filled = filled_image(hidden(image, mask), mask)
    np.testing.assert_array_equal(filled[mask < 128], image[mask < 128])
    assert not has_magenta(filled)


@pytest.mark.slow
def test_a_hole_of_four_fifths_is_no_flat_blob():
    image = stones(400, 400)
    mask = box_mask(image.shape, 20, 20, 380, 380)
    filled = filled_image(hidden(image, mask), mask)
    assert not has_magenta(filled)
    assert filled[mask >= 128].std() > 0.5 * image.std()


@pytest.mark.parametrize("shape", [(1, 5), (8, 8), (64, 64), (11, 300), (65, 200)])
def test_small_and_narrow_windows_are_filled(shape: tuple[int, int]):
    image = stones(*shape)
    height, width = shape
    mask = box_mask(shape, width // 4, height // 4, width // 2 + 1, height // 2 + 1)
    filled = filled_image(hidden(image, mask), mask)
    np.testing.assert_array_equal(filled[mask < 128], image[mask < 128])
    assert not has_magenta(filled)


def test_masks_as_thin_as_a_line_are_filled():
    image = stones(200, 240)
    mask = np.zeros((200, 240), np.uint8)
    cv2.line(mask, (0, 20), (239, 180), 255, 1)
    filled = filled_image(hidden(image, mask), mask)
    np.testing.assert_array_equal(filled[mask < 128], image[mask < 128])
    assert not has_magenta(filled)


def test_each_of_several_holes_is_filled():
    image = stones(300, 500)
    mask = box_mask(image.shape, 20, 20, 60, 60) | box_mask(image.shape, 400, 200, 460, 260)
    mask |= box_mask(image.shape, 70, 20, 90, 40)
    filled = filled_image(hidden(image, mask), mask)
    np.testing.assert_array_equal(filled[mask < 128], image[mask < 128])
    assert not has_magenta(filled)


def test_a_slope_with_grain_goes_on_through_the_hole():
    image = slope(300, 300, noise=4.0)
    mask = box_mask(image.shape, 110, 110, 190, 190)
    filled = filled_image(hidden(image, mask), mask)
    truth = 60 + 0.25 * np.add.outer(np.arange(300), np.arange(300))
    off = filled.astype(np.float32).mean(2) - truth
    # Along the rim, in stretches of 20 px by 6: no step of a tenth of what the hole spans.
    for start in range(110, 190, 20):
        stretch = slice(start, start + 20)
        bands = (off[stretch, 110:116], off[stretch, 184:190], off[110:116, stretch])
        assert max(abs(float(band.mean())) for band in bands) < 4.0
    inside, ring = np.zeros((300, 300), np.bool_), np.zeros((300, 300), np.bool_)
    inside[115:185, 115:185] = True
    ring[80:220, 80:220] = True
    ring[105:195, 105:195] = False
    assert noise_level(filled, inside) == pytest.approx(noise_level(image, ring), rel=0.15)


def test_an_upscaled_fill_is_as_sharp_as_its_surroundings():
    image = stones(700, 700, size=1.0)
    mask = box_mask(image.shape, 200, 200, 500, 500)
    filled = filled_image(hidden(image, mask), mask)
    edges = cv2.Laplacian(filled.mean(2).astype(np.float32), cv2.CV_32F) ** 2
    inside = edges[210:490, 210:490].mean()
    outside = edges[mask < 128].mean()
    assert 0.6 < inside / outside < 1.5


def test_working_px_bounds_the_size_at_which_a_window_is_filled(monkeypatch: pytest.MonkeyPatch):
    sides: list[int] = []
    complete = engine.complete

    def watched(image: np.ndarray, *more: Any) -> Any:
        sides.append(max(image.shape))
        return complete(image, *more)

    monkeypatch.setattr(engine, "complete", watched)
    image = stones(300, 400)
    mask = box_mask(image.shape, 150, 100, 250, 200)
    filled = filled_image(hidden(image, mask), mask, working_px=100)
    assert len(sides) == 1
    assert sides[0] <= 100
    assert not has_magenta(filled)
    np.testing.assert_array_equal(filled[mask == 0], image[mask == 0])


@pytest.mark.parametrize("looks", [0, 3, 40])
def test_a_fill_stops_when_it_is_told_to(looks: int):
    image, mask = stones(300, 300), box_mask((300, 300), 80, 80, 220, 220)
    left = [looks]

    def stop() -> bool:
        left[0] -= 1
        return left[0] < 0

    refusal(ErrorKind.CANCELLED, fill, image, mask, stop=stop)
    assert left == [-1]


PATTERNS = {
    "checks": lambda y, x: (y // 12 + x // 12) % 2,
    "upright stripes": lambda y, x: x // 9 % 2 + 0 * y,
    "slanting stripes": lambda y, x: (x + 2 * y) // 14 % 2,
    "a lattice": lambda y, x: ((x % 12 < 3) | (y % 15 < 4)).astype(int),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_goes_on_exactly(name: str):
    rows, columns = np.mgrid[:260, :280]
    plane = PATTERNS[name](rows, columns)
    image = (60 + 130 * plane[..., None] + np.array([0, 10, -20])).astype(np.uint8)
    mask = np.zeros((260, 280), np.uint8)
    cv2.circle(mask, (140, 130), 38, 255, -1)
    filled = filled_image(hidden(image, mask), mask)
    assert np.abs(filled.astype(int) - image).max() <= 12
    inside = mask > 0
    assert np.corrcoef(filled[inside].ravel(), image[inside].ravel())[0, 1] > 0.99


def test_an_enlarged_fill_has_the_photos_noise():
    rng = np.random.default_rng(0)
    image = np.clip(rng.normal(128, 4, (300, 400, 3)), 0, 255).astype(np.uint8)
    mask = box_mask(image.shape, 150, 100, 250, 200)
    filled = filled_image(hidden(image, mask), mask, working_px=100)
    noise = filled[110:190, 160:240].astype(float).std()
    assert 2.5 < noise < 5.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": np.zeros((64, 64), np.uint8)}, r"image: expected uint8 \[H, W, 3\], got"),
        ({"image": np.zeros((64, 64, 3), np.float32)}, "got float32"),
        ({"mask": np.zeros((64, 63), np.uint8)}, r"mask: expected uint8 \[64, 64\], got"),
        ({"mask": np.zeros((64, 64), np.bool_)}, "mask: expected uint8"),
        ({"protect": np.zeros((1, 64), np.uint8)}, "protect: expected uint8"),
        ({"seed": -1}, "seed: expected 0 to"),
        ({"seed": 2**63}, "seed: expected 0 to"),
        ({"working_px": 8}, "working_px: expected at least 32, got 8"),
    ],
)
def test_wrong_arguments_are_refused_with_what_was_expected(
    changes: dict[str, object], message: str
):
    given_ = {
        "image": np.zeros((64, 64, 3), np.uint8),
        "mask": np.zeros((64, 64), np.uint8),
        "protect": None,
        "seed": 0,
        "working_px": None,
    } | changes
    with pytest.raises(ValueError, match=message):
        filled_image(given_.pop("image"), given_.pop("mask"), **given_)  # type: ignore[arg-type]


def test_a_calm_gradient_is_not_filled_with_pieces_of_a_busy_object():
    image = slope(300, 300, noise=2.0)
    image[200:, :] = stones(100, 300, size=1.5)
    mask = box_mask(image.shape, 110, 60, 190, 140)
    filled = filled_image(hidden(image, mask), mask)
    inside = np.zeros((300, 300), np.bool_)
    inside[65:135, 115:185] = True
    assert noise_level(filled, inside) < 3.0


def test_the_colour_of_what_is_protected_has_no_influence():
    image = stones(120, 140)
    mask = box_mask(image.shape, 40, 40, 80, 80)
    protect = box_mask(image.shape, 70, 20, 120, 110) & ~mask
    fills = []
    for colour in (MAGENTA, (0, 90, 0)):
        painted = np.where((protect > 0)[..., None], np.array(colour, np.uint8), image)
        fills.append(filled_image(painted, mask, protect=protect)[mask > 0])
    np.testing.assert_array_equal(*fills)
