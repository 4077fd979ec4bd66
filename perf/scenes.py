"""The pictures that measurements and tests draw on: removals whose right answer is known.

They lie in `perf/data/`; its README says how they were made.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

DATA: Final = Path(__file__).parent / "data"
# The groups of the quality set; `variation` holds the dog in other light, poses and framings.
QUALITY_GROUPS: Final = ("texture", "smooth", "defocus", "structure", "photo", "reference")
GROUPS: Final = (*QUALITY_GROUPS, "variation")
# The stand-in for session D1A406F5: what the demo shows and the benchmarks send.
REFERENCE: Final = "reference_1600"


@dataclass(frozen=True)
class Scene:
    """A photo with an object to remove, and what is behind it. All arrays share H and W.

    Attributes:
        name: unique among all scenes.
        group: one of GROUPS.
        photo: UINT8 [H, W, 3] RGB, with the object.
        truth: UINT8 [H, W, 3] RGB, without it; equals the photo away from object and shadow.
        mask: UINT8 [H, W], 255 = what a user or a segmenter marked: rough, with specks and holes.
        object_mask: UINT8 [H, W], 255 = the object itself.
        protect: UINT8 [H, W], 255 = the pet; None where there is no pet.
        alpha: UINT8 [H, W], the pet's opacity in the photo, soft along its fur; None likewise.
    """

    name: str
    group: str
    photo: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    object_mask: NDArray[np.uint8]
    protect: NDArray[np.uint8] | None = None
    alpha: NDArray[np.uint8] | None = None

    def resized(self, width: int, height: int) -> Scene:
        """Return the scene shrunk to `width` x `height` px; masks stay 0 or 255."""

        def shrunk(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
            small = cv2.resize(array, (width, height), interpolation=cv2.INTER_AREA)
            return np.asarray(small, np.uint8)

        def mask(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
            return np.where(shrunk(array) >= 128, 255, 0).astype(np.uint8)

        return replace(
            self,
            photo=shrunk(self.photo),
            truth=shrunk(self.truth),
            mask=mask(self.mask),
            object_mask=mask(self.object_mask),
            protect=None if self.protect is None else mask(self.protect),
            alpha=None if self.alpha is None else shrunk(self.alpha),
        )

    def encoded(self) -> tuple[bytes, bytes]:
        """Return what a client uploads: the photo as JPEG, the mask as PNG."""
        photo, mask = io.BytesIO(), io.BytesIO()
        Image.fromarray(self.photo).save(photo, "JPEG", quality=90)
        Image.fromarray(self.mask).save(mask, "PNG")
        return photo.getvalue(), mask.getvalue()


def scene_names(*groups: str) -> tuple[str, ...]:
    """Return the names of the scenes of these groups, or of all, group by group."""
    chosen = groups or GROUPS
    return tuple(path.name for group in chosen for path in sorted((DATA / group).iterdir()))


def group_of(name: str) -> str:
    """Return a scene's group.

    Raises:
        KeyError: no scene has this name.
    """
    for group in GROUPS:
        if name and (DATA / group / name).is_dir():
            return group
    raise KeyError(f"expected one of {', '.join(scene_names())}, got {name}")


def load_scene(name: str = REFERENCE) -> Scene:
    """Read a scene.

    Raises:
        KeyError: no scene has this name.
    """
    group = group_of(name)
    folder = DATA / group / name
    truth = _read(next(folder.glob("truth.*")), "RGB")
    overlay = _read(folder / "overlay.webp", "RGBA")
    pet = (folder / "alpha.png").is_file()
    return Scene(
        name,
        group,
        np.where(overlay[..., 3:] > 0, overlay[..., :3], truth),
        truth,
        _read(folder / "mask.png", "L"),
        _read(folder / "object.png", "L"),
        _read(folder / "protect.png", "L") if pet else None,
        _read(folder / "alpha.png", "L") if pet else None,
    )


def _read(path: Path, mode: str) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.array(picture.convert(mode), np.uint8)
