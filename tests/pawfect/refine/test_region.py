"""Regions: where they are, and how each is filled beside the others."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.refine import Region, RegionPayload
from pawfect.contract.report import Fallback, Report
from pawfect.refine.region import place_regions, repair_regions
from tests.lawn import lawn
from tests.refusals import refusal

HEIGHT, WIDTH = 40, 50
PHOTO = lawn(HEIGHT, WIDTH)
LEFT, RIGHT = Region((2, 3, 10, 12), prompt="moss"), Region((30, 20, 8, 9))


def drawn(*box: int) -> np.ndarray:
    x, y, wide, high = box
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[y : y + high, x : x + wide] = 255
    return mask


def report(engine: str) -> Report:
    return Report(
        engine=engine, engine_reason="", profile="embedded", seed=0, deadline_ms=1, width=WIDTH,
        height=HEIGHT, hole_px=1, dilate_px=0, specks=0, pinholes=0, labels=(),
        labels_source="none", strength=1.0, windows=(), stage_ms={}, total_ms=1.0,
        fallbacks=(Fallback("lama", "away", "patch"),), weights={"lama": "x"},
    )  # fmt: skip


class Painter:
    """Paints each region in one colour, and keeps what it was asked."""

    def __init__(self, engine: str = "patch") -> None:
        self.engine = engine
        self.asked: list[tuple] = []

    async def __call__(self, image, mask, protect, prompt, place):
        self.asked.append((image.copy(), mask, protect, prompt, place))
        painted = image.copy()
        painted[mask > 0] = 10 * (place + 1)
        return painted, report(self.engine)


def repaired(regions, protect=None, masks=None, fill=None):
    told = []

    async def on_filled(place, image):
        told.append((place, image.copy()))

    placed = place_regions(RegionPayload(regions), masks, HEIGHT, WIDTH)
    painter = fill or Painter()
    result = asyncio.run(repair_regions(PHOTO, placed, protect, painter, on_filled))
    return result, painter, told


def test_each_region_is_filled_in_order_on_what_the_one_before_became():
    result, painter, told = repaired((LEFT, RIGHT))
    assert [(prompt, place) for *_, prompt, place in painter.asked] == [("moss", 0), (None, 1)]
    np.testing.assert_array_equal(painter.asked[0][0], PHOTO)
    np.testing.assert_array_equal(painter.asked[1][0], told[0][1])
    expected = PHOTO.copy()
    expected[3:15, 2:12] = 10
    expected[20:29, 30:38] = 20
    np.testing.assert_array_equal(result.image, expected)
    np.testing.assert_array_equal(told[1][1], expected)
    assert [place for place, _ in told] == [0, 1]


def test_while_one_is_filled_the_others_and_what_protect_marks_are_guarded():
    protect = drawn(40, 0, 10, 10)
    _, painter, _ = repaired((LEFT, RIGHT), protect)
    np.testing.assert_array_equal(painter.asked[0][2], drawn(30, 20, 8, 9) | protect)
    np.testing.assert_array_equal(painter.asked[1][2], drawn(2, 3, 10, 12) | protect)


def test_one_region_alone_guards_nothing():
    _, painter, _ = repaired((LEFT,))
    assert painter.asked[0][2] is None


def test_a_drawn_mask_is_as_good_as_a_box():
    shape = np.zeros((HEIGHT, WIDTH), np.uint8)
    shape[5, 6], shape[8, 20], shape[0, 0] = 255, 128, 127
    result, painter, _ = repaired((RIGHT, Region(mask=0, prompt="a")), masks=shape[None])
    np.testing.assert_array_equal(painter.asked[1][1] > 0, shape >= 128)
    assert [it.bbox for it in result.regions] == [(30, 20, 8, 9), (6, 5, 15, 4)]
    assert [it.mask for it in result.regions] == [None, 0]


def test_a_prompt_that_the_engine_does_not_read_is_said():
    result, *_ = repaired((LEFT, RIGHT))
    assert [it.prompt_used for it in result.regions] == [False, False]
    assert result.notes == (
        "no prompt was read of masks[0]: the engine patch goes by what surrounds a hole",
    )


def test_one_that_it_reads_needs_no_word():
    result, *_ = repaired((LEFT, RIGHT), fill=Painter("flux"))
    assert [it.prompt_used for it in result.regions] == [True, False]
    assert result.notes == ()


def test_what_each_fill_missed_and_used_is_told():
    result, *_ = repaired((LEFT, RIGHT))
    assert [fallback.stage for fallback in result.fallbacks] == ["lama", "lama"]
    assert result.weights == {"lama": "x"}
    assert result.engine == "inpaint"


@pytest.mark.parametrize(
    ("regions", "masks", "said"),
    [
        ((Region(mask=1),), [(1, 1, 2, 2)], "expected a mask within MASKS, which has 1, got 1"),
        ((Region(mask=0),), [], "expected a mask within MASKS, which has 0, got 0"),
        ((LEFT,), [(20, 1, 2, 2)], "MASKS: expected masks that the payload names, got one more"),
        ((Region(mask=0),), [(1, 1, 0, 0)], "MASKS[0]: expected some pixels >= 128"),
        (
            (LEFT, Region(mask=0)),
            [(11, 14, 3, 3)],
            "regions that share no pixel, got masks[0] and masks[1] with 1 px of both",
        ),
    ],
)
def test_regions_that_cannot_be_are_said(regions, masks, said):
    planes = np.stack([drawn(*box) for box in masks]) if masks else None
    payload = RegionPayload(regions)
    message = refusal(ErrorKind.INVALID_ARG, place_regions, payload, planes, HEIGHT, WIDTH)
    assert said in message


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (ErrorKind.INVALID_ARG, "PAYLOAD: masks[1]: nothing left"),
        (ErrorKind.DEADLINE, "nothing left"),
    ],
)
def test_a_region_that_cannot_be_filled_is_named(kind, said):
    class Failing(Painter):
        async def __call__(self, image, mask, protect, prompt, place):
            if place == 1:
                raise PawfectError(kind, "nothing left")
            return await super().__call__(image, mask, protect, prompt, place)

    with pytest.raises(PawfectError) as caught:
        repaired((LEFT, RIGHT), fill=Failing())
    assert (caught.value.kind, caught.value.message) == (kind, said)
