"""Watching: cancelled, reloaded, in two tabs, with an API that goes away."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.web.axe import assert_accessible
from tests.web.conftest import Studio, Visit
from tests.web.hand import Hand
from tests.web.photos import large_photo

pytestmark = pytest.mark.slow


def start_long(hand: Hand, photo, side: int) -> None:
    """Ask for a fill of a square of 12 MP: of 500 px some seconds, of 1200 px half a minute."""
    hand.choose(large_photo(photo))
    hand.button("Rectangle").click()
    hand.drag([(1200, 1000), (1200 + side, 1000 + side)])
    hand.fill()
    expect(hand.card(1).get_by_role("progressbar")).to_be_visible()


def test_what_is_cancelled_says_so_and_can_be_tried_again(hand: Hand, tmp_path):
    start_long(hand, tmp_path / "large.jpg", 1200)
    assert_accessible(hand.page)
    hand.button("Cancel", hand.card(1)).click()
    card = hand.until_done(1, "Cancelled")
    expect(card.get_by_text("This one was cancelled.")).to_be_visible()
    (version,) = hand.state()["versions"]
    assert version["processingStatus"] == "cancelled"
    # Its mask is still in hand, and what was asked for can be asked again.
    expect(hand.button("Remove it")).to_be_enabled()
    hand.button("Try again", card).click()
    expect(hand.card(2).get_by_role("progressbar")).to_be_visible()
    hand.button("Cancel", hand.card(2)).click()
    hand.until_done(2, "Cancelled")


def test_a_reload_in_the_middle_shows_the_work_where_it_is(hand: Hand, tmp_path):
    start_long(hand, tmp_path / "large.jpg", 500)
    mask = hand.saved_mask()
    address = hand.page.url
    hand.page.reload()
    expect(hand.card(1).get_by_role("progressbar")).to_be_visible()
    hand.button("Show the log", hand.card(1)).click()
    expect(hand.card(1).get_by_role("log").get_by_text("taken")).to_have_count(1)
    expect(hand.canvas()).to_be_visible()
    assert hand.saved_mask() == mask
    hand.until_done(1)
    assert hand.page.url == address


def test_two_tabs_show_the_same_run_without_being_asked(visit: Visit, photo):
    one = visit()
    one.filled(photo)
    other = visit(f"/runs/{one.run_id}")
    expect(other.card(1).get_by_alt_text("After: v1")).to_be_visible()
    other.button("Another seed", other.card(1)).click()
    one.until_done(2)
    other.until_done(2)
    assert one.page.url == other.page.url
    versions = one.state()["versions"]
    assert [version["parent"] for version in versions] == [0, 0]
    assert versions[0]["parameters"].get("seed") != versions[1]["parameters"]["seed"]


def test_two_tabs_on_two_new_photos_make_two_runs(visit: Visit, photo):
    hands = [visit(), visit()]
    for hand in hands:
        hand.choose(photo)
        hand.drag([(40, 40), (90, 60)])
        hand.fill()
    for hand in hands:
        hand.until_done(1)
    assert hands[0].run_id != hands[1].run_id
    hand = hands[1]
    hand.button("Your pictures").click()
    shown = hand.page.get_by_role("dialog", name="Your pictures")
    for one in hands:
        expect(shown.locator(f"a[href='/runs/{one.run_id}']")).to_be_visible()
    assert_accessible(hand.page)


def test_an_api_that_is_started_anew_is_waited_for(studio: Studio, hand: Hand, photo):
    hand.filled(photo)
    studio.process.kill()
    hand.button("Another seed", hand.card(1)).click()
    expect(hand.page.get_by_text("The server does not answer").first).to_be_visible()
    studio.again()
    hand.button("Another seed", hand.card(1)).click()
    hand.until_done(2)
