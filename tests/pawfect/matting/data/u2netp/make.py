"""Makes this folder with rembg's own code, in an environment that has it.

    python -m venv ENV
    ENV/bin/pip install rembg==2.0.86 onnxruntime==1.31.0
    OMP_NUM_THREADS=1 ENV/bin/python tests/pawfect/matting/data/u2netp/make.py WEIGHTS/u2netp

The masks are what rembg's session answers for the pictures with the file that the manifest's entry
`u2netp` brings. The pictures are drawn from seeds: one lighter than black to white, since rembg
divides by the brightest value that a picture has, and one under the network's 320 px.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

HERE = Path(__file__).parent
# Name: width and height in px, and the brightest value.
PICTURES = {"bright": (480, 352, 255), "dim": (150, 212, 140)}


def drawn(width: int, height: int, brightest: int, seed: int) -> Image.Image:
    """Return a subject of two ellipses before a soft background."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 120, (5, 6, 3), np.uint8))
    image = coarse.resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    middle, side = (width // 2, height * 3 // 5), min(width, height) // 4
    for x, y, across, down in (
        (*middle, side, side * 3 // 2),
        (middle[0], middle[1] - side * 2, side // 2, side // 2),
    ):
        draw.ellipse((x - across, y - down, x + across, y + down), fill=(230, 190, 120))
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(1)), np.float64)
    return Image.fromarray(np.rint(soft * (brightest / soft.max())).astype(np.uint8))


def main(weights: str) -> None:
    """Write the pictures and rembg's masks."""
    os.environ["U2NET_HOME"] = weights
    from rembg import new_session, remove

    session = new_session("u2netp", providers=["CPUExecutionProvider"])
    for seed, (name, size) in enumerate(PICTURES.items()):
        image = drawn(*size, seed)
        image.save(HERE / f"{name}.png", optimize=True)
        remove(image, session=session, only_mask=True).save(HERE / f"{name}_mask.png")


if __name__ == "__main__":
    main(sys.argv[1])
