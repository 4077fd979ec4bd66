"""The fills that are compared: OpenCV's three, plain PatchMatch, and this project's."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import cv2
import numpy as np
import patchmatch
from numpy.typing import NDArray

from perf.scenes import Scene

# Neighbourhood of OpenCV's diffusing fills, px; wider only smears farther.
RADIUS_PX = 5
# Radius of plain PatchMatch's patches, px (7x7): its own examples' setting, and the best of 3, 5
# and 7 by mean ST-LPIPS over this set's pasted scenes (0.078, 0.082, 0.089).
PATCH_RADIUS_PX = 3
# SHIFTMAP has no bound on its search; 1.2 MP takes it under half of this.
SHIFTMAP_LIMIT_S = 150.0


@dataclass(frozen=True, eq=False)
class Outcome:
    """A finished fill.

    Attributes:
        image: UINT8 [H, W, 3] RGB.
        seconds: wall time.
        unfilled: share of the hole that the method left empty, 0 to 1.
    """

    image: NDArray[np.uint8]
    seconds: float
    unfilled: float = 0.0


@dataclass(frozen=True)
class Method:
    """A way to fill: its name in the tables, and what takes a scene and the mask UINT8 [H, W]."""

    name: str
    run: Callable[[Scene, NDArray[np.uint8]], Outcome]


def _timed(fill: Callable[[], NDArray[np.uint8]]) -> Outcome:
    start = perf_counter()
    image = fill()
    return Outcome(image, perf_counter() - start)


def _diffusion(algorithm: int) -> Callable[[Scene, NDArray[np.uint8]], Outcome]:
    """Fill by OpenCV's Telea or Navier-Stokes."""
    return lambda scene, hole: _timed(
        lambda: np.asarray(cv2.inpaint(scene.photo, hole, RADIUS_PX, algorithm), np.uint8)
    )


def _plain_patchmatch(scene: Scene, hole: NDArray[np.uint8]) -> Outcome:
    """Fill by PatchMatch as its package does it (Barnes et al., SIGGRAPH 2009)."""

    def fill() -> NDArray[np.uint8]:
        patchmatch.set_random_seed(0)
        mask = (hole > 0).astype(np.uint8)
        return np.asarray(patchmatch.inpaint(scene.photo, mask, patch_size=PATCH_RADIUS_PX))

    return _timed(fill)


def _shiftmap_child(photo: NDArray[np.uint8], hole: NDArray[np.uint8]) -> Outcome:
    """Fill by xphoto's SHIFTMAP; runs in a process of its own, which can be stopped."""
    cv2.setRNGSeed(0)
    # It compares colours by distance, so its manual asks for CIELAB; its mask is 0 in the hole.
    lab = cv2.cvtColor(photo, cv2.COLOR_RGB2LAB)
    filled = np.zeros_like(lab)
    start = perf_counter()
    cv2.xphoto.inpaint(lab, 255 - hole, filled, cv2.xphoto.INPAINT_SHIFTMAP)
    seconds = perf_counter() - start
    # All zeros is no colour that CIELAB gives: grey has 128 in the last two channels.
    empty = (filled == 0).all(axis=2) & (hole > 0)
    # CIELAB in bytes does not turn back exactly: only what the fill changed is taken from it.
    changed = (filled != lab).any(axis=2) | (hole > 0)
    image = np.where(changed[..., None], cv2.cvtColor(filled, cv2.COLOR_LAB2RGB), photo)
    image[empty] = 0
    return Outcome(image.astype(np.uint8), seconds, float(empty.sum() / np.count_nonzero(hole)))


def _shiftmap(scene: Scene, hole: NDArray[np.uint8]) -> Outcome:
    """Fill by xphoto's SHIFTMAP (He and Sun, ECCV 2012) within `SHIFTMAP_LIMIT_S`.

    Raises:
        TimeoutError: it took longer.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        job = pool.apply_async(_shiftmap_child, (scene.photo, hole))
        try:
            return job.get(SHIFTMAP_LIMIT_S)
        except multiprocessing.TimeoutError as error:
            message = f"expected a fill within {SHIFTMAP_LIMIT_S:.0f} s, got none"
            raise TimeoutError(message) from error


def _pawfect(scene: Scene, hole: NDArray[np.uint8]) -> Outcome:
    """Fill by this project's `inpaint`, which cleans the user's mask itself."""
    from pawfect.local import inpaint_local

    return _timed(lambda: inpaint_local(scene.photo, scene.mask, seed=0).image)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("telea", _diffusion(cv2.INPAINT_TELEA)),
        Method("ns", _diffusion(cv2.INPAINT_NS)),
        Method("shiftmap", _shiftmap),
        Method("patchmatch", _plain_patchmatch),
        Method("pawfect", _pawfect),
    )
}
