"""The pictures of an audit: whole files or none."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from perf.audit.journal import save_whole

FOLDER: Final = "pictures"
# The eye sees no difference, at half of a phone's own file size.
QUALITY: Final = 92
OUTLINE: Final = (255, 0, 200)


def save_picture(folder: Path, name: str, image: NDArray[np.uint8]) -> str:
    """Save UINT8 [H, W, 3] as JPEG and return its path below the audit's folder.

    Args:
        folder: the audit's.
        name: of the file, without its ending.
        image: what is saved.

    Raises:
        AuditError: the disk is full; no part of the file stays.
    """
    place = f"{FOLDER}/{name}.jpg"
    path = folder / place
    content = io.BytesIO()
    Image.fromarray(image).save(content, "JPEG", quality=QUALITY, subsampling=0)
    save_whole(path, content.getvalue(), place)
    return place


def outlined(photo: NDArray[np.uint8], hole: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a copy of a photo UINT8 [H, W, 3] with a mask UINT8 [H, W] drawn as an outline."""
    marked = photo.copy()
    contours, _ = cv2.findContours(hole, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(marked, contours, -1, OUTLINE, max(1, photo.shape[1] // 320))
    return marked
