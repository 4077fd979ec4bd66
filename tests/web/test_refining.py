"""The drawer's tabs: what cannot be done is said first, what can be done is done."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.image_server import ImageServer
from tests.lawn import lawn
from tests.web.axe import assert_accessible
from tests.web.hand import Hand
from tests.web.photos import HEIGHT, WIDTH, pixels

pytestmark = pytest.mark.slow

SIGN = (60, 60, 240, 70)


def can(hand: Hand, name: str) -> bool:
    """Whether the server says that something can be done."""
    return bool(hand.page.request.get("/api/v1/studio").json()["can"][name]["available"])


def sign(path: Path) -> Path:
    """A photo with a sign on a lawn, its letters not ours."""
    photo = lawn(270, 360)
    x, y, wide, high = SIGN
    photo[y : y + high, x : x + wide] = (238, 232, 214)
    at = (x + 14, y + 48)
    cv2.putText(photo, "DOG PARC", at, cv2.FONT_HERSHEY_DUPLEX, 1.3, (40, 40, 48), 2, cv2.LINE_AA)
    Image.fromarray(photo).save(path, quality=95)
    return path


def assert_said_first(drawer: Locator, send: str) -> None:
    """The tab says why it cannot be done before anybody can send anything."""
    said = drawer.get_by_role("alert").filter(has_text="This server cannot do that yet")
    expect(said).to_be_visible()
    assert len(said.inner_text().replace("This server cannot do that yet", "").strip()) > 20
    expect(drawer.get_by_role("button", name=send, exact=True)).to_be_disabled()


@pytest.mark.parametrize(
    ("tab", "name", "send", "label"),
    [
        ("Subject repair", "subject", "Repair the subject", "What to change about the subject"),
        ("General", "general", "Change it", "What to change"),
    ],
)
def test_a_picture_leaves_the_server_after_consent_alone(
    hand: Hand, photo, remote_images: ImageServer, tab, name, send, label
):
    hand.choose(photo)
    hand.button("Refine image").click()
    hand.tab(tab)
    assert can(hand, name), "the suite's server has a remote engine"
    drawer, asked = hand.drawer, len(remote_images.asked)
    drawer.get_by_label(label, exact=True).fill("the left ear hangs down")
    expect(drawer.get_by_text("Say first that the picture may be sent.")).to_be_visible()
    expect(hand.button(send, drawer)).to_be_disabled()
    assert_accessible(hand.page)
    drawer.get_by_role("switch", name="My picture may be sent there").check()
    assert len(remote_images.asked) == asked
    hand.button(send, drawer).click()
    expect(drawer.get_by_role("log")).to_be_visible()
    # Consent was for this one time.
    hand.tab(tab)
    expect(hand.button(send, drawer)).to_be_disabled()
    hand.close_drawer()
    card = hand.until_done(2)
    expect(card.get_by_text("the picture left this machine")).to_be_visible()
    assert len(remote_images.asked) == asked + 1
    assert "the left ear hangs down" in remote_images.asked[-1].texts["prompt"]
    refined = hand.state()["versions"][1]
    assert (refined["type"], refined["parent"]) == (name, 1)
    hand.button("Another seed", card).click()
    again = hand.page.get_by_role("dialog", name="Send it again?")
    hand.button("Leave it", again).click()
    expect(again).to_be_hidden()
    assert len(hand.state()["versions"]) == 2


def test_text_is_corrected_where_the_server_can_and_said_first_where_it_cannot(
    hand: Hand, tmp_path
):
    hand.choose(sign(tmp_path / "sign.jpg"))
    hand.button("Refine image").click()
    hand.tab("Text repair")
    drawer = hand.drawer
    expect(drawer.get_by_role("application")).to_be_visible()
    x, y, wide, high = SIGN
    hand.drag([(x + 8, y + 8), (x + wide - 8, y + high - 8)], drawer)
    drawer.get_by_label("Text 1", exact=True).fill("DOG PARK")
    assert_accessible(hand.page)
    if not can(hand, "text"):
        assert_said_first(drawer, "Set the text")
        return
    hand.button("Set the text", drawer).click()
    expect(drawer.get_by_role("log")).to_be_visible()
    hand.close_drawer()
    hand.until_done(2)
    versions = hand.state()["versions"]
    assert (versions[1]["type"], versions[1]["parent"]) == ("text", 1)
    before, after = (pixels(hand.file(one["imageUrl"])) for one in versions)
    far = np.ones((270, 360), bool)
    far[y - 30 : y + high + 30, x - 30 : x + wide + 30] = False
    np.testing.assert_array_equal(after[far], before[far])
    inside = np.s_[y + 10 : y + high - 10, x + wide - 60 : x + wide - 10]
    assert not np.array_equal(after[inside], before[inside])


def test_regions_are_drawn_by_box_and_by_brush_and_the_rest_stays(hand: Hand, photo):
    hand.choose(photo)
    hand.button("Refine image").click()
    hand.tab("Regional")
    drawer = hand.drawer
    expect(drawer.get_by_role("application")).to_be_visible()
    hand.drag([(30, 30), (80, 70)], drawer)
    hand.button("Draw a region", drawer).click()
    expect(drawer.get_by_text("Region 2: paint it, or remove it.")).to_be_visible()
    hand.drag([(40, 40), (60, 50)], drawer)
    expect(drawer.get_by_text("Region 2 is painted into the box of region 1")).to_be_visible()
    hand.button("Undo", drawer).click()
    hand.drag([(250, 200), (320, 220)], drawer)
    expect(drawer.get_by_text("is painted into the box")).to_be_hidden()
    expect(drawer.get_by_text("Region 2: paint it")).to_be_hidden()
    drawer.get_by_label("Region 1: what should be there").fill("<b>grass</b>")
    hand.button("Fill the regions", drawer).click()
    expect(drawer.get_by_role("log")).to_be_visible()
    hand.close_drawer()
    hand.until_done(2)
    photo_, refined = hand.state()["versions"]
    assert refined["payload"]["masks"][0]["prompt"] == "<b>grass</b>"
    before, after = (pixels(hand.file(one["imageUrl"])) for one in (photo_, refined))
    far = np.ones((HEIGHT, WIDTH), bool)
    far[20:80, 20:90] = False
    far[180:240, 230:340] = False
    np.testing.assert_array_equal(after[far], before[far])
    for inside in (np.s_[35:65, 35:75], np.s_[205:215, 260:310]):
        assert not np.array_equal(after[inside], before[inside])


def test_a_swap_that_cannot_be_done_is_said_first_and_nobody_is_asked_for_consent(
    hand: Hand, photo
):
    hand.choose(photo)
    hand.button("Refine image").click()
    hand.tab("Swap a face")
    assert not can(hand, "swap"), "the suite's server has no networks for it"
    assert_said_first(hand.drawer, "Swap the face")
    expect(hand.drawer.get_by_text("pawfect weights fetch buffalo_l")).to_be_visible()
    expect(hand.drawer.get_by_role("checkbox")).to_have_count(0)
    assert_accessible(hand.page)
