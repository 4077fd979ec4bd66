"""Letters of a face as coverage: the same letters can be spaced, made heavier or lighter."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pawfect.lettering.faces import EM, Cut, font

PAD: Final = 40
"""px around the drawn letters: room for a blur, and for swashes beyond what is advanced."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A drawn text.

    Attributes:
        pixels: UINT8 [h, w], 255 = covered, drawn at an em of EM px.
        origin: x and y, px, of the baseline where the first letter begins.
        starts: FP64 [n + 1], px along the baseline from the origin: where each letter begins, and
            where the last one ends.
        box: x0, y0, x1, y1 of the ink, px, exclusive.
    """

    pixels: NDArray[np.uint8]
    origin: tuple[float, float]
    starts: NDArray[np.float64]
    box: tuple[int, int, int, int]

    @property
    def coverage(self) -> NDArray[np.float32]:
        """FP32 [h, w], 0 to 1."""
        return self.pixels.astype(np.float32) / 255


Key = tuple[str, Cut, float, float]


class _Kept:
    """Drawn texts, those used last, as many as a number of bytes holds; of any thread."""

    def __init__(self, most_bytes: int) -> None:
        self._most, self._lock = most_bytes, Lock()
        self._drawn: OrderedDict[Key, Drawn] = OrderedDict()
        self.bytes = 0

    def get(self, key: Key) -> Drawn | None:
        with self._lock:
            found = self._drawn.get(key)
            if found is not None:
                self._drawn.move_to_end(key)
            return found

    def put(self, key: Key, drawn: Drawn) -> None:
        with self._lock:
            if key in self._drawn:
                return
            self._drawn[key] = drawn
            self.bytes += drawn.pixels.nbytes
            while self.bytes > self._most:
                self.bytes -= self._drawn.popitem(last=False)[1].pixels.nbytes


_kept: Final = _Kept(32 << 20)
"""Bytes: of a word of ten letters some 170 texts, more than one search looks at again."""


@lru_cache(2048)
def starts(text: str, cut: Cut, tracking: float) -> tuple[float, ...]:
    """Return where each letter begins along the baseline and where the last ends, px."""
    drawn = font(cut)
    ends = [drawn.getlength(text[: k + 1]) for k in range(len(text))]
    # A prefix's length less its last letter's own: what is kerned or joined is in it.
    begins = [end - drawn.getlength(letter) for end, letter in zip(ends, text, strict=True)]
    return tuple(x + k * tracking for k, x in enumerate([*begins, ends[-1] if ends else 0.0]))


def draw(text: str, cut: Cut, tracking: float = 0.0, offset: float = 0.0) -> Drawn:
    """Draw a text, or take it from those drawn last.

    Args:
        text: one line, at least one letter that is no space.
        cut: of a face that has its letters.
        tracking: px between letters beyond the face's own spacing; negative is tighter.
        offset: px by which every edge moves outwards; negative makes the strokes thinner.
    """
    key = text, cut, tracking, offset
    found = _kept.get(key)
    if found is None:
        found = _drawn(*key)
        _kept.put(key, found)
    return found


def _drawn(text: str, cut: Cut, tracking: float, offset: float) -> Drawn:
    drawn, at = font(cut), starts(text, cut, tracking)
    ascent, descent = drawn.getmetrics()
    left, top, right, bottom = drawn.getbbox(text, anchor="ls")
    up = PAD + max(ascent, -int(np.floor(top)))
    over = PAD + max(0, -int(np.floor(left)))
    down = max(descent, int(np.ceil(bottom))) + PAD
    wide = int(np.ceil(max(at[-1], right + at[-1] - at[0] - drawn.getlength(text)))) + PAD
    page = Image.new("L", (over + wide, up + down))
    pen = ImageDraw.Draw(page)
    if tracking == 0:
        pen.text((over, up), text, 255, drawn, "ls")
    else:
        for letter, x in zip(text, at, strict=False):
            _over(page, (over + x, up), letter, cut)
    pixels = np.array(page)
    if offset:
        moved = moved_edges(pixels.astype(np.float32) / 255, offset)
        pixels = np.rint(moved * 255).astype(np.uint8)
    return Drawn(pixels, (over, up), np.array(at), ink_box(pixels))


def _over(page: Image.Image, at: tuple[float, float], letter: str, cut: Cut) -> None:
    """Draw one letter so that it adds to what its neighbours cover."""
    ImageDraw.Draw(page).text(at, letter, 255, font(cut), "ls")


def moved_edges(coverage: NDArray[np.float32], offset: float) -> NDArray[np.float32]:
    """Move every edge of a coverage [h, w] outwards by so many px, inwards where negative."""
    inside = cv2.distanceTransform((coverage >= 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform((coverage < 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    signed = np.where(coverage >= 0.5, inside - 0.5, 0.5 - outside)
    # Half covered lies on the edge itself; elsewhere a pixel's own share refines the distance.
    edge = (coverage > 0.02) & (coverage < 0.98)
    signed = np.where(edge, coverage - 0.5, signed)
    return np.clip(signed + offset + 0.5, 0, 1).astype(np.float32)


def ink_box(pixels: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 of what is at least half covered; zeros where nothing is."""
    marked = pixels >= 128
    rows, columns = np.flatnonzero(marked.any(1)), np.flatnonzero(marked.any(0))
    if not rows.size:
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def cap_height(cut: Cut) -> float:
    """Return the height of capitals, px at an em of EM."""
    return float(-font(cut).getbbox("H", anchor="ls")[1]) or EM * 0.7
