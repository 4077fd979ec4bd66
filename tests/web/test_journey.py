"""The page in short: a photo, a stroke, a fill, a region of it refined; others are marked slow."""

from __future__ import annotations

import numpy as np
from playwright.sync_api import expect

from tests.web.axe import assert_accessible
from tests.web.hand import Hand
from tests.web.photos import HEIGHT, WIDTH, in_common, pixels, stroke_of


def test_a_photo_is_painted_filled_and_refined_in_a_real_browser(hand: Hand, photo):
    assert_accessible(hand.page)
    hand.choose(photo)
    stroke = [(40.0, 40.0), (90.0, 60.0)]
    hand.drag(stroke)
    expect(hand.button("Undo")).to_be_enabled()
    mask = pixels(hand.saved_mask())
    assert (mask.shape, set(np.unique(mask))) == ((HEIGHT, WIDTH), {0, 255})
    assert in_common(mask > 0, stroke_of((WIDTH, HEIGHT), hand.brush_size(), stroke)) > 0.97
    assert_accessible(hand.page)

    hand.fill()
    first = hand.until_done(1)
    expect(first.get_by_alt_text("After: v1")).to_be_visible()
    (version,) = hand.state()["versions"]
    assert (version["kind"], version["parent"]) == ("inpaint", 0)
    np.testing.assert_array_equal(pixels(hand.file(version["links"]["mask"])) > 0, mask > 0)

    drawer = hand.refine(1, "Regional")
    expect(drawer.get_by_text("it does not use prompts")).to_be_visible()
    hand.drag([(200, 150), (260, 200)], drawer)
    expect(drawer.get_by_label("Width of region 1, pixels")).to_have_value("60")
    assert_accessible(hand.page)
    hand.button("Fill the regions", drawer).click()
    expect(drawer.get_by_role("log")).to_be_visible()
    hand.close_drawer()
    hand.until_done(2)
    second = hand.state()["versions"][1]
    assert (second["type"], second["parent"]) == ("region", 1)
    before, after = (pixels(hand.file(one["imageUrl"])) for one in hand.state()["versions"])
    far = np.ones((HEIGHT, WIDTH), bool)
    far[140:210, 190:270] = False
    np.testing.assert_array_equal(after[far], before[far])
    assert not np.array_equal(after[150:200, 200:260], before[150:200, 200:260])
