"""Mask cleaning: specks, pinholes, growth, PROTECT, ring."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.picture.mask import clean_mask, hole_boxes
from tests.refusals import refusal


def disc(size: int, radius: int, at: tuple[int, int] | None = None) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    cv2.circle(mask, at or (size // 2, size // 2), radius, 255, -1)
    return mask


def _blobs(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mask = np.zeros((160, 200), np.uint8)
    for _ in range(count):
        x, y, r = rng.integers(0, 200), rng.integers(0, 160), rng.integers(1, 25)
        cv2.circle(mask, (int(x), int(y)), int(r), 255, -1)
    return mask


blobs = st.builds(_blobs, st.integers(0, 10_000), st.integers(1, 8))


def brute_force_dilation(mask: np.ndarray, radius: float) -> np.ndarray:
    """Every pixel within `radius` of a marked one, tried offset by offset."""
    grown = np.zeros_like(mask)
    reach = int(radius)
    padded = np.pad(mask, reach)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if dx * dx + dy * dy <= radius * radius:
                rows = slice(reach + dy, reach + dy + mask.shape[0])
                columns = slice(reach + dx, reach + dx + mask.shape[1])
                grown |= padded[rows, columns]
    return grown


def test_growth_is_a_euclidean_disc_around_every_marked_pixel():
    mask = disc(200, 20)
    mask[100:104, 20:60] = 255
    cleaned = clean_mask(mask, dilate_px=9)
    np.testing.assert_array_equal(cleaned.mask, brute_force_dilation(mask, 9))


def test_what_nobody_can_have_meant_goes_and_leaves_no_trace():
    mask = disc(1000, 100, (500, 500))
    clean = clean_mask(mask).mask
    for at in ((50, 50), (900, 120), (300, 950)):
        cv2.circle(mask, at, 1, 255, -1)
    cleaned = clean_mask(mask)
    assert (cleaned.changes.specks, cleaned.changes.least_speck_px) == (3, 9)
    np.testing.assert_array_equal(cleaned.mask, clean)


def test_a_crumb_beside_a_large_hole_stays():
    mask = np.zeros((603, 1072), np.uint8)
    cv2.circle(mask, (400, 300), 150, 255, -1)
    cv2.circle(mask, (900, 100), 3, 255, -1)
    cleaned = clean_mask(mask)
    assert cleaned.changes.specks == 0
    assert cleaned.mask[100, 900] == 255


def test_a_crumb_of_12_px_stays_in_12_megapixels():
    mask = np.zeros((3000, 4000), np.uint8)
    cv2.circle(mask, (1500, 1500), 600, 255, -1)
    cv2.circle(mask, (3500, 300), 6, 255, -1)
    assert clean_mask(mask).mask[300, 3500] == 255


def test_dust_beside_a_scratch_stays():
    mask = np.zeros((768, 1024), np.uint8)
    cv2.line(mask, (50, 50), (900, 700), 255, 5)
    clean = clean_mask(mask)
    for at in ((900, 100), (200, 600), (500, 60)):
        cv2.circle(mask, at, 2, 255, -1)
    cleaned = clean_mask(mask)
    assert cleaned.changes.specks == 0
    assert len(cleaned.boxes) == len(clean.boxes) + 3


def test_what_counts_as_a_speck_can_be_said():
    mask = disc(400, 60)
    mask[10:15, 10:15] = mask[10:12, 300:302] = 255
    for least, specks in ((0, 0), (1, 0), (4, 0), (5, 1), (25, 1), (26, 2)):
        changes = clean_mask(mask, least_speck_px=least).changes
        assert (changes.specks, changes.least_speck_px) == (specks, least)
    only = np.where(mask, 255, 0).astype(np.uint8)
    only[50:] = 0
    message = refusal(ErrorKind.INVALID_ARG, clean_mask, only, least_speck_px=26)
    assert (
        message
        == "MASK: expected something of at least least_speck_px = 26 px, got parts of at most 25 px"
    )


def test_a_lone_small_dot_is_no_speck():
    cleaned = clean_mask(disc(2000, 1))
    assert cleaned.changes.specks == 0
    assert cleaned.mask[1000, 1000] == 255


def test_a_sliver_that_touches_the_object_diagonally_belongs_to_it():
    mask = np.zeros((400, 400), np.uint8)
    mask[100:200, 100:200] = 255
    for step in range(30):
        mask[200 + step, 200 + step] = 255
    cleaned = clean_mask(mask, dilate_px=0)
    assert cleaned.changes.specks == 0
    np.testing.assert_array_equal(cleaned.mask, mask)


def test_pinholes_close_but_the_inside_of_a_loop_stays():
    mask = disc(800, 200)
    cv2.circle(mask, (400, 400), 80, 0, -1)  # a leash's loop
    cv2.circle(mask, (400, 260), 3, 0, -1)  # a pinhole in its rim
    cleaned = clean_mask(mask, dilate_px=0)
    assert cleaned.changes.pinholes == 1
    assert cleaned.mask[260, 400] == 255
    assert cleaned.mask[400, 400] == 0


def test_values_from_128_up_mean_fill():
    mask = np.full((100, 100), 127, np.uint8)
    mask[40:60, 40:60] = 128
    cleaned = clean_mask(mask, dilate_px=0)
    assert cv2.countNonZero(cleaned.mask) == 400
    assert set(np.unique(cleaned.mask)) == {0, 255}


@settings(max_examples=60, deadline=None)
@given(blobs, st.integers(0, 30), st.integers(0, 30))
def test_growing_further_never_loses_a_pixel(mask, one, other):
    small, large = sorted((one, other))
    if mask.all():
        return
    less, more = (clean_mask(mask, dilate_px=px).mask for px in (small, large))
    assert not (less & ~more).any()


@settings(max_examples=60, deadline=None)
@given(blobs)
def test_growth_by_width_lies_between_2_px_and_the_growth_of_compact_holes(mask):
    if mask.all():
        return
    least, by_width, most = (clean_mask(mask, dilate_px=px).mask for px in (2, None, 8))
    assert not (least & ~by_width).any()
    assert not (by_width & ~most).any()


@settings(max_examples=60, deadline=None)
@given(blobs, arrays(np.uint8, (160, 200), elements=st.sampled_from([0, 127, 128, 255])))
def test_protect_is_never_filled_and_never_in_the_ring(mask, noise):
    protect = np.zeros_like(noise)
    protect[:, 90:110] = noise[:, 90:110]
    try:
        cleaned = clean_mask(mask, protect)
    except PawfectError as error:
        assert error.kind is ErrorKind.INVALID_ARG
        return
    assert not cleaned.mask[protect >= 128].any()
    assert not cleaned.ring[protect >= 128].any()


@settings(max_examples=60, deadline=None)
@given(blobs)
def test_the_ring_surrounds_the_mask_without_meeting_it(mask):
    if mask.all():
        return
    cleaned = clean_mask(mask)
    assert not (cleaned.ring & cleaned.mask).any()
    touching = cv2.dilate(cleaned.mask, np.ones((3, 3), np.uint8)) & ~cleaned.mask
    assert (cleaned.ring[touching > 0] == 255).all()


@settings(max_examples=60, deadline=None)
@given(blobs)
def test_boxes_bound_each_hole_and_the_largest_comes_first(mask):
    if not mask.any():
        return
    boxes = hole_boxes(mask)
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    expected = []
    for label in range(1, count):
        rows, columns = np.nonzero(labels == label)
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        expected.append((-rows.size, tuple(map(int, box))))
    assert sorted(map(tuple, boxes.tolist())) == sorted(box for _, box in expected)
    areas = {box: -area for area, box in expected}
    sizes = [areas[tuple(box)] for box in boxes.tolist()]
    assert sizes == sorted(sizes, reverse=True)


def test_a_hole_over_80_percent_leaves_half_of_what_was_known():
    mask = np.zeros((64, 64), np.uint8)
    mask[3:61, 3:61] = 255
    known = np.count_nonzero(mask == 0)
    left = np.count_nonzero(clean_mask(mask).mask == 0)
    assert known / 2 <= left < known


@pytest.mark.parametrize(
    ("mask", "protect", "says"),
    [
        (np.zeros((100, 100), np.uint8), None, "empty mask"),
        (np.full((100, 100), 127, np.uint8), None, "empty mask"),
        (np.full((100, 100), 255, np.uint8), None, "full mask"),
        (disc(100, 10), disc(100, 40), "all of the mask protected"),
        (disc(100, 10), disc(101, 40), "expected the mask's size 100x100, got 101x101"),
        (disc(63, 10), None, "got 63x63"),
        (np.zeros((1, 100), np.uint8), None, "got 100x1"),
        (np.zeros((0, 0), np.uint8), None, "got 0x0"),
        (np.ones((64, 16385), np.uint8), None, "got 16385x64"),
        (np.broadcast_to(np.uint8(255), (12000, 12000)), None, "144.0 MP"),
    ],
)
def test_bad_masks_are_named(mask, protect, says):
    message = refusal(ErrorKind.INVALID_ARG, clean_mask, mask, protect)
    assert "expected" in message
    assert says in message
