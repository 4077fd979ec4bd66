"""Putting fills into photos: what is kept, what blends, and how tone and grain are fitted."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawfect.picture.composite import composite, feather, fit_tone
from pawfect.picture.grain import match_grain, noise_level


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    image, filled = rng.integers(0, 256, (2, 60, 70, 3), dtype=np.uint8)
    mask = np.zeros((60, 70), np.uint8)
    for _ in range(rng.integers(1, 4)):
        centre = (int(rng.integers(70)), int(rng.integers(60)))
        cv2.circle(mask, centre, int(rng.integers(1, 15)), 255, -1)
    return image, filled, mask


def away_from(mask: np.ndarray) -> np.ndarray:
    """Distance of every pixel from the nearest marked one, by trying them all."""
    marked = np.argwhere(mask >= 128)
    rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]]
    squares = [(rows - y) ** 2 + (columns - x) ** 2 for y, x in marked]
    return np.sqrt(np.min(squares, axis=0))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 12))
def test_beyond_the_feather_the_photo_is_kept_and_a_fill_made_for_it_is_taken_as_it_is(seed, px):
    image, filled, mask = random_case(seed)
    beyond = away_from(mask) > px
    result = composite(image, filled, mask, feather_px=px)
    np.testing.assert_array_equal(result[beyond], image[beyond])
    for fill in (filled, image):
        made_for_it = np.where((mask >= 128)[..., None], fill, image)
        result = composite(image, made_for_it, mask, feather_px=px)
        np.testing.assert_array_equal(result, made_for_it)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 12))
def test_the_feather_is_one_inside_and_falls_with_distance(seed: int, feather_px: int):
    _, _, mask = random_case(seed)
    weight, away = feather(mask >= 128, feather_px), away_from(mask)
    assert (weight[mask >= 128] == 1).all()
    assert (weight[away > feather_px] == 0).all()
    order = np.lexsort((-weight.ravel(), away.ravel()))
    assert (np.diff(weight.ravel()[order]) <= 1e-3).all()


def test_a_regenerated_window_takes_on_the_photos_tone():
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:200, :200]
    clean = np.repeat((80 + 0.2 * rows + 0.1 * columns)[..., None], 3, 2)
    image = np.clip(clean + rng.normal(0, 2, clean.shape), 0, 255).astype(np.uint8)
    other = clean + np.array([25, -10, 5]) + 0.05 * rows[..., None]
    filled = np.clip(other + rng.normal(0, 2, clean.shape), 0, 255).astype(np.uint8)
    mask = np.zeros((200, 200), np.uint8)
    mask[70:130, 60:140] = 255
    result = composite(image, filled, mask, feather_px=8)
    off = result.astype(np.float32)[mask >= 128] - clean[mask >= 128]
    assert np.abs(off.mean(0)).max() < 2.0


def test_a_window_without_noise_is_given_the_photos_and_a_noisier_one_is_left_alone():
    rng = np.random.default_rng(0)
    image, noisier = (
        np.clip(120 + rng.normal(0, sigma, (160, 160, 3)), 0, 255).astype(np.uint8)
        for sigma in (4, 6)
    )
    smooth = np.full((160, 160, 3), 120, np.uint8)
    hole = np.zeros((160, 160), np.bool_)
    hole[50:110, 50:110] = True
    grained = match_grain(smooth, image, hole, ~hole)
    assert noise_level(grained, hole) == pytest.approx(noise_level(image, ~hole), rel=0.15)
    np.testing.assert_array_equal(grained, match_grain(smooth, image, hole, ~hole))
    np.testing.assert_array_equal(match_grain(noisier, image, hole, ~hole), noisier)


def test_without_a_ring_the_tone_stays_and_an_empty_or_full_mask_gives_photo_or_fill():
    image, filled, mask = random_case(1)
    nowhere = np.zeros((60, 70), np.bool_)
    np.testing.assert_array_equal(fit_tone(filled, image, nowhere), filled)
    for level, expected in ((0, image), (255, filled)):
        result = composite(image, filled, np.full_like(mask, level), feather_px=4)
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("image", "filled", "mask", "feather_px", "message"),
    [
        ((8, 8), (8, 8, 3), (8, 8), 1, "image: expected uint8"),
        ((8, 8, 3), (8, 9, 3), (8, 8), 1, r"filled: expected uint8 \[8, 8, 3\], got"),
        ((8, 8, 3), (8, 8, 3), (8, 9), 1, r"mask: expected uint8 \[8, 8\], got"),
        ((8, 8, 3), (8, 8, 3), (8, 8), -1, "feather_px: expected 0 or more, got -1"),
    ],
)
def test_wrong_arguments_are_refused(image, filled, mask, feather_px, message):
    arrays = [np.zeros(shape, np.uint8) for shape in (image, filled, mask)]
    with pytest.raises(ValueError, match=message):
        composite(*arrays, feather_px=feather_px)
