"""Versions: a chain, a branch, what is looked at and rated."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.web.axe import assert_accessible
from tests.web.hand import Hand
from tests.web.photos import HEIGHT, WIDTH, pixels

pytestmark = pytest.mark.slow


def test_versions_chain_and_branch_and_each_says_what_it_was_made_from(hand: Hand, photo):
    hand.filled(photo, [(40, 40), (90, 60)])
    drawer = hand.refine(1, "Regional")
    hand.drag([(200, 150), (260, 200)], drawer)
    hand.button("Fill the regions", drawer).click()
    expect(drawer.get_by_role("log")).to_be_visible()
    hand.close_drawer()
    hand.until_done(2)
    hand.button("Paint on it", hand.card(2)).click()
    expect(hand.paint.get_by_label("Painting on")).to_contain_text("v2")
    expect(hand.button("Remove it")).to_be_disabled()
    hand.drag([(60, 200), (120, 220)])
    hand.fill()
    hand.until_done(3)
    # Back to the first, and on from there.
    drawer = hand.refine(1, "Regional")
    expect(drawer.get_by_label("Refining")).to_contain_text("v1")
    # What was drawn is still there, for another try.
    expect(drawer.get_by_label("Width of region 1, pixels")).to_have_value("60")
    hand.button("Fill the regions", drawer).click()
    expect(drawer.get_by_role("log")).to_be_visible()
    hand.close_drawer()
    hand.until_done(4)
    versions = hand.state()["versions"]
    assert [one["parent"] for one in versions] == [0, 1, 2, 1]
    for number, made_from in ((1, "the original"), (2, "v1"), (3, "v2"), (4, "v1")):
        expect(hand.card(number).get_by_text(f"from {made_from},")).to_be_visible()
    manifest = hand.page.request.get(f"/api/v1/runs/{hand.run_id}/run.json").json()
    assert [one["version"] for one in manifest["refinements"]] == [2, 4]
    pictures = [pixels(hand.file(one["imageUrl"])) for one in versions]
    # v3 has what v1 and v2 changed; v4 has what v1 changed, and nothing of v3.
    np.testing.assert_array_equal(pictures[2][30:70, 30:100], pictures[0][30:70, 30:100])
    np.testing.assert_array_equal(pictures[2][140:175, 190:270], pictures[1][140:175, 190:270])
    np.testing.assert_array_equal(pictures[3][185:235, 40:140], pictures[0][185:235, 40:140])
    assert not np.array_equal(pictures[2][195:225, 60:120], pictures[0][195:225, 60:120])


def test_a_version_is_compared_rated_and_downloaded(hand: Hand, photo):
    card = hand.filled(photo)
    slider = card.get_by_role("slider", name="Before and after")
    slider.focus()
    before = slider.input_value()
    hand.page.keyboard.press("ArrowRight")
    assert int(slider.input_value()) == int(before) + 1
    card.locator("label").filter(has_text="4 of 5, good").click()
    expect(hand.page.get_by_text("Thank you.")).to_be_visible()
    assert hand.state()["versions"][0]["feedback"]["rating"] == 4
    with hand.page.expect_download() as download:
        card.get_by_role("link", name="Download as PNG").click()
    with open(download.value.path(), "rb") as file:
        assert pixels(file.read()).shape == (HEIGHT, WIDTH, 3)
    hand.button("Another seed", card).click()
    hand.until_done(2)
    hand.button("Compare two").click()
    shown = hand.page.get_by_role("dialog")
    expect(shown).to_be_visible()
    assert_accessible(hand.page)
    hand.page.keyboard.press("Escape")
    expect(shown).to_be_hidden()


def test_a_run_that_is_not_there_says_so_and_offers_a_new_one(visit):
    hand = visit("/runs/none.u-x")
    expect(hand.page.get_by_role("alert")).to_be_visible()
    hand.button("Begin with a new picture").click()
    expect(hand.button("Choose a photo")).to_be_visible()
