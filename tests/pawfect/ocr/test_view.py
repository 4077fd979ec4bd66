"""At which size a photo is looked at, and how points come back to it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect.contract.reading import SIZES
from pawfect.ocr.view import view_of


def photo(height: int, width: int) -> np.ndarray:
    """Of no memory, whatever its size."""
    return np.broadcast_to(np.array([9, 99, 199], np.uint8), (height, width, 3))


@pytest.mark.parametrize(
    ("height", "width", "seen", "margin", "least_side"),
    [
        (1500, 2000, (1500, 2000), (0, 0), 736),
        (3000, 4000, (1500, 2000), (0, 0), 736),
        (4000, 3000, (2000, 1500), (0, 0), 736),
        # What is raised is raised four times at most.
        (64, 64, (64, 64), (0, 0), 256),
        # A panorama keeps 736 px of height.
        (2000, 10000, (736, 3680), (0, 0), 736),
        # A strip is padded to a quarter of its length, as RapidOCR does, standing ones too.
        (100, 2000, (500, 2000), (0, 200), 736),
        (2000, 100, (2000, 500), (200, 0), 736),
        # A longer one to twice its height, and is not raised.
        (64, 16384, (128, 16384), (0, 32), 1),
    ],
)
def test_a_photo_is_seen_at_2000_px_as_its_shape_needs(height, width, seen, margin, least_side):
    view = view_of(photo(height, width), 2000)
    assert view.picture.shape[:2] == seen
    assert (view.margin, view.least_side) == (margin, least_side)


@given(st.integers(64, 3000), st.integers(64, 3000), st.sampled_from([64, 700, 2000, SIZES[1]]))
def test_what_is_seen_is_bounded_and_its_corners_are_the_photos(height, width, size):
    view = view_of(photo(height, width), size)
    high, wide = view.picture.shape[:2]
    # The detector rounds to multiples of 32.
    assert min(high, wide) > 16
    raised = max(view.least_side / min(high, wide), 1.0)
    # A panorama of 8 to 1, which keeps its height of 736 px, has the most of the usual size.
    assert high * wide * raised**2 <= (4_500_000 if size <= 2000 else 1.1 * size**2)
    left, top = view.margin
    corners = np.array([[left, top], [wide - left, high - top]], np.float32)
    back = view.to_photo(corners)
    np.testing.assert_allclose(back, [[0, 0], [width, height]], atol=0.01)
