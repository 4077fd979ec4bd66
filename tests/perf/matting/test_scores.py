"""The errors of an alpha, against their definitions written out pixel by pixel."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import pytest

from perf.matting.scores import (
    connectivity_error,
    edge_band,
    gradient_error,
    halo,
    iou,
    mse,
    over,
    sad,
    scores,
)


def soft_disc(side: int, x: float, y: float, radius: float, soft: float = 2.0) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    distance = np.hypot(columns - x, rows - y)
    return np.rint(np.clip((radius - distance) / soft + 0.5, 0, 1) * 255).astype(np.uint8)


def noisy_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A disc with an island, and an alpha that has moved and has noise."""
    random = np.random.default_rng(seed)
    truth = np.maximum(soft_disc(28, 11, 12, 7), soft_disc(28, 23, 22, 3))
    wrong = np.maximum(soft_disc(28, 12, 11, 6, 5), soft_disc(28, 22, 22, 2)).astype(int)
    wrong = np.clip(wrong + random.integers(-60, 61, wrong.shape), 0, 255).astype(np.uint8)
    return wrong, truth


def test_sad_counts_thousands_of_full_pixels_and_mse_thousandths():
    alpha, truth = np.zeros((50, 40), np.uint8), np.full((50, 40), 255, np.uint8)
    assert sad(alpha, truth) == pytest.approx(2.0)
    assert mse(alpha, truth) == pytest.approx(1000.0)
    alpha[:25] = 204
    assert sad(alpha, truth) == pytest.approx(1.2)
    assert mse(alpha, truth) == pytest.approx(1000 * (0.5 * 0.04 + 0.5), rel=1e-5)


def test_iou_is_taken_at_one_half():
    truth = np.zeros((10, 10), np.uint8)
    truth[:, :6] = 255
    alpha = np.zeros((10, 10), np.uint8)
    alpha[:, 2:8] = 128
    alpha[:, 8:] = 127
    assert iou(alpha, truth) == pytest.approx(4 / 8)
    assert iou(alpha * 0, truth * 0) == 1.0


def gradient_by_hand(alpha: np.ndarray) -> np.ndarray:
    """Convolve by loops with the outer product of a Gaussian and its derivative, of norm 1."""
    sigma, epsilon = 1.4, 1e-2
    half = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * epsilon)))

    def gauss(x: int) -> float:
        return math.exp(-(x**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))

    size = 2 * half + 1
    kernel = np.empty((size, size))
    for row in range(size):
        for column in range(size):
            slope = -(column - half) * gauss(column - half) / sigma**2
            kernel[row, column] = gauss(row - half) * slope
    kernel /= np.sqrt((kernel**2).sum())
    padded = np.pad(alpha / 255, half, mode="edge")
    magnitude = np.empty(alpha.shape)
    for row in range(alpha.shape[0]):
        for column in range(alpha.shape[1]):
            patch = padded[row : row + size, column : column + size]
            magnitude[row, column] = math.hypot((patch * kernel).sum(), (patch * kernel.T).sum())
    return magnitude


@pytest.mark.parametrize("seed", [0, 1])
def test_the_gradient_error_is_the_benchmarks(seed):
    alpha, truth = noisy_pair(seed)
    by_hand = ((gradient_by_hand(alpha) - gradient_by_hand(truth)) ** 2).sum() / 1000
    assert gradient_error(alpha, truth) == pytest.approx(by_hand, rel=1e-6)
    assert gradient_error(truth, truth) == 0.0


def largest_region(flags: np.ndarray) -> set[tuple[int, int]]:
    """The largest 4-connected region, by breadth-first search."""
    left = {(int(row), int(column)) for row, column in np.argwhere(flags)}
    best: set[tuple[int, int]] = set()
    while left:
        start = left.pop()
        region, queue = {start}, deque([start])
        while queue:
            row, column = queue.popleft()
            for step in (
                (row - 1, column),
                (row + 1, column),
                (row, column - 1),
                (row, column + 1),
            ):
                if step in left:
                    left.remove(step)
                    region.add(step)
                    queue.append(step)
        if len(region) > len(best):
            best = region
    return best


def connectivity_by_hand(alpha: np.ndarray, truth: np.ndarray) -> float:
    """Look at each pixel's last connected level, then at how far both alphas are above it."""
    regions = [
        largest_region((alpha >= 25.5 * step) & (truth >= 25.5 * step)) for step in range(1, 11)
    ]
    error = 0.0
    for row in range(alpha.shape[0]):
        for column in range(alpha.shape[1]):
            level = 0
            while level < 10 and (row, column) in regions[level]:
                level += 1
            degrees = []
            for one in (alpha, truth):
                above = one[row, column] / 255 - level / 10
                degrees.append(1 - above if above >= 0.15 else 1.0)
            error += abs(degrees[0] - degrees[1])
    return error / 1000


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_connectivity_error_is_the_benchmarks(seed):
    alpha, truth = noisy_pair(seed)
    assert connectivity_error(alpha, truth) == pytest.approx(
        connectivity_by_hand(alpha, truth), rel=1e-5
    )
    assert connectivity_error(alpha, truth) > 0
    assert connectivity_error(truth, truth) == 0.0


def test_an_island_that_is_cut_off_costs_connectivity_and_a_joined_one_does_not():
    joined = np.zeros((40, 60), np.uint8)
    joined[10:30, 5:25] = 255
    joined[10:30, 40:50] = 255
    joined[18:22, 25:40] = 255
    cut = joined.copy()
    cut[:, 30:33] = 0
    assert connectivity_error(joined, joined) == 0.0
    # The island's pixels are in both alphas, so only the gap's own differ: a 12 px gap.
    assert connectivity_error(cut, joined) == pytest.approx(0.012)


def test_what_is_found_where_nothing_is_counts_in_all_errors():
    found, nothing = soft_disc(60, 30, 30, 12), np.zeros((60, 60), np.uint8)
    colour = np.full((60, 60, 3), 90, np.uint8)
    got = scores(found, colour, nothing, colour)
    assert got.iou == 0.0
    assert got.halo is None
    assert min(got.sad, got.mse, got.gradient, got.connectivity) > 0
    none = scores(nothing, colour, nothing, colour)
    assert none.iou == 1.0
    assert none.sad == none.mse == none.gradient == none.connectivity == 0.0


def test_a_kept_background_is_a_halo_and_the_subjects_own_colour_is_none():
    truth = soft_disc(80, 40, 40, 25, soft=8)
    subject = np.full((80, 80, 3), (150, 100, 60), np.uint8)
    photo = over(subject, truth, (20, 60, 200))
    assert halo(truth, subject, truth, subject) == 0.0
    kept, mended = halo(truth, photo, truth, subject), halo(truth, subject, truth, subject)
    assert kept is not None
    assert kept > 5
    assert mended is not None
    assert mended < kept / 2


def test_the_band_of_a_hard_edge_is_as_wide_as_a_rim_is_seen():
    truth = np.zeros((40, 40), np.uint8)
    truth[:, 20:] = 255
    columns = np.flatnonzero(edge_band(truth)[20])
    assert columns.min() == 17
    assert columns.max() == 23
    assert not edge_band(np.zeros((40, 40), np.uint8)).any()
    assert not edge_band(np.full((40, 40), 255, np.uint8)).any()


def test_over_mixes_by_alpha():
    colour, alpha = np.full((1, 2, 3), 100, np.uint8), np.array([[0, 51]], np.uint8)
    assert over(colour, alpha, (200, 0, 50))[0].tolist() == [[200, 0, 50], [180, 20, 60]]
