"""ST-LPIPS on the crops around a fill, and the sharpness of a fill against its surroundings."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pawfect.scores.sharpness import sharpness_ratio, signed_distance

SHAPE = (256, 320)


@pytest.fixture(scope="module")
def look():
    pytest.importorskip("stlpips_pytorch")
    from pawfect.scores import look

    return look


@pytest.fixture(scope="module")
def hole() -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    cv2.ellipse(mask, (150, 120), (60, 45), 20, 0, 360, (255,), -1)
    return mask


@pytest.fixture(scope="module")
def texture() -> np.ndarray:
    rng = np.random.RandomState(3)
    noise = cv2.GaussianBlur(rng.standard_normal((*SHAPE, 3)), (0, 0), 2)
    return np.clip(120 + noise * 300, 0, 255).astype(np.uint8)


def test_another_patch_of_the_texture_looks_nearer_than_a_smear(look, hole, texture):
    inside = hole[..., None] > 0
    other = np.where(inside, np.roll(texture, 70, axis=1), texture)
    smear = np.where(inside, cv2.GaussianBlur(texture, (0, 0), 25), texture)
    assert look.look(texture, texture, hole) == pytest.approx(0, abs=1e-6)
    assert 0 < look.look(other, texture, hole) < look.look(smear, texture, hole)


def test_pictures_that_cannot_be_compared_are_refused(look):
    small = np.zeros((40, 90, 3), np.uint8)
    with pytest.raises(ValueError, match="at least 64 px"):
        look.st_lpips(small, small)


def test_crops_hold_their_holes_and_do_not_overlap(look):
    mask = np.zeros((300, 400), np.uint8)
    for x0, y0, x1, y1 in (
        (0, 0, 12, 9),
        (100, 100, 160, 170),
        (150, 180, 190, 200),
        (390, 290, 400, 300),
    ):
        mask[y0:y1, x0:x1] = 255
    crops = look.tight_crops(mask)
    assert len(crops) == 3
    seen = np.zeros(mask.shape, int)
    for box in crops:
        assert min(box.width, box.height) >= 64
        seen[box.slices] += 1
    assert seen.max() == 1
    assert seen[mask > 0].all()


def test_blur_inside_lowers_the_sharpness(hole):
    rng = np.random.RandomState(0)
    noise = 120 + rng.standard_normal((*SHAPE, 1)) * 14 + [10, 0, -15]
    truth = np.clip(np.round(noise), 0, 255).astype(np.uint8)
    assert sharpness_ratio(truth, hole) == pytest.approx(1, abs=0.1)
    ratios = []
    for sigma in (0.4, 0.8, 1.6, 3.2):
        soft = cv2.GaussianBlur(truth, (0, 0), sigma)
        ratios.append(sharpness_ratio(np.where(hole[..., None] > 0, soft, truth), hole))
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] < 0.9
    assert ratios[-1] < 0.01


def test_signed_distance_changes_sign_at_the_boundary(hole):
    distance = signed_distance(hole)
    assert ((distance < 0) == (hole > 0)).all()
    assert np.abs(distance).min() == pytest.approx(0.5)


def test_a_full_hole_has_no_sharpness(texture):
    with pytest.raises(ValueError, match="a ring"):
        sharpness_ratio(texture, np.full(SHAPE, 255, np.uint8))
