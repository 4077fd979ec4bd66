"""Rendered signs: known words at known places."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

GROUND, INK = (228, 222, 205), (40, 38, 60)


def sign(
    words: list[str], size: tuple[int, int] = (400, 300), px: int = 30, turned: float = 0.0
) -> tuple[NDArray[np.uint8], list[NDArray[np.float64]]]:
    """Return a picture with a word or line below the other, and the corners of each.

    Args:
        words: from the top.
        size: width and height, px, before it is turned.
        px: the letters' size.
        turned: degrees to the left, the picture growing so that all of it stays.

    Returns:
        UINT8 [H, W, 3] RGB, and per word [4, 2], clockwise from its own upper left.
    """
    image = Image.new("RGB", size, GROUND)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(px)
    corners = []
    for row, word in enumerate(words):
        at = size[0] * 0.18, size[1] * 0.2 + row * px * 2.2
        pen.text(at, word, INK, font)
        x0, y0, x1, y1 = pen.textbbox(at, word, font)
        corners.append(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float))
    whole = image.rotate(turned, Image.Resampling.BICUBIC, expand=True, fillcolor=GROUND)
    angle, middle = math.radians(turned), np.array(size) / 2
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    placed = [(quad - middle) @ turn.T + np.array(whole.size) / 2 for quad in corners]
    return np.asarray(whole), placed


def covered(quad: NDArray[np.float64], by: NDArray[np.float32]) -> float:
    """Return the share of a text's corners' box that another quad covers, 0 to 1."""
    size = np.ceil(np.maximum(quad.max(axis=0), by.max(axis=0)) + 2).astype(int)

    def area(points: NDArray[np.float64] | NDArray[np.float32]) -> NDArray[np.bool_]:
        flat = Image.new("1", (int(size[0]), int(size[1])))
        ImageDraw.Draw(flat).polygon([tuple(map(float, point)) for point in points], fill=1)
        return np.asarray(flat)

    own = area(quad)
    return float((own & area(by)).sum() / own.sum())
