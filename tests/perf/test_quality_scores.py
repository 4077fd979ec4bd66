import cv2
import numpy as np
import pytest

from perf.quality.perceptual import st_lpips
from perf.quality.scores import score, seam_step, sharpness_ratio, signed_distance, tight_crops

SHAPE = (256, 320)


@pytest.fixture(scope="module")
def hole() -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    cv2.ellipse(mask, (150, 120), (60, 45), 20, 0, 360, (255,), -1)
    return mask


def noisy(sigma: float, seed: int = 0, level: float = 120) -> np.ndarray:
    rng = np.random.RandomState(seed)
    noise = rng.standard_normal((*SHAPE, 1)) * sigma
    return np.clip(np.round(level + noise + [10, 0, -15]), 0, 255).astype(np.uint8)


def shifted(image: np.ndarray, hole: np.ndarray, levels: int) -> np.ndarray:
    changed = image.astype(int)
    changed[hole > 0] += levels
    return np.clip(changed, 0, 255).astype(np.uint8)


def test_the_truth_scores_no_difference_and_its_own_seam(hole: np.ndarray) -> None:
    truth = noisy(12)
    scores = score(truth, truth, hole)
    assert scores.st_lpips == pytest.approx(0, abs=1e-6)
    assert scores.seam_step == seam_step(truth, hole) < 0.6
    assert scores.sharpness == pytest.approx(1, abs=0.1)
    assert scores.sharpness_log == pytest.approx(0, abs=0.1)


def test_a_constant_offset_raises_the_seam_step_monotonically(hole: np.ndarray) -> None:
    truth = noisy(6)
    steps = [seam_step(shifted(truth, hole, levels), hole) for levels in (0, 2, 4, 8, 16, 32)]
    assert steps == sorted(steps)
    assert steps[0] < 0.3
    assert steps[-1] > 8


def test_the_seam_step_of_an_offset_is_its_ciede2000(hole: np.ndarray) -> None:
    from skimage.color import deltaE_ciede2000, rgb2lab

    flat = np.full((*SHAPE, 3), (130, 120, 105), np.uint8)
    expected = deltaE_ciede2000(*(rgb2lab(flat[0, 0] + np.uint8(k))[None] for k in (0, 12)))[0]
    assert seam_step(shifted(flat, hole, 12), hole) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("sigma", [4, 8, 16, 24])
def test_the_seam_step_forgives_texture_noise(hole: np.ndarray, sigma: float) -> None:
    # Tolerance: a quarter of the step, for noise up to three times as strong as the step.
    clean = seam_step(shifted(noisy(0), hole, 8), hole)
    assert seam_step(shifted(noisy(sigma), hole, 8), hole) == pytest.approx(clean, rel=0.25)


def test_a_gradient_through_the_hole_is_hardly_a_step(hole: np.ndarray) -> None:
    ramp = np.linspace(60, 180, SHAPE[1]).round().astype(np.uint8)
    image = np.repeat(np.tile(ramp, (SHAPE[0], 1))[..., None], 3, axis=2)
    assert seam_step(image, hole) < 2 < seam_step(shifted(image, hole, 20), hole)


def test_blur_inside_lowers_the_sharpness(hole: np.ndarray) -> None:
    truth = noisy(14)
    ratios = []
    for sigma in (0.4, 0.8, 1.6, 3.2):
        soft = cv2.GaussianBlur(truth, (0, 0), sigma)
        ratios.append(sharpness_ratio(np.where(hole[..., None] > 0, soft, truth), hole))
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] < 0.9
    assert ratios[-1] < 0.01


def test_st_lpips_ranks_another_patch_of_the_texture_before_a_smear(hole: np.ndarray) -> None:
    rng = np.random.RandomState(3)
    texture = cv2.GaussianBlur(rng.standard_normal((*SHAPE, 3)), (0, 0), 2)
    truth = np.clip(120 + texture * 300, 0, 255).astype(np.uint8)
    inside = hole[..., None] > 0
    other = np.where(inside, np.roll(truth, 70, axis=1), truth)
    smear = np.where(inside, cv2.GaussianBlur(truth, (0, 0), 25), truth)
    assert 0 < score(other, truth, hole).st_lpips < score(smear, truth, hole).st_lpips


def test_st_lpips_refuses_pictures_that_it_cannot_compare() -> None:
    small = np.zeros((40, 90, 3), np.uint8)
    with pytest.raises(ValueError, match="at least 64 px"):
        st_lpips(small, small)


def test_crops_hold_their_holes_and_do_not_overlap() -> None:
    mask = np.zeros((300, 400), np.uint8)
    for x0, y0, x1, y1 in (
        (0, 0, 12, 9),
        (100, 100, 160, 170),
        (150, 180, 190, 200),
        (390, 290, 400, 300),
    ):
        mask[y0:y1, x0:x1] = 255
    crops = tight_crops(mask)
    assert sum(box.area for box in crops) == np.count_nonzero(mask)
    assert len(crops) == 3
    seen = np.zeros(mask.shape, int)
    for box in crops:
        assert box.x1 - box.x0 >= 64
        assert box.y1 - box.y0 >= 64
        seen[box.y0 : box.y1, box.x0 : box.x1] += 1
    assert seen.max() == 1
    assert seen[mask > 0].all()


def test_signed_distance_changes_sign_at_the_boundary(hole: np.ndarray) -> None:
    distance = signed_distance(hole)
    assert ((distance < 0) == (hole > 0)).all()
    assert np.abs(distance).min() == pytest.approx(0.5)


def test_scores_refuse_a_full_hole() -> None:
    full = np.full(SHAPE, 255, np.uint8)
    with pytest.raises(ValueError, match="both bands"):
        seam_step(noisy(3), full)
    with pytest.raises(ValueError, match="a ring"):
        sharpness_ratio(noisy(3), full)
