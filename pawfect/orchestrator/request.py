"""What goes into the orchestration of one request and what comes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.candidates import FoundCandidate
from pawfect.contract.errors import invalid
from pawfect.contract.parameters import InpaintParams
from pawfect.contract.report import Report
from pawfect.contract.tensors import check_photo_size


@dataclass(frozen=True)
class InpaintRequest:
    """One request, decoded.

    Attributes:
        image: UINT8 [H, W, 3] RGB.
        mask: UINT8 [H, W], >= 128 = fill.
        protect: UINT8 [H, W] or None, >= 128 = never filled, never copied from.
        scene_labels: surfaces around the hole, where the caller knows them.
        prompt: what to fill with, where the caller has one.
        params: the scalars.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    params: InpaintParams
    protect: NDArray[np.uint8] | None = None
    scene_labels: tuple[str, ...] = ()
    prompt: str | None = None

    def check_planes(self) -> None:
        """Raise INVALID_ARG unless photo, mask and PROTECT are as above, within the limits."""
        planes = (("IMAGE", self.image, 3), ("MASK", self.mask, 2), ("PROTECT", self.protect, 2))
        for name, plane, axes in planes:
            if plane is not None and not (
                plane.dtype == np.uint8 and plane.ndim == axes and plane.shape[2:] in ((), (3,))
            ):
                expected = f"uint8 {['H', 'W', 3][:axes]}".replace("'", "")
                raise invalid(name, expected, f"{plane.dtype} {list(plane.shape)}")
        height, width = self.image.shape[:2]
        check_photo_size(height, width, "IMAGE")
        for name, plane in (("MASK", self.mask), ("PROTECT", self.protect)):
            if plane is not None and plane.shape != (height, width):
                got = f"{plane.shape[1]}x{plane.shape[0]}"
                raise invalid(name, f"the image's size {width}x{height}", got)


@dataclass(frozen=True)
class InpaintResult:
    """The answer to one request.

    Attributes:
        image: UINT8 [H, W, 3] RGB, bit-identical to the input outside the cleaned mask and its
            feather.
        clean_mask: UINT8 [H, W], 255 where it was filled.
        report: how it came about.
    """

    image: NDArray[np.uint8]
    clean_mask: NDArray[np.uint8]
    report: Report


@dataclass(frozen=True)
class Progress:
    """Where a request stands.

    Attributes:
        stage: the stage that ended.
        progress: share of the whole that is done, 0 to 1, never falling.
        preview: UINT8 [h, w, 3] RGB, at most PREVIEW_PX a side, or None.
        candidate: one that a search has finished, with what it shows.
    """

    stage: str
    progress: float
    preview: NDArray[np.uint8] | None = None
    candidate: FoundCandidate | None = None


Notify = Callable[[Progress], Awaitable[None]]


async def silent(progress: Progress) -> None:
    """Tell nobody."""
