"""What a request says of its mask reaches the cleaning, and the report says what was done."""

from __future__ import annotations

import numpy as np

from pawfect.local import inpaint_local
from tests.lawn import lawn


def test_the_parameters_of_the_mask_reach_its_cleaning():
    photo = lawn(240, 320)
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[60:140, 60:140] = 255
    mask[64:136, 64:136] = 0
    mask[200:205, 200:205] = 255
    plain = inpaint_local(photo, mask)
    assert (plain.report.outlines, plain.report.specks) == (1, 0)
    assert plain.clean_mask[100, 100] == 0
    given = inpaint_local(photo, mask, fill_outlines=True, least_speck_px=26, dilate_px=5)
    assert (given.report.outlines, given.report.outlines_filled) == (0, 1)
    assert (given.report.specks, given.report.least_speck_px) == (1, 26)
    assert given.report.dilate_px == given.report.least_dilate_px == 5
    assert given.clean_mask[100, 100] == 255
    assert given.clean_mask[202, 202] == 0
