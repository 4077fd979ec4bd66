"""Old letters found on their ground: coverage, mask and colour against what was drawn."""

from typing import Any

import numpy as np
import pytest

from pawfect.lettering.frame import frame_of, rectified
from pawfect.lettering.ink import find_ink
from tests.pawfect.lettering.drawn import cut_of, word

GROUNDS = {
    "dark on light": {},
    "light on dark": {"ink": (250, 240, 215), "ground": (50, 60, 70)},
    "on a texture": {"texture": 7.0, "ground": (150, 110, 70), "ink": (250, 245, 235)},
    "turned": {"angle": 12.0},
    "small and soft": {"cap_px": 15.0, "blur": 1.2},
}


@pytest.mark.parametrize("given", GROUNDS.values(), ids=GROUNDS)
def test_what_is_covered_agrees_with_what_was_drawn(given: dict[str, Any]) -> None:
    drawn = word("ROCKY", cut_of("open-sans"), **given)
    frame = frame_of(drawn.quad)
    ink = find_ink(rectified(drawn.photo.astype(np.float32), frame), frame.line)
    assert ink is not None
    truth = rectified(drawn.cover, frame)
    assert np.corrcoef(ink.alpha.ravel(), truth.ravel())[0, 1] > 0.97
    # The mask holds every letter with its rim, and is no box.
    assert ink.mask[truth > 0.15].all()
    assert ink.mask[frame.line.slices].mean() < 0.9
    middle = np.array(210.0), np.array(110.0)
    expected = given.get("ink", (30, 40, 90))
    # Strokes as thin as their blur is wide show their full colour nowhere.
    tolerance = 40 if "blur" in given else 12
    assert np.abs(ink.colour.at(*middle) - expected).max() < tolerance


def test_a_gradient_of_the_ink_is_followed() -> None:
    drawn = word("HHHHHH", cut_of("open-sans", 800), grain=0.0)
    shade = np.linspace(0.2, 1.6, drawn.photo.shape[1])[None, :, None]
    ink_colour = np.clip(np.array((90, 60, 110)) * shade, 0, 255)
    cover = drawn.cover[..., None]
    photo = drawn.bare * (1 - cover) + ink_colour * cover
    frame = frame_of(drawn.quad)
    ink = find_ink(rectified(photo.astype(np.float32), frame), frame.line)
    assert ink is not None
    y = (ink.box.y0 + ink.box.y1) / 2
    for x in (ink.box.x0 + 12.0, ink.box.x1 - 12.0):
        point = frame.to_photo @ (x, y, 1.0)
        wanted = ink_colour[0, round(point[0] / point[2])]
        assert np.abs(ink.colour.at(np.array(x), np.array(y)) - wanted).max() < 14


def test_an_empty_ground_has_no_ink() -> None:
    drawn = word("MAX", cut_of("open-sans"), texture=5.0)
    frame = frame_of(drawn.quad)
    assert find_ink(rectified(drawn.bare.astype(np.float32), frame), frame.line) is None
