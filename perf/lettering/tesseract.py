"""Another reader than the product's: Debian's tesseract, as a program."""

from __future__ import annotations

import io
import shutil
import subprocess
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Height, px, at which a line is shown to it: it was trained on letters some 30 px high.
_HEIGHT: Final = 80
# One line of text.
_MODE: Final = "7"
MENDING: Final = "apt-get install -y tesseract-ocr"


@cache
def version() -> str | None:
    """Return its version, None where it is not installed."""
    if shutil.which("tesseract") is None:
        return None
    told = subprocess.run(["tesseract", "--version"], capture_output=True, text=True, check=True)
    return (told.stdout or told.stderr).split()[1]


def read_line(image: NDArray[np.uint8], line: NDArray[np.float32]) -> str:
    """Read one line of a photo, turned upright.

    Args:
        image: UINT8 [H, W, 3].
        line: FP32 [4, 2], its corners, clockwise from the text's upper left.
    """
    high = float(np.linalg.norm(line[[3, 2]] - line[[0, 1]], axis=1).mean())
    wide = float(np.linalg.norm(line[[1, 2]] - line[[0, 3]], axis=1).mean())
    width = max(round(wide / high * _HEIGHT), 20)
    corners = np.array([(0, 0), (width, 0), (width, _HEIGHT), (0, _HEIGHT)], np.float32)
    upright = cv2.warpPerspective(
        image,
        cv2.getPerspectiveTransform(line, corners),
        (width, _HEIGHT),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    file = io.BytesIO()
    Image.fromarray(upright).save(file, "PNG", dpi=(150, 150))
    command = ["tesseract", "stdin", "stdout", "--psm", _MODE, "-l", "eng"]
    done = subprocess.run(command, input=file.getvalue(), capture_output=True, check=True)
    return " ".join(done.stdout.decode("utf-8", "replace").split())
