"""A drawn face in the light of its scene, on synthetic casts."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.identity.alignment import aligned, alignment
from pawfect.identity.colour import matched, skin_of_square
from pawfect.picture import raster
from tests.pawfect.identity.marked import MARKED

SIDE = 128
SQUARES = [aligned(m.photo, alignment(m.face.points, SIDE), SIDE) for m in MARKED]
SKIN = skin_of_square(SIDE)
ALL = np.ones((SIDE, SIDE), np.bool_)
FROM_LEFT = np.linspace(1.25, 0.75, SIDE)[None, :, None]
# By name: the cast, and the share of it that is left at most.
CASTS = {
    "warm": (lambda x: x * (1.15, 1, 0.8), 0.25),
    "cool": (lambda x: x * (0.85, 0.97, 1.2), 0.25),
    "green": (lambda x: x * (0.9, 1.1, 0.95), 0.25),
    "dark": (lambda x: 0.7 * x, 0.1),
    "flat": (lambda x: 128 + 0.7 * (x - 128), 0.25),
    "from the left": (lambda x: x * FROM_LEFT, 0.55),
}


def away(one: np.ndarray, other: np.ndarray) -> float:
    first, second = (raster.to_lab(np.clip(x, 0, 255).astype(np.float32)) for x in (one, other))
    return float(np.sqrt(np.square(first - second).sum(axis=-1))[SKIN].mean())


@pytest.mark.parametrize("cast", CASTS)
def test_most_of_a_cast_over_the_same_face_is_taken_away(cast):
    change, left = CASTS[cast]
    before, after = [], []
    for square in SQUARES:
        drawn = np.clip(change(square.astype(float)), 0, 255).astype(np.float32)
        before.append(away(drawn, square))
        after.append(away(matched(square, drawn, ALL), square))
    assert np.mean(before) > 4
    assert np.mean(after) < left * np.mean(before)


def test_another_face_gets_the_skin_of_the_one_in_whose_place_it_comes_and_keeps_its_features():
    seen, drawn = SQUARES[-1], SQUARES[2].astype(np.float32)
    result = matched(seen, drawn, ALL)

    def middle(square):
        return np.median(raster.to_lab(square)[SKIN], axis=0)

    far, near = (np.linalg.norm(middle(x) - middle(seen)) for x in (drawn, result))
    assert near < 0.25 * far
    # Its edges are where they were.
    fine = [raster.to_lab(x)[..., 0] for x in (drawn, result)]
    fine = [lightness - raster.gaussian(lightness, 3) for lightness in fine]
    assert np.corrcoef(fine[0].ravel(), fine[1].ravel())[0, 1] > 0.97


def test_a_face_as_it_was_stays_as_it_was():
    for square in SQUARES:
        same = matched(square, square.astype(np.float32), ALL)
        assert np.abs(same - square).max() < 0.2


def test_colours_of_what_lies_before_the_face_do_not_count():
    seen = SQUARES[-1].copy()
    covered = np.zeros_like(ALL)
    covered[80:, 64:] = True
    drawn = np.clip(seen * (1.15, 1, 0.8), 0, 255).astype(np.float32)
    wanted = matched(seen, drawn, ~covered)
    seen[covered] = (20, 200, 30)
    np.testing.assert_array_equal(matched(seen, drawn, ~covered), wanted)


def test_too_little_skin_says_nothing_and_changes_nothing():
    drawn = SQUARES[0].astype(np.float32)
    visible = np.zeros_like(ALL)
    visible[60:70, 40:60] = True
    assert matched(SQUARES[1], drawn, visible) is drawn


def test_skin_is_cheeks_and_chin_at_every_size_and_neither_eyes_nor_mouth():
    for side in (128, 256, 512):
        skin = skin_of_square(side)
        n = side // 128
        assert 0.2 < skin.mean() < 0.3
        for x, y, inside in ((40, 75, 1), (88, 75, 1), (64, 112, 1), (46, 52, 0), (64, 92, 0)):
            assert skin[n * y, n * x] == bool(inside)
