"""Grain: measured where a picture is calm, drawn anew, and added where it is lacking."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.picture.grain import match_grain, noise_level, residual, sample_grain
from tests.pawfect.patch.textures import slope, square, stones


def test_sampled_grain_has_the_strength_and_colour_of_its_ring():
    rng = np.random.default_rng(1)
    common = rng.normal(0, 5, (160, 160, 1))
    image = np.clip(np.rint(120 + common * np.array([1.0, 0.8, 0.5])), 0, 255).astype(np.uint8)
    everywhere = np.ones((160, 160), np.bool_)
    grain = sample_grain(image, everywhere, (160, 160), np.random.default_rng(2))
    measured = residual(image, everywhere).reshape(-1, 3).std(0)
    np.testing.assert_allclose(grain.reshape(-1, 3).std(0), measured, rtol=0.15)
    assert np.corrcoef(grain[..., 0].ravel(), grain[..., 2].ravel())[0, 1] > 0.9
    assert abs(float(grain.mean())) < 0.3


def test_noise_is_read_where_the_picture_is_calm():
    image = slope(200, 200, noise=3.0)
    image[:100] = stones(100, 200, size=1.0)
    everywhere = np.ones((200, 200), np.bool_)
    calm = np.zeros((200, 200), np.bool_)
    calm[120:] = True
    assert noise_level(image, everywhere) == pytest.approx(noise_level(image, calm), rel=0.15)
    assert noise_level(image, np.zeros((200, 200), np.bool_)) == 0


def test_a_fill_without_noise_is_given_the_photos_and_one_with_more_keeps_its_own():
    image, hole = slope(160, 160, noise=3.0), square(160, 50, 110)
    clean = np.where(hole[..., None], slope(160, 160, noise=0.0), image)
    given = match_grain(clean, image, hole, ~hole)
    assert noise_level(given, hole) == pytest.approx(noise_level(image, ~hole), rel=0.15)
    noisy = np.where(hole[..., None], slope(160, 160, noise=6.0), image)
    assert match_grain(noisy, image, hole, ~hole) is noisy
