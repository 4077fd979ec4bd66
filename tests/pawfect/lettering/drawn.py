"""Photos of drawn words whose letters are known to the pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.lettering.drawing import draw
from pawfect.lettering.faces import Cut, faces

SIZE = (220, 420)


@dataclass(frozen=True, eq=False)
class Word:
    """A word in a photo.

    Attributes:
        photo: UINT8 [H, W, 3].
        bare: UINT8 [H, W, 3], the same photo without it.
        cover: FP32 [H, W], how far letters cover each px.
        quad: FP32 [4, 2], corners round the letters with a little room.
    """

    photo: NDArray[np.uint8]
    bare: NDArray[np.uint8]
    cover: NDArray[np.float32]
    quad: NDArray[np.float32]


def cut_of(name: str, weight: int = 700, width: int = 100) -> Cut:
    face = next(face for face in faces() if face.name == name)
    return Cut(face, weight, width)


def word(
    text: str,
    cut: Cut,
    *,
    ink: tuple[float, float, float] = (30, 40, 90),
    ground: tuple[float, float, float] = (225, 210, 190),
    cap_px: float = 34,
    angle: float = 0.0,
    blur: float = 0.7,
    grain: float = 2.0,
    texture: float = 0.0,
    size: tuple[int, int] = SIZE,
) -> Word:
    """Draw a word in the middle of a ground that grows darker to the right."""
    rng = np.random.default_rng(3)
    drawn = draw(text, cut)
    x0, y0, x1, y1 = drawn.box
    scale = cap_px / max(-draw("H", cut).box[1] + draw("H", cut).box[3], 1)
    turn, height, width = np.radians(angle), *size
    cos, sin = np.cos(turn) * scale, np.sin(turn) * scale
    middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    linear = np.array([(cos, -sin), (sin, cos)])
    matrix = np.c_[linear, np.array([width / 2, height / 2]) - linear @ middle]
    large = np.array([(3, 0, 1), (0, 3, 1), (0, 0, 1)]) @ np.vstack([matrix, (0, 0, 1)])
    fine = cv2.warpPerspective(drawn.coverage, large, (width * 3, height * 3))
    cover = cv2.GaussianBlur(
        cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA), (0, 0), blur
    )
    plane = np.full((height, width, 3), ground, np.float32)
    plane *= np.linspace(1.05, 0.85, width, dtype=np.float32)[None, :, None]
    streaks = cv2.GaussianBlur(
        rng.standard_normal((height, width), np.float32), (0, 0), 20, sigmaY=1
    )
    plane += texture * (streaks / streaks.std())[..., None]
    noise = grain * rng.standard_normal((height, width, 3))
    mixed = plane * (1 - cover[..., None]) + np.array(ink, np.float32) * cover[..., None]
    pad = 0.18 * (y1 - y0)
    corners = np.array(
        [(x0 - pad, y0 - pad), (x1 + pad, y0 - pad), (x1 + pad, y1 + pad), (x0 - pad, y1 + pad)]
    )
    quad = corners @ linear.T + matrix[:, 2]
    photo, bare = (np.clip(np.rint(it + noise), 0, 255).astype(np.uint8) for it in (mixed, plane))
    return Word(photo, bare, cover.astype(np.float32), quad.astype(np.float32))
