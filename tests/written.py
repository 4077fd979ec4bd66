"""A sign with a word on it."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 360, 200
# x, y, width, height of where the word stands.
BOX = (50, 60, 220, 76)


def sign(word: str = "BUDDY") -> np.ndarray:
    """A grainy board with a word in the font that Pillow brings, UINT8 [HEIGHT, WIDTH, 3]."""
    board = Image.new("RGB", (WIDTH, HEIGHT), (196, 178, 140))
    font = ImageFont.load_default(52)
    ImageDraw.Draw(board).text((60, 64), word, font=font, fill=(40, 30, 60))
    grain = np.random.default_rng(0).normal(0, 3, (HEIGHT, WIDTH, 3))
    return np.clip(np.array(board) + grain, 0, 255).astype(np.uint8)
