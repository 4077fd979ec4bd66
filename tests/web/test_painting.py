"""Painting: every step back and forth, masks as files, what survives a reload."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.web.conftest import Visit
from tests.web.hand import Hand
from tests.web.photos import HEIGHT, WIDTH, example_photo, in_common, pixels, stroke_of

pytestmark = pytest.mark.slow

ONE, OTHER = [(40.0, 40.0), (120.0, 60.0)], [(60.0, 200.0), (60.0, 140.0), (200.0, 200.0)]


def test_steps_go_back_and_forth_by_the_pixel(hand: Hand, photo):
    hand.choose(photo)
    hand.drag(ONE)
    first = hand.saved_mask()
    hand.drag(OTHER)
    both = hand.saved_mask()
    drawn = [stroke_of((WIDTH, HEIGHT), hand.brush_size(), line) for line in (ONE, OTHER)]
    assert in_common(pixels(both) > 0, drawn[0] | drawn[1]) > 0.98
    hand.button("Undo").click()
    assert hand.saved_mask() == first
    hand.page.keyboard.press("Control+z")
    expect(hand.paint.get_by_text("Nothing is marked yet.")).to_be_visible()
    expect(hand.button("Remove it")).to_be_disabled()
    hand.button("Redo").click()
    hand.page.keyboard.press("Control+Shift+z")
    assert hand.saved_mask() == both
    hand.button("Invert").click()
    np.testing.assert_array_equal(pixels(hand.saved_mask()), 255 - pixels(both))
    hand.button("Clear").click()
    hand.button("Undo").click()
    hand.button("Undo").click()
    assert hand.saved_mask() == both
    # A new step ends what could be done again.
    hand.button("Eraser").click()
    hand.drag(ONE)
    expect(hand.button("Redo")).to_be_disabled()
    left = pixels(hand.saved_mask()) > 0
    assert in_common(left, drawn[1] & ~drawn[0]) > 0.98


def test_shapes_zoom_and_the_size_of_the_brush(hand: Hand, photo):
    hand.choose(photo)
    hand.button("Rectangle").click()
    hand.drag([(30, 20), (130, 80)])
    mask = pixels(hand.saved_mask()) > 0
    expected = np.zeros_like(mask)
    expected[20:80, 30:130] = True
    assert in_common(mask, expected) > 0.97
    hand.button("Clear").click()
    hand.button("Lasso").click()
    hand.drag([(200, 50), (300, 50), (300, 150)])
    mask = pixels(hand.saved_mask()) > 0
    assert abs(mask.sum() - 100 * 100 / 2) < 250
    hand.button("Clear").click()
    hand.button("Brush").click()
    before = hand.brush_size()
    hand.page.mouse.move(*hand.place((100, 100)))
    hand.page.mouse.wheel(0, -100)
    expect(hand.paint.get_by_text(f"{hand.brush_size()} px")).to_be_visible()
    assert hand.brush_size() > before
    # Zoomed about the middle of the photo, that point stays where it is.
    middle = (WIDTH / 2, HEIGHT / 2)
    at = hand.place(middle)
    hand.button("Zoom in").click()
    hand.page.mouse.click(*at)
    marked = np.argwhere(pixels(hand.saved_mask()))
    np.testing.assert_allclose(marked.mean(0), (middle[1], middle[0]), atol=1.5)


def test_a_saved_mask_that_is_loaded_again_has_the_same_pixels(visit: Visit, photo, tmp_path):
    hand = visit()
    hand.choose(photo)
    hand.drag(ONE)
    hand.drag(OTHER)
    saved = hand.saved_mask()
    (tmp_path / "mask.png").write_bytes(saved)
    hand.button("Clear").click()
    hand.page.get_by_label("Load mask", exact=True).set_input_files(tmp_path / "mask.png")
    expect(hand.page.get_by_text("The mask is loaded.")).to_be_visible()
    assert hand.saved_mask() == saved
    hand.page.get_by_label("Load mask", exact=True).set_input_files(photo)
    expect(hand.page.get_by_text("expected a PNG file")).to_be_visible()
    assert hand.saved_mask() == saved, "a file that is no mask takes nothing away"


def test_photo_and_mask_survive_a_reload_before_anything_was_sent(hand: Hand, photo):
    hand.choose(photo)
    hand.drag(ONE)
    hand.drag(OTHER)
    mask = hand.saved_mask()
    hand.page.reload()
    expect(hand.canvas()).to_be_visible()
    assert hand.saved_mask() == mask


def test_a_photo_that_is_dropped_anywhere_is_taken_and_others_are_refused_in_words(
    hand: Hand, tmp_path
):
    drop = """([name, kind, content]) => {
      const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
      const data = new DataTransfer();
      data.items.add(new File([bytes], name, { type: kind }));
      document.body.dispatchEvent(
        new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    }"""
    content = base64.b64encode(example_photo(tmp_path / "d.jpg").read_bytes()).decode()
    expect(hand.page.get_by_role("button", name="Choose a photo")).to_be_visible()
    hand.page.evaluate(drop, ["list.txt", "text/plain", content])
    expect(hand.page.get_by_text("That is no picture.")).to_be_visible()
    hand.page.evaluate(drop, ["d.jpg", "image/jpeg", content])
    expect(hand.canvas()).to_be_visible()
    assert hand.photo_size() == (WIDTH, HEIGHT)
