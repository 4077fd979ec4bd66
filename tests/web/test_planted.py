"""HTML in every text that users, models and judges can have stored: it is shown, and never runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.web.conftest import Visit
from tests.web.hand import Hand
from tests.web.photos import example_photo

pytestmark = pytest.mark.slow

TAG: Final = "<img src=x data-planted onerror=planted=1>"
PLANT: Final = f"\"'>{TAG}<script>planted=1</script><svg onload=planted=1>{{{{7*7}}}}"
# Of answers: what the page takes for words of its own, and not for somebody's.
CODES: Final = re.compile(
    r"id|.*Id|job|uid|sid|status|processingStatus|type|kind|engine|preset|source|phase|name|next|"
    r"url|.*Url|mask|version|choice|preferred|format|.*_by|proposer|judge|network|best|method"
)


def planted(value: Any, key: str = "") -> Any:
    """Return an answer of the API's with HTML behind each text that may be somebody's."""
    if isinstance(value, dict):
        return {name: planted(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [planted(one, key) for one in value]
    somebodys = isinstance(value, str) and not CODES.fullmatch(key) and not value.startswith("/")
    return f"{value}{PLANT}" if somebodys else value


def plant_all(context: BrowserContext) -> None:
    """Have the page hear HTML in each answer of the API's."""

    def answer(route: Route) -> None:
        given = route.fetch()
        if "json" in given.headers.get("content-type", ""):
            route.fulfill(response=given, json=planted(given.json()))
        else:
            route.fulfill(response=given)

    context.route(lambda url: "/api/v1/" in url and not url.endswith("/events"), answer)


def assert_nothing_ran(page: Page) -> None:
    assert page.evaluate("() => typeof window.planted") == "undefined"
    assert page.locator("[data-planted]").count() == 0
    assert page.locator("body script").count() == page.locator("body script[src]").count()


def test_html_in_every_text_is_shown_as_text(
    hand: Hand, visit: Visit, context: BrowserContext, tmp_path: Path
):
    # What is really stored: a photo's name, and the prompt of a filled version.
    photo = example_photo(tmp_path / f"{TAG}.jpg")
    hand.choose(photo)
    assert_nothing_ran(hand.page)
    hand.drag([(40, 40), (90, 60)])
    files = {
        name: {"name": f"{TAG}.{name}", "mimeType": "image/png", "buffer": data}
        for name, data in (("photo", photo.read_bytes()), ("mask", hand.saved_mask()))
    }
    form = {**files, "prompt": PLANT}
    made = hand.page.request.post("/api/v1/runs?kind=inpaint", multipart=form)
    assert made.ok, made.text()
    run = f"/runs/{made.json()['runId']}"
    hand.page.goto(run)
    hand.until_done(1)
    assert_nothing_ran(hand.page)

    # And everything that an answer has.
    plant_all(context)
    page = visit(run).page
    other = Hand(page)
    card = other.card(1)
    expect(card).to_be_visible()
    card.get_by_text("Whole report").click()
    expect(card.get_by_label("Whole report")).to_contain_text(TAG)
    assert_nothing_ran(page)
    other.button("Refine", card).click()
    for tab in other.drawer.get_by_role("tab").all():
        tab.click()
        assert_nothing_ran(page)
    other.close_drawer()
    page.keyboard.press("Escape")
    assert_nothing_ran(page)
    answer = page.request.get(f"/api/v1/runs/{other.run_id}")
    assert TAG in answer.text(), "the prompt is stored as it was written"
