"""Which of the texts that were read a box means, line by line."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.reading import ReadText

_INSIDE: Final = 0.5  # of a text's area lies in the box: it is meant
_OF_BOX: Final = 0.35  # of the box lies in a text: a part of that text is meant
_ONE_LINE: Final = 0.5  # of the height: texts whose middles are nearer than that share a line
_LEAST_PX: Final = 3.0  # of every side: what is smaller is no text
_WHOLE: Final = 0.85  # of a line's length: what the box covers of it is the whole of it

Quad = NDArray[np.float32]


def lines_in(texts: Sequence[ReadText], box: tuple[int, int, int, int]) -> tuple[ReadText, ...]:
    """Return the lines of text that a box means, from above.

    Texts side by side become one line. Of a line that goes on beyond the box, only the words are
    meant that lie in it.

    Args:
        texts: what was read in the photo.
        box: x, y, width, height, px.
    """
    corners = _corners(box)
    meant = []
    for text in texts:
        # Blanks of any kind, and several, are one.
        one = ReadText(text.quad, " ".join(text.text.split()), text.score)
        if not one.text or min(_sides(one.quad)) < _LEAST_PX:
            continue
        shared, own = _shared(one.quad, corners), abs(cv2.contourArea(one.quad))
        if shared > _INSIDE * own or shared > _OF_BOX * box[2] * box[3]:
            meant.append(one)
    rows: list[list[ReadText]] = []
    for one in sorted(meant, key=_down):
        row = next((row for row in rows if _beside(row[0], one)), None)
        if row is None:
            rows.append([one])
        else:
            row.append(one)
    joined = (_within(_joined(row), corners) for row in rows)
    return tuple(line for line in joined if line.text)


def _corners(box: tuple[int, int, int, int]) -> Quad:
    x, y, w, h = box
    return np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], np.float32)


def _shared(one: Quad, other: Quad) -> float:
    area, _ = cv2.intersectConvexConvex(np.ascontiguousarray(one), other)
    return float(area)


def along(quad: Quad) -> NDArray[np.float64]:
    """Return the direction in which a line is read, of length 1."""
    step = (quad[1] + quad[2] - quad[0] - quad[3]).astype(np.float64)
    return np.asarray(step / max(float(np.linalg.norm(step)), 1e-6), np.float64)


def height_of(quad: Quad) -> float:
    """Return a line's height, px."""
    return float(np.linalg.norm(quad[[3, 2]] - quad[[0, 1]], axis=1).mean())


def _sides(quad: Quad) -> list[float]:
    """Return the lengths of a quad's four sides, px."""
    return [float(side) for side in np.linalg.norm(quad - np.roll(quad, 1, axis=0), axis=1)]


def _down(one: ReadText) -> float:
    return float(one.quad[:, 1].mean())


def _beside(one: ReadText, other: ReadText) -> bool:
    way = along(one.quad)
    apart = (other.quad.mean(0) - one.quad.mean(0)).astype(np.float64)
    across = abs(float(apart[0] * -way[1] + apart[1] * way[0]))
    return across < _ONE_LINE * min(height_of(one.quad), height_of(other.quad))


def _joined(row: list[ReadText]) -> ReadText:
    """Make one line of the texts of a row."""
    if len(row) == 1:
        return row[0]
    way = along(max(row, key=lambda one: len(one.text)).quad)
    row = sorted(row, key=lambda one: float(one.quad.mean(0) @ way))
    first, last = row[0].quad, row[-1].quad
    quad = np.stack([first[0], last[1], last[2], first[3]])
    text = " ".join(one.text.strip() for one in row)
    return ReadText(quad, text, min(one.score for one in row))


def _within(line: ReadText, corners: Quad) -> ReadText:
    """Cut a line to the words that lie in a box."""
    quad = line.quad.astype(np.float64)
    start, end = (quad[0] + quad[3]) / 2, (quad[1] + quad[2]) / 2
    length = float(np.linalg.norm(end - start))
    way = along(line.quad)
    edges = np.sort((corners - start) @ way / max(length, 1e-6))
    # A turned box's middle edges say where it begins and ends along the line.
    low, high = max(float(edges[:2].mean()), 0.0), min(float(edges[2:].mean()), 1.0)
    if high - low > _WHOLE or high <= low:
        return ReadText(line.quad, line.text.strip(), line.score)
    words, at, first, last = [], 0, 1.0, 0.0
    total = max(len(line.text), 1)
    for word in line.text.split(" "):
        begin, finish = at / total, (at + len(word)) / total
        at += len(word) + 1
        if word and low < (begin + finish) / 2 < high:
            words.append(word)
            first, last = min(first, begin), max(last, finish)
    if not words:
        return ReadText(line.quad, "", line.score)
    # Half a blank on either side: letters are not equally wide.
    slack = 0.4 / total
    first, last = max(min(first, low), first - slack), min(max(last, high), last + slack)
    top, bottom = quad[1] - quad[0], quad[2] - quad[3]
    cut = [
        quad[0] + first * top,
        quad[0] + last * top,
        quad[3] + last * bottom,
        quad[3] + first * bottom,
    ]
    return ReadText(np.array(cut, np.float32), " ".join(words), line.score)


def respaced(old: str, new: str) -> str:
    """Return an old text with the blanks that a reader missed between words the new one has too."""
    bare = old.replace(" ", "")
    letters = new.replace(" ", "")
    begins = {len(new[:at].replace(" ", "")) for at, one in enumerate(new) if one == " "}
    own = {len(old[:at].replace(" ", "")) for at, one in enumerate(old) if one == " "}
    for a, b, size in SequenceMatcher(None, bare, letters, autojunk=False).get_matching_blocks():
        # A blank counts where a letter beside it is the same.
        own |= {a + at - b for at in begins if b <= at <= b + size and 0 < a + at - b < len(bare)}
    return "".join((" " if at in own else "") + one for at, one in enumerate(bare))


def shared_out(text: str, lines: Sequence[str]) -> tuple[str, ...]:
    """Share the words of a text out over as many lines as stood there, as long as those were.

    Args:
        text: the new text.
        lines: the old ones; a line without a word of the new text comes out empty.
    """
    words = text.split()
    if len(lines) == 1:
        return (text.strip(),)
    if len(words) < len(lines):
        return (*words, *[""] * (len(lines) - len(words)))
    shares = np.cumsum([len(line) for line in lines]) / max(sum(map(len, lines)), 1)
    lengths = np.cumsum([len(word) for word in words]) / max(sum(map(len, words)), 1)
    out, begin = [], 0
    for row, share in enumerate(shares[:-1]):
        last = len(words) - (len(lines) - row - 1)
        ends = np.arange(begin + 1, last + 1)
        end = int(ends[np.abs(lengths[ends - 1] - share).argmin()])
        out.append(" ".join(words[begin:end]))
        begin = end
    return (*out, " ".join(words[begin:]))
