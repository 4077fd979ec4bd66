"""The page without a mouse, on a phone, and what is built."""

from __future__ import annotations

import gzip
import re

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.web.axe import assert_accessible
from tests.web.conftest import BUILT, lacking
from tests.web.hand import Hand
from tests.web.photos import HEIGHT, WIDTH, pixels

# From one end of the page to the other there are fewer stops.
STOPS = 120
# Of one press of "Zoom in".
ZOOM = 1.4
# What the first load may weigh, compressed, bytes.
MOST = 600_000


def tab_to(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Press Tab until an element has the focus, as somebody without a mouse does."""
    expect(wanted).to_be_enabled()
    for _ in range(STOPS):
        page.keyboard.press(key)
        if wanted.evaluate("(one) => one === document.activeElement"):
            return
    raise AssertionError(f"{wanted} is not to be reached by {key}")


@pytest.mark.slow
def test_a_photo_is_filled_and_refined_by_keys_alone(hand: Hand, photo):
    page, keys = hand.page, hand.page.keyboard
    # Choosers are caught once the browser was told to, which a key may overtake: told ahead.
    page.on("filechooser", lambda chooser: None)
    tab_to(page, hand.button("Choose a photo"))
    with page.expect_file_chooser() as chooser:
        keys.press("Enter")
    chooser.value.set_files(photo)
    expect(hand.canvas()).to_be_visible()
    keys.press("n")
    numbers = page.get_by_role("dialog", name="Rectangle by numbers")
    tab_to(page, numbers.get_by_label("Width, pixels"))
    keys.press("Control+a")
    keys.type("60")
    keys.press("Enter")
    expect(numbers).to_be_hidden()
    keys.press("Control+z")
    expect(hand.paint.get_by_text("Nothing is marked yet.")).to_be_visible()
    keys.press("Control+Shift+z")
    keys.press("Control+Enter")
    first = hand.until_done(1)
    # The new card has the focus: what comes next is near.
    tab_to(page, hand.button("Refine", first))
    keys.press("Enter")
    tab_to(page, hand.drawer.get_by_role("tab", name="Text repair"))
    keys.press("ArrowRight")
    keys.press("Enter")
    region = hand.drawer.get_by_role("tab", name="Regional")
    expect(region).to_have_attribute("aria-selected", "true")
    tab_to(page, hand.button("Add a box", hand.drawer))
    keys.press("Enter")
    tab_to(page, hand.button("Fill the regions", hand.drawer))
    keys.press("Enter")
    expect(hand.drawer.get_by_role("log")).to_be_visible()
    keys.press("Escape")
    expect(hand.drawer).to_be_hidden()
    hand.until_done(2)
    assert hand.state()["versions"][1]["parent"] == 1


@pytest.mark.slow
def test_keys_are_listed_and_letters_that_are_typed_are_no_commands(hand: Hand, photo):
    hand.choose(photo)
    keys = hand.page.keyboard
    keys.press("?")
    listed = hand.page.get_by_role("dialog", name="Keys and gestures")
    expect(listed).to_be_visible()
    assert_accessible(hand.page)
    keys.press("Escape")
    expect(listed).to_be_hidden()
    keys.press("e")
    expect(hand.button("Eraser")).to_have_attribute("aria-pressed", "true")
    hand.button("More").click()
    hand.paint.get_by_label("Seed", exact=True).fill("")
    keys.type("b")
    expect(hand.button("Eraser")).to_have_attribute("aria-pressed", "true")
    expect(hand.paint.get_by_text("Seed: a whole number")).to_be_visible()
    assert_accessible(hand.page)
    # What the button does not do, keys do not either.
    hand.button("Brush").click()
    hand.drag([(40, 40), (90, 60)])
    expect(hand.paint.get_by_text("To remove:")).to_be_visible()
    expect(hand.button("Remove it")).to_be_disabled()
    keys.press("Control+Enter")
    hand.paint.get_by_label("Seed", exact=True).fill("7")
    hand.canvas().focus()
    keys.press("Control+Enter")
    hand.until_done(1)
    assert [one["parameters"]["seed"] for one in hand.state()["versions"]] == [7]


@pytest.mark.slow
def test_arrow_keys_move_an_enlarged_photo(hand: Hand, photo):
    hand.choose(photo)
    room = hand.canvas().bounding_box()
    assert room
    middle = hand.place((WIDTH / 2, HEIGHT / 2))
    (left, _), (right, _) = hand.place((0, 0)), hand.place((100, 0))
    hand.button("Zoom in").click()
    hand.button("Zoom in").click()
    hand.canvas().focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowDown"):
        hand.page.keyboard.press(key)
    hand.page.mouse.click(*middle)
    # A tenth of the canvas for each press, in photo px.
    scale = (right - left) / 100 * ZOOM**2
    x, y = WIDTH / 2 + room["width"] / 10 / scale, HEIGHT / 2 + room["height"] / 10 / scale
    marked = np.argwhere(pixels(hand.saved_mask()))
    np.testing.assert_allclose(marked.mean(0), (y, x), atol=1.5)


@pytest.mark.slow
def test_a_phone_shows_all_of_it_without_scrolling_sideways(hand: Hand, photo):
    hand.page.set_viewport_size({"width": 390, "height": 844})
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert hand.page.evaluate(overflow) == 0
    assert_accessible(hand.page)
    hand.filled(photo)
    assert hand.page.evaluate(overflow) == 0
    assert_accessible(hand.page)
    hand.refine(1, "Regional")
    expect(hand.drawer.get_by_role("application")).to_be_visible()
    assert hand.page.evaluate(overflow) == 0
    assert_accessible(hand.page)


def test_the_first_load_is_light():
    if reason := lacking():
        pytest.skip(reason)
    index = (BUILT / "index.html").read_text()
    names = re.findall(r"/assets/([\w.-]+\.(?:js|css))", index)
    assert names
    loaded = sum(len(gzip.compress((BUILT / "assets" / name).read_bytes())) for name in names)
    assert loaded < MOST
