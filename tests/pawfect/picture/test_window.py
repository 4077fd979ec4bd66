"""Windows: every hole in exactly one, none larger than needed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawfect.picture.box import Box
from pawfect.picture.mask import hole_boxes
from pawfect.picture.window import MAX_PAIRWISE, plan_windows, with_context

HEIGHT, WIDTH = 1500, 2000


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for _ in range(draw(st.integers(1, 12))):
        x, y = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
        w, h = draw(st.integers(1, 300)), draw(st.integers(1, 300))
        mask[y : y + h, x : x + w] = 255
    return mask


@settings(max_examples=60, deadline=None)
@given(masks())
def test_windows_hold_every_hole_once_with_context_and_cost_no_more_than_one_over_all(mask):
    windows = plan_windows(hole_boxes(mask), HEIGHT, WIDTH)
    covered = np.zeros(mask.shape, np.int32)
    everything = windows[0].holes
    for window in windows:
        covered[window.box.slices] += window.hole_mask(mask) > 0
        everything = everything.union(window.holes)
        assert Box(0, 0, WIDTH, HEIGHT).contains(window.box)
        assert window.box == with_context(window.holes, HEIGHT, WIDTH)
        ys, xs = np.nonzero(mask[window.holes.slices])
        # Not larger than its holes: each side of the box touches one.
        assert (xs.min(), ys.min()) == (0, 0)
        assert (xs.max() + 1, ys.max() + 1) == (window.holes.width, window.holes.height)
    np.testing.assert_array_equal(covered, (mask > 0).astype(np.int32))
    single = with_context(everything, HEIGHT, WIDTH).area
    assert len(windows) == 1 or sum(window.box.area for window in windows) < len(windows) * single


@pytest.mark.parametrize(
    ("boxes", "holes"),
    [
        ([(50, 50, 150, 150), (1800, 1300, 1900, 1400)], None),
        ([(500, 500, 600, 600), (640, 520, 700, 580)], [(500, 500, 700, 600)]),
    ],
)
def test_near_holes_share_a_window_and_others_have_their_own(boxes, holes):
    windows = plan_windows(np.array(boxes, np.int32), HEIGHT, WIDTH)
    assert [w.holes for w in windows] == [Box(*box) for box in holes or boxes]


def test_the_same_hole_gets_the_same_window_in_a_larger_photo():
    box = np.array([[900, 400, 1100, 600]], np.int32)
    small, large = plan_windows(box, 1000, 2000), plan_windows(box, 3000, 4000)
    assert small == large


def test_thousands_of_holes_are_planned_with_each_in_one_window():
    mask = np.zeros((2000, 2000), np.uint8)
    mask[10::25, 10::25] = 255
    boxes = hole_boxes(mask)
    assert len(boxes) == 6400
    windows = plan_windows(boxes, 2000, 2000)
    assert len(windows) <= MAX_PAIRWISE
    covered = sum(np.count_nonzero(window.hole_mask(mask)) for window in windows)
    assert covered == np.count_nonzero(mask)


def test_a_window_reaches_farther_sideways_than_up_and_down():
    box = with_context(Box(900, 600, 1100, 800), HEIGHT, WIDTH)
    assert box == Box(700, 500, 1300, 900)


@pytest.mark.parametrize(
    ("a", "b", "meet"),
    [
        (Box(0, 0, 10, 10), Box(10, 0, 20, 10), False),
        (Box(0, 0, 10, 10), Box(9, 9, 20, 20), True),
        (Box(0, 0, 10, 10), Box(2, 2, 4, 4), True),
    ],
)
def test_boxes_meet_where_they_share_a_pixel(a, b, meet):
    assert a.meets(b) is meet
    assert b.meets(a) is meet
