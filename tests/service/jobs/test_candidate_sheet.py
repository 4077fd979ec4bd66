"""The picture of all candidates: where each lies, what is round it, how large it is."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.contract.candidates import FoundCandidate
from pawfect.contract.search_report import Candidate
from pawfect_client import decode_photo
from pawfect_service.jobs.kinds.candidate_sheet import CELL_PX, SMALL_PX, CandidateSheet
from tests.pawfect.photo.pictures import encoded, opened, scene


def found(number: int, box: tuple[int, int, int, int], grey: int) -> FoundCandidate:
    x0, y0, x1, y1 = box
    image = np.full((y1 - y0, x1 - x0, 3), grey, np.uint8)
    return FoundCandidate(Candidate(number, "global", number, "seed"), image, box)


@pytest.mark.parametrize(
    ("width", "height", "box", "view"),
    [
        (400, 300, (100, 100, 140, 120), (76, 76, 164, 144)),
        (400, 300, (0, 0, 400, 300), (0, 0, 400, 300)),
        (2400, 1800, (1000, 900, 2000, 1700), (750, 650, 2250, 1800)),
    ],
)
def test_each_cell_shows_the_candidate_within_its_neighbourhood(width, height, box, view):
    photo = decode_photo(encoded(scene(width, height), "PNG"))
    sheet = CandidateSheet(photo, 5)
    assert sheet.jpeg() is None
    for number in (3, 0):
        sheet.add(found(number, box, 40 * number + 60))
    sheet.add(FoundCandidate(Candidate(1, "global", 1, "seed", error="none")))
    sheet.add(found(9, box, 0))
    layout = sheet.report()
    assert (layout["view"], layout["planned"]) == (list(view), 5)
    assert (layout["columns"], layout["rows"]) == (3, 2)
    for small in (False, True):
        data = sheet.jpeg(small=small)
        assert data is not None
        picture = opened(data)
        wide, high = picture.width // 3, picture.height // 2
        longest = max(view[2] - view[0], view[3] - view[1])
        assert max(wide, high) == min(longest, SMALL_PX if small else CELL_PX)
        assert wide / high == pytest.approx(layout["ratio"], rel=0.02)
        pixels = np.asarray(picture).astype(int)
        scale = wide / (view[2] - view[0])
        x = round(scale * ((box[0] + box[2]) / 2 - view[0]))
        y = round(scale * ((box[1] + box[3]) / 2 - view[1]))
        assert abs(pixels[y, x] - 60).max() < 8
        assert abs(pixels[high + y, x] - 180).max() < 8
        assert abs(pixels[y, wide + x] - 128).max() < 8, "one without a picture is blank"
    if box[0] > 0:
        cell = np.asarray(opened(sheet.jpeg() or b"")).astype(int)
        scale = cell.shape[1] / 3 / (view[2] - view[0])
        side = round(16 / scale)
        own = photo.pixels[view[1] : view[1] + side, view[0] : view[0] + side]
        assert np.abs(cell[:16, :16].mean((0, 1)) - own.mean((0, 1))).max() < 8, "the photo is"
