"""Guided filter, matting and colours against OpenCV's and pymatting's on the same data."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pawfect.matting import closed_form, foreground
from pawfect.matting.guided import applied, linear_model
from pawfect.picture import raster
from tests.pawfect.matting.known import picture, seen


@pytest.mark.parametrize("radius", [2, 6, 15])
@pytest.mark.parametrize("epsilon", [1e-4, 1e-2])
def test_with_even_weights_the_fit_is_opencvs_guided_filter(radius: int, epsilon: float):
    photo = picture().photo
    guide = photo.astype(np.float32) / np.float32(255)
    target = raster.linear_resize(seen(picture().alpha), (240, 320))
    model = linear_model(guide, target, np.ones_like(target), radius, epsilon)
    planes = np.dstack([model.slope, model.offset, np.ones_like(target)])
    ours = target.copy()
    applied(photo, np.ascontiguousarray(planes, np.float32), ours)
    # Theirs knows no regularisation below 0.01, so it is given colours of 0 to 255.
    theirs = cv2.ximgproc.guidedFilter(guide * 255, target, radius, epsilon * 255**2)
    assert np.abs(ours - np.clip(theirs, 0, 1)).max() < 1e-3


@pytest.mark.slow
def test_matting_run_to_its_end_is_pymattings(monkeypatch: pytest.MonkeyPatch):
    from pymatting import estimate_alpha_cf

    known = picture()
    image = raster.box_mean_resize(known.photo.astype(np.float32) / np.float32(255), (120, 160))
    alpha = raster.box_mean_resize(known.alpha, (120, 160))
    unknown = cv2.dilate(((alpha > 0.02) & (alpha < 0.98)).astype(np.uint8), np.ones((3, 3))) > 0
    half = np.where(unknown, np.float32(0.5), (alpha > 0.5).astype(np.float32))
    monkeypatch.setattr(closed_form, "_TOLERANCE", 1e-7)
    ours = closed_form.closed_form(image, half, unknown, None, iterations=5000)
    theirs = estimate_alpha_cf(image.astype(np.float64), half.astype(np.float64))
    assert np.abs(ours - theirs).max() < 1e-3
    assert np.array_equal(ours[~unknown], half[~unknown])


@pytest.mark.slow
@pytest.mark.parametrize("size", [(120, 160), (97, 31), (20, 20)])
def test_colours_are_pymattings(size: tuple[int, int]):
    from pymatting import estimate_foreground_ml

    known = picture()
    image = raster.box_mean_resize(known.photo.astype(np.float32) / np.float32(255), size)
    alpha = raster.box_mean_resize(known.alpha, size)
    ours = foreground.estimate(image, alpha)
    theirs = estimate_foreground_ml(image, alpha, return_background=True)
    for mine, other in zip(ours, theirs, strict=True):
        assert np.abs(mine - other).max() < 1e-3


def test_matting_solves_the_equations_of_the_laplacian():
    """A dense Laplacian by its definition, solved directly: no iteration, no shared code."""
    rng = np.random.default_rng(0)
    image = rng.random((9, 11, 3)).astype(np.float32)
    alpha = np.zeros((9, 11), np.float32)
    alpha[:, 6:] = 1
    unknown = np.zeros((9, 11), bool)
    unknown[2:8, 3:9] = True
    laplacian = np.zeros((99, 99))
    for y in range(1, 8):
        for x in range(1, 10):
            window = [(y + v) * 11 + x + u for v in (-1, 0, 1) for u in (-1, 0, 1)]
            colours = image.reshape(-1, 3)[window].astype(np.float64)
            centred = colours - colours.mean(0)
            inverse = np.linalg.inv(centred.T @ centred / 9 + closed_form.EPSILON / 9 * np.eye(3))
            affinity = (1 + centred @ inverse @ centred.T) / 9
            laplacian[np.ix_(window, window)] += np.eye(9) - affinity
    inner = unknown.ravel()
    right = -laplacian[np.ix_(inner, ~inner)] @ alpha.ravel()[~inner]
    expected = np.clip(np.linalg.solve(laplacian[np.ix_(inner, inner)], right), 0, 1)
    ours = closed_form.closed_form(image, alpha, unknown, None, iterations=1000)
    assert np.abs(ours.ravel()[inner] - expected).max() < 1e-3
