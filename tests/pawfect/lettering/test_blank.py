"""Letters in an empty box: of their own shape, and said to be too small where they are."""

import numpy as np
import pytest

from pawfect.lettering.blank import blank_line
from pawfect.lettering.old import Attempt, set_in_place


@pytest.mark.parametrize("wide", [600, 1900])
def test_letters_in_a_very_long_box_are_not_stretched(wide: int) -> None:
    photo = np.full((60, 2000, 3), 200, np.uint8)
    line = blank_line(photo, (50, 20, wide, 16), "HOME SWEET HOME", None)
    assert line is not None
    scale = np.linalg.norm(line.frame.to_photo[:2, :2] @ line.style.match.matrix[:2, :2], axis=0)
    assert scale[0] == pytest.approx(scale[1], rel=0.02)
    done = set_in_place(photo, photo, line, "HOME SWEET HOME", Attempt())
    xs = np.flatnonzero((done.image != photo).any((0, 2)))
    assert (xs[0] + xs[-1]) / 2 == pytest.approx(50 + wide / 2, abs=3)


@pytest.mark.parametrize(("high", "fits"), [(30, True), (9, False)])
def test_letters_that_are_too_small_to_be_read_do_not_fit(high: int, fits: bool) -> None:
    photo = np.full((80, 200, 3), 200, np.uint8)
    line = blank_line(photo, (10, 20, 180, high), "REX", None)
    assert line is not None
    assert set_in_place(photo, photo, line, "REX", Attempt()).fits == fits
