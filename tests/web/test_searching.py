"""Several tries: cards as they come, the best among them, and two compared blind."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.web.axe import assert_accessible
from tests.web.hand import Hand

pytestmark = pytest.mark.slow

PHONE = {"width": 390, "height": 844}


def is_wider_than_its_screen(page: Page) -> bool:
    return bool(page.evaluate("() => document.documentElement.scrollWidth > innerWidth"))


def test_several_are_tried_seen_as_they_come_and_compared_blind_by_keys(hand: Hand, photo):
    page = hand.page
    hand.choose(photo)
    expect(hand.button("Try several")).to_be_disabled()
    hand.drag([(40, 40), (90, 60)])
    hand.button("More").click()
    expect(hand.paint.get_by_label("Try several")).to_contain_text("8 tries")
    # The suite's server has judges elsewhere: nobody is asked unless somebody agrees.
    expect(hand.paint.get_by_role("switch", name="judges may see my picture")).not_to_be_checked()
    hand.button("Try several").click()
    card = hand.card(1)
    candidates = card.get_by_role("list", name="Candidates").get_by_text(re.compile(r"^Number \d$"))
    expect(candidates.first).to_be_visible()
    expect(card.get_by_role("progressbar")).to_be_visible()
    expect(card.get_by_text(re.compile(r"^\d of 8 tried$"))).to_be_visible()
    assert_accessible(page)

    hand.until_done(1)
    expect(candidates).to_have_count(8)
    version = hand.state()["versions"][0]
    assert version["parameters"] == {"deadline_ms": 120_000, "preset": "eacps"}
    best = version["report"]["best"]
    winner = card.get_by_role("img", name=re.compile(rf"^Number {best}, .* the best$"))
    expect(winner).to_be_visible()
    expect(card.get_by_text("Best", exact=True)).to_have_count(1)
    for parent in {one["parent"] for one in version["report"]["candidates"]} - {None}:
        family = card.get_by_role("list", name=f"Number {parent} and what started from it")
        expect(family.get_by_text(re.compile(r"^Number \d$"))).to_have_count(3)
    assert_accessible(page)

    hand.button("Compare two, blind", card).focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Compare two, blind")
    expect(dialog.get_by_role("img", name="The left one")).to_be_visible()
    assert not re.search(r"\d", dialog.inner_text())
    assert_accessible(page)
    page.keyboard.press("ArrowLeft")
    expect(dialog.get_by_text("You chose the left one.")).to_be_visible()
    expect(dialog.get_by_text("agreed with the search so far")).to_be_visible()
    # The button has the focus: keys alone go on.
    expect(hand.button("Another two", dialog)).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("img", name="The left one", exact=True)).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(dialog.get_by_text("You chose neither.")).to_be_visible()
    page.set_viewport_size(PHONE)
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    kept = hand.state()["versions"][0]
    assert [one["choice"] for one in kept["comparisons"]] == ["left", "none"]
    assert kept["agreement"]["compared"] == 2
    first = kept["comparisons"][0]
    assert kept["agreement"]["agreed"] == int(first["preferred"] == "left")
    expect(card.get_by_text("agreed with the search so far")).to_be_visible()
    manifest = page.request.get(f"/api/v1/runs/{hand.run_id}/run.json").json()
    assert manifest["versions"][0]["agreement"] == kept["agreement"], json.dumps(manifest)
    assert not is_wider_than_its_screen(page)
    assert_accessible(page)
    # It can be gone on from, as from any other.
    hand.button("Paint on it", card).click()
    expect(hand.paint.get_by_label("Painting on")).to_contain_text("v1")
