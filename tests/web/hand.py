"""Somebody at the page: what they do, by the names that they see."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

# Two lanes of tests share the machine; nothing that is waited for takes longer.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)
# Round the photo on its canvas, px: MaskCanvas fits it so.
MARGIN = 12

Point = tuple[float, float]


@dataclass(frozen=True)
class Hand:
    """A tab with the page in it."""

    page: Page

    # --- finding ------------------------------------------------------------------------------

    def button(self, name: str, inside: Locator | None = None) -> Locator:
        return (inside or self.page).get_by_role("button", name=name, exact=True)

    @property
    def drawer(self) -> Locator:
        return self.page.get_by_role("dialog", name="Refine image")

    @property
    def paint(self) -> Locator:
        return self.page.get_by_role("region", name="Paint")

    def card(self, version: int) -> Locator:
        return self.page.get_by_role("article", name=re.compile(rf"^Version {version}: "))

    def canvas(self, inside: Locator | None = None) -> Locator:
        return (inside or self.paint).get_by_role("application")

    @property
    def run_id(self) -> str:
        found = re.search(r"/runs/([^/?]+)$", self.page.url)
        assert found, self.page.url
        return found[1]

    def state(self) -> dict[str, Any]:
        """The run as the API has it."""
        answer = self.page.request.get(f"/api/v1/runs/{self.run_id}")
        assert answer.ok, answer.text()
        return dict(answer.json())

    def file(self, url: str) -> bytes:
        """A file of the API's."""
        answer = self.page.request.get(url)
        assert answer.ok, answer.text()
        return answer.body()

    # --- doing --------------------------------------------------------------------------------

    def choose(self, photo: Path) -> None:
        """Choose a photo of this machine, and wait until it can be painted on."""
        self.page.get_by_label("Choose a photo", exact=True).set_input_files(photo)
        expect(self.canvas()).to_be_visible()

    def place(self, at: Point, inside: Locator | None = None) -> Point:
        """The screen's point over a photo's, both px, where the whole photo is shown."""
        canvas = self.canvas(inside)
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box
        width, height = self.photo_size()
        scale = min((box["width"] - 2 * MARGIN) / width, (box["height"] - 2 * MARGIN) / height)
        left = box["x"] + (box["width"] - width * scale) / 2
        top = box["y"] + (box["height"] - height * scale) / 2
        return left + at[0] * scale, top + at[1] * scale

    def photo_size(self) -> tuple[int, int]:
        """Width and height of the photo that is painted on, px, as its canvas names them."""
        # Also behind an open drawer, where no role is to be found.
        name = self.page.locator("#paint [role=application]").get_attribute("aria-label") or ""
        found = re.search(r"(\d+) by (\d+) pixels", name)
        assert found, name
        return int(found[1]), int(found[2])

    def drag(self, points: Sequence[Point], inside: Locator | None = None, steps: int = 6) -> None:
        """Press the mouse at the first of a photo's points, move it over the others, let go."""
        places = [self.place(point, inside) for point in points]
        mouse = self.page.mouse
        mouse.move(*places[0])
        mouse.down()
        for place in places[1:]:
            mouse.move(*place, steps=steps)
        mouse.up()

    def brush_size(self) -> int:
        """Diameter of the brush, photo px."""
        told = self.paint.get_by_role("slider", name="Size of the brush")
        return int((told.get_attribute("aria-valuetext") or "").split()[0])

    def marked(self) -> str:
        """What the page says is marked."""
        return (
            self.paint.get_by_role("status")
            .filter(has_text=re.compile("remove|marked"))
            .inner_text()
        )

    def saved_mask(self) -> bytes:
        """The file that "Save mask" gives."""
        with self.page.expect_download() as download:
            self.button("Save mask").click()
        return Path(download.value.path()).read_bytes()

    def fill(self) -> None:
        self.button("Remove it").click()

    def until_done(self, version: int, words: str = "Done") -> Locator:
        """Wait for a version's card to say that it is over; return it."""
        card = self.card(version)
        expect(card.get_by_text(words, exact=True)).to_be_visible()
        return card

    def filled(self, photo: Path, *strokes: Sequence[Point]) -> Locator:
        """Paint over a photo and have it filled; return the first version's card."""
        self.choose(photo)
        for stroke in strokes or [[(40, 40), (90, 60)]]:
            self.drag(stroke)
        self.fill()
        return self.until_done(1)

    def refine(self, version: int, tab: str) -> Locator:
        """Open the drawer for a version at one of its tabs; return it."""
        self.button("Refine", self.card(version)).click()
        self.tab(tab)
        return self.drawer

    def tab(self, name: str) -> None:
        self.drawer.get_by_role("tab", name=name, exact=True).click()

    def close_drawer(self) -> None:
        self.button("Close", self.drawer).click()
        expect(self.drawer).to_be_hidden()

    def dark(self) -> None:
        self.page.emulate_media(color_scheme="dark")
