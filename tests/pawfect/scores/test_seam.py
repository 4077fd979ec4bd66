"""The colour step across the rim of a fill."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pawfect.scores.seam import SEAM_SIGMA, seam_step
from tests.lawn import lawn


def disc(side: int = 120, radius: int = 30) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    return np.hypot(rows - side / 2, columns - side / 2) < radius


def stepped(grey: int, step: int, hole: np.ndarray) -> np.ndarray:
    image = np.full((*hole.shape, 3), grey, np.uint8)
    image[hole] = grey + step
    return image


def lightness(grey: int) -> float:
    pixel = np.full((1, 1, 3), grey / 255, np.float32)
    return float(cv2.cvtColor(pixel, cv2.COLOR_RGB2LAB)[0, 0, 0])


def test_one_plain_colour_has_no_seam():
    hole = disc()
    assert seam_step(stepped(120, 0, hole), hole) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("hole", [np.zeros((64, 64), bool), np.ones((64, 64), bool)])
def test_without_a_rim_there_is_no_seam(hole):
    assert seam_step(lawn(64, 64), hole) == 0


@pytest.mark.parametrize("step", [-40, -5, 3, 10, 60])
def test_between_two_plain_colours_the_step_is_their_distance(step):
    hole = disc()
    expected = abs(lightness(120 + step) - lightness(120))
    assert seam_step(stepped(120, step, hole), hole) == pytest.approx(expected, rel=0.02, abs=0.05)


def test_a_larger_step_measures_more_whatever_the_texture():
    hole, photo = disc(), lawn(120, 120).astype(int)
    steps = []
    for step in (0, 15, 30, 60):
        image = photo.copy()
        image[hole] += step
        steps.append(seam_step(np.clip(image, 0, 255).astype(np.uint8), hole))
    assert steps == sorted(steps)
    assert steps[-1] > 2 * steps[0]


def test_grain_and_slopes_are_no_step():
    hole = disc()
    rng = np.random.default_rng(4)
    slope = np.broadcast_to(np.linspace(60, 180, 120)[:, None, None], (120, 120, 3))
    grain = np.clip(slope + rng.normal(0, 6, slope.shape), 0, 255).astype(np.uint8)
    smooth = slope.astype(np.uint8)
    marked = smooth.copy()
    marked[hole] += 20
    # About a pixel's slope on either side of the rim, times the reach of the means.
    assert seam_step(smooth, hole) < seam_step(grain, hole) + 0.5
    assert seam_step(grain, hole) < 0.75 * seam_step(marked, hole)


def test_the_measure_is_that_of_plain_sums():
    hole = disc(60, 14)
    image = stepped(90, 25, hole)
    image[20:30, 20:45, 0] = 30
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).astype(float)
    away = np.arange(-60, 61)
    bell = np.exp(-(away**2) / (2 * SEAM_SIGMA**2))
    bell[np.abs(away) > 4 * SEAM_SIGMA] = 0
    rim = hole & (cv2.erode(hole.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    distances = []
    for row, column in zip(*np.nonzero(rim), strict=True):
        weight = bell[60 - row : 120 - row, None] * bell[None, 60 - column : 120 - column]
        means = [
            (lab * (weight * side)[..., None]).sum((0, 1)) / (weight * side).sum()
            for side in (hole, ~hole)
        ]
        distances.append(np.linalg.norm(means[0] - means[1]))
    assert seam_step(image, hole) == pytest.approx(np.mean(distances), rel=0.05)


def test_a_small_hole_in_a_large_photo_is_measured_as_in_a_small_one():
    hole = disc()
    image = stepped(100, 30, hole)
    wide = np.pad(image, ((300, 500), (200, 400), (0, 0)), mode="edge")
    wide_hole = np.pad(hole, ((300, 500), (200, 400)))
    assert seam_step(wide, wide_hole) == pytest.approx(seam_step(image, hole), rel=1e-3)
