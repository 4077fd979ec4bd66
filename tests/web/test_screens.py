"""The four main screens, looked at by axe and as the README shows them.

`PAWFECT_RENEW_PAGE=1 pytest tests/web/test_screens.py` writes docs/studio anew.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.web.axe import assert_accessible, settled
from tests.web.conftest import ROOT, Visit
from tests.web.hand import Hand, Point
from tests.web.results import asked

pytestmark = pytest.mark.slow

SHOWN: Final = ROOT / "docs" / "studio"
NAMES: Final = ("paint", "watch", "look", "refine")
# What a page of the repository may weigh, bytes each.
MOST: Final = 150_000
# Round the hand and the leash handle of the example, 1200 x 900 px.
HAND: Final[list[Point]] = [
    (-4, 906), (-4, 830), (60, 760), (110, 720), (150, 660), (185, 600), (190, 560), (300, 505),
    (330, 455), (400, 438), (460, 452), (500, 488), (552, 495), (557, 540), (545, 600), (532, 768),
    (498, 768), (516, 600), (500, 585), (462, 610), (456, 655), (400, 730), (340, 750), (240, 815),
    (200, 850), (195, 906),
]  # fmt: skip


def shown(page: Page, name: str) -> None:
    """Keep a screen for the README, where that was asked for."""
    settled(page)
    taken = page.screenshot()
    if not asked():
        return
    SHOWN.mkdir(exist_ok=True)
    with Image.open(io.BytesIO(taken)) as image:
        image.convert("RGB").save(SHOWN / f"{name}.webp", quality=84, method=6)


def example(hand: Hand) -> None:
    """Take the example, outline what is to go, protect the dog."""
    hand.button("Try the example").click()
    expect(hand.canvas()).to_be_visible()
    hand.button("Lasso").click()
    hand.drag(HAND, steps=2)
    hand.button("Protect pet").click()
    expect(hand.page.get_by_text("The pet is protected.")).to_be_visible()
    expect(hand.paint.get_by_text("protected:")).to_be_visible()


def test_the_four_screens_are_accessible_light_and_dark(visit: Visit):
    hand = visit()
    page = hand.page
    example(hand)
    page.mouse.move(5, 5)
    expect(page.get_by_text("The pet is protected.")).to_be_hidden()
    shown(page, "paint")
    assert_accessible(page)

    hand.fill()
    bar = hand.card(1).get_by_role("progressbar")
    expect(bar).to_be_visible()
    chip = hand.card(1).locator(".MuiChip-label")
    expect(chip).to_have_text("Working")
    hand.button("Show the log", hand.card(1)).click()
    expect(hand.card(1).get_by_role("log").get_by_text("mask_cleanup")).to_be_visible()
    shown(page, "watch")
    first = hand.until_done(1)
    first.scroll_into_view_if_needed()
    expect(first.get_by_alt_text("After: v1")).to_be_visible()
    divider = first.get_by_role("slider", name="Before and after")
    divider.focus()
    for _ in range(16):
        page.keyboard.press("ArrowRight")
    divider.blur()
    page.mouse.move(5, 5)
    shown(page, "look")
    assert_accessible(page)

    drawer = hand.refine(1, "Regional")
    hand.drag([(340, 770), (600, 890)], drawer)
    page.mouse.move(5, 5)
    shown(page, "refine")
    assert_accessible(page)


def test_the_screens_of_the_readme_are_there_and_light():
    for name in NAMES:
        file = SHOWN / f"{name}.webp"
        assert file.stat().st_size <= MOST, name
        with Image.open(file) as image:
            assert image.format == "WEBP"
    assert sorted(path.stem for path in Path(SHOWN).iterdir()) == sorted(NAMES)
