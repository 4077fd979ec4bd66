"""Small photos and masks, so that a fill takes well under a second and 200 of them minutes."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from perf.scenes import load_scene

SIZE = (240, 320)


@dataclass(frozen=True)
class Upload:
    """What one session sends: a JPEG and a PNG."""

    photo: bytes
    mask: bytes


def uploads(count: int, seed: int = 0) -> list[Upload]:
    """Cut different pieces of the reference scene's ground, each with a hole in its middle."""
    photo = load_scene().photo
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        top = int(rng.integers(photo.shape[0] // 2, photo.shape[0] - SIZE[0]))
        left = int(rng.integers(0, photo.shape[1] - SIZE[1]))
        piece = photo[top : top + SIZE[0], left : left + SIZE[1]]
        made.append(Upload(_encoded(piece, "JPEG"), _encoded(_hole(rng), "PNG")))
    return made


def _hole(rng: np.random.Generator) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    middle, radii = rng.uniform(0.4, 0.6, 2) * SIZE, rng.uniform(15, 30, 2)
    inside = ((rows - middle[0]) / radii[0]) ** 2 + ((columns - middle[1]) / radii[1]) ** 2 < 1
    return np.where(inside, 255, 0).astype(np.uint8)


def _encoded(picture: NDArray[np.uint8], form: str) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, form, quality=92)
    return sink.getvalue()
