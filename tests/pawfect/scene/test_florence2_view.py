"""What a captioner sees: the ring, and nothing else of the picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.scene import florence2_view as surroundings
from pawfect.scene.florence2_view import neutralised

rings = arrays.arrays(
    np.uint8,
    arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24),
    elements=st.sampled_from([0, 127, 128, 255]),
).filter(lambda ring: (ring >= 128).any())


def picture(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def box(ring: np.ndarray) -> tuple[slice, slice]:
    rows, columns = np.nonzero(ring >= 128)
    return (
        slice(int(rows.min()), int(rows.max()) + 1),
        slice(int(columns.min()), int(columns.max()) + 1),
    )


def annulus(side: int = 200, radius: int = 60, width: int = 30) -> np.ndarray:
    ring = np.zeros((side, side), np.uint8)
    cv2.circle(ring, (side // 2, side // 2), radius, 255, width)
    return ring


@given(rings, st.integers(0, 2**32 - 1))
def test_no_pixel_outside_the_ring_has_any_influence(ring, seed):
    image = picture(ring.shape)
    other = np.where((ring >= 128)[..., None], image, picture(ring.shape, seed))
    np.testing.assert_array_equal(neutralised(image, ring), neutralised(other, ring))


def test_no_pixel_outside_the_ring_has_any_influence_where_it_is_shrunk(monkeypatch):
    monkeypatch.setattr(surroundings, "WORKING_PX", 64)
    ring = annulus()
    image = picture(ring.shape)
    other = np.where((ring >= 128)[..., None], image, picture(ring.shape, 1))
    seen = neutralised(image, ring)
    assert max(seen.shape) == 64
    np.testing.assert_array_equal(seen, neutralised(other, ring))


@given(rings)
def test_the_ring_s_box_is_shown_with_the_ring_bit_for_bit(ring):
    image = picture(ring.shape)
    seen, known = neutralised(image, ring), ring[box(ring)] >= 128
    assert seen.shape == (*known.shape, 3)
    np.testing.assert_array_equal(seen[known], image[box(ring)][known])


@given(rings)
def test_everything_else_is_made_of_the_ring_s_own_colours(ring):
    image = picture(ring.shape)
    own = {tuple(colour) for colour in image[ring >= 128]}
    assert {tuple(colour) for colour in neutralised(image, ring).reshape(-1, 3)} <= own


def test_the_hole_is_a_mirror_image_across_the_nearest_edge():
    ring = np.zeros((30, 60), np.uint8)
    ring[:, :20] = ring[:, 59:] = 255
    image = np.zeros((30, 60, 3), np.uint8)
    image[..., 0] = np.arange(60)
    row = neutralised(image, ring)[15, :, 0]
    np.testing.assert_array_equal(row[20:26], [19, 18, 17, 16, 15, 14])


def test_texture_runs_on_so_that_no_outline_is_left():
    ring = annulus()
    image = picture(ring.shape)
    seen, known = neutralised(image, ring).astype(float), ring[box(ring)] >= 128
    middle = np.s_[seen.shape[0] // 2 - 15 : seen.shape[0] // 2 + 15, 50:80]
    assert seen[middle].std() > 0.7 * seen[known].std()
    assert abs(seen[middle].mean() - seen[known].mean()) < 12


def test_a_shrunk_ring_keeps_its_colour_up_to_its_edge(monkeypatch):
    monkeypatch.setattr(surroundings, "WORKING_PX", 50)
    ring = annulus()
    image = np.where((ring > 0)[..., None], np.uint8([90, 160, 40]), np.uint8([255, 0, 255]))
    seen = neutralised(image, ring)
    assert np.abs(seen.astype(int) - [90, 160, 40]).max() <= 1


def test_a_ring_thinner_than_a_cell_of_the_shrunk_picture_is_still_seen(monkeypatch):
    monkeypatch.setattr(surroundings, "WORKING_PX", 10)
    ring = np.zeros((200, 200), np.uint8)
    cv2.rectangle(ring, (0, 0), (199, 199), 255, 1)
    image = np.full((200, 200, 3), 200, np.uint8)
    seen = neutralised(image, ring)
    assert seen.shape == (10, 10, 3)
    assert np.abs(seen.astype(int) - 200).max() <= 10


def test_a_ring_of_one_pixel_is_that_pixel():
    ring = np.zeros((9, 9), np.uint8)
    ring[4, 5] = 255
    image = picture(ring.shape)
    np.testing.assert_array_equal(neutralised(image, ring), image[4:5, 5:6])


@pytest.mark.parametrize("value", [0, 127])
def test_an_empty_ring_is_refused(value):
    with pytest.raises(PawfectError, match="RING: expected some pixels >= 128") as caught:
        neutralised(picture((8, 9)), np.full((8, 9), value, np.uint8))
    assert caught.value.kind is ErrorKind.INVALID_ARG


def test_sizes_that_differ_are_refused():
    with pytest.raises(PawfectError, match="RING: expected the image's size 9x8, got 8x9"):
        neutralised(picture((8, 9)), np.full((9, 8), 255, np.uint8))
