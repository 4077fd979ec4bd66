"""Where two pictures differ: known colours, known cells."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.refine.changes import change_map
from tests.lawn import lawn


def test_a_picture_as_it_was_has_no_changes():
    photo = lawn(96, 128)
    changes = change_map(photo, photo)
    assert changes.share == 0
    assert (len(changes.cells), len(changes.cells[0])) == (24, 32)
    assert not np.array(changes.cells).any()


def test_what_became_white_out_of_black_lies_in_its_cells():
    before = np.zeros((320, 160, 3), np.uint8)
    after = before.copy()
    after[80:160, 40:60] = 255
    changes = change_map(before, after)
    cells = np.array(changes.cells)
    # Cells of 10 px.
    expected = np.zeros((32, 16), int)
    expected[8:16, 4:6] = 100
    np.testing.assert_array_equal(cells, expected)
    assert changes.share == pytest.approx(80 * 20 / (320 * 160), abs=1e-4)


def test_one_level_of_grey_cannot_be_seen():
    photo = np.full((100, 100, 3), 120, np.uint8)
    changes = change_map(photo, photo + np.uint8(1))
    assert changes.share == 0
    assert not np.array(changes.cells).any()


@pytest.mark.parametrize("shape", [(64, 64), (64, 2000), (97, 131), (1000, 70)])
def test_every_pixel_is_in_one_cell(shape):
    before = np.zeros((*shape, 3), np.uint8)
    changes = change_map(before, before + np.uint8(255))
    assert changes.share == 1
    assert set(np.array(changes.cells).ravel()) == {100}
    assert max(len(changes.cells), len(changes.cells[0])) == 32
