"""The fills that are compared: OpenCV's three, plain PatchMatch, and this project's."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any

import cv2
import numpy as np
import patchmatch
from numpy.typing import NDArray

from perf.quality.removal import Removal

# Neighbourhood of OpenCV's diffusing fills, px; wider only smears farther.
RADIUS_PX = 5
# Radii of plain PatchMatch's patches, px: 5 is what goals are stated against, 3 its own examples'
# setting. By mean ST-LPIPS over this set's pasted scenes 3, 5 and 7 give 0.078, 0.082 and 0.089.
PATCH_RADIUS_PX = 5
SMALL_PATCH_RADIUS_PX = 3
# SHIFTMAP has no bound on its search; 1.2 MP takes it under half of this.
SHIFTMAP_LIMIT_S = 150.0


@dataclass(frozen=True, eq=False)
class Outcome:
    """A finished fill.

    Attributes:
        image: UINT8 [H, W, 3] RGB.
        seconds: wall time.
        cpu_seconds: time of all threads, as the process that filled counts it.
        unfilled: share of the hole that the method left empty, 0 to 1.
    """

    image: NDArray[np.uint8]
    seconds: float
    cpu_seconds: float
    unfilled: float = 0.0


@dataclass(frozen=True)
class Method:
    """A way to fill: its name in the tables, and what fills a removal's hole."""

    name: str
    run: Callable[[Removal], Outcome]


def _timed(fill: Callable[[], NDArray[np.uint8]]) -> Outcome:
    start, cpu = perf_counter(), process_time()
    image = fill()
    return Outcome(image, perf_counter() - start, process_time() - cpu)


def _diffusion(algorithm: int) -> Callable[[Removal], Outcome]:
    """Fill by OpenCV's Telea or Navier-Stokes."""
    return lambda removal: _timed(
        lambda: np.asarray(cv2.inpaint(removal.photo, removal.hole, RADIUS_PX, algorithm), np.uint8)
    )


def _plain_patchmatch(radius: int) -> Callable[[Removal], Outcome]:
    """Fill by PatchMatch as its package does it (Barnes et al., SIGGRAPH 2009)."""

    def fill(removal: Removal) -> NDArray[np.uint8]:
        patchmatch.set_random_seed(0)
        hole, unknown = (removal.hole > 0).astype(np.uint8), None
        if removal.unknown is not None:
            unknown = (removal.unknown > 0).astype(np.uint8)
        return np.asarray(
            patchmatch.inpaint(removal.photo, hole, global_mask=unknown, patch_size=radius)
        )

    return lambda removal: _timed(lambda: fill(removal))


def _shiftmap_child(
    photo: NDArray[np.uint8], hole: NDArray[np.uint8], unknown: NDArray[np.uint8] | None
) -> Outcome:
    """Fill by xphoto's SHIFTMAP; runs in a process of its own, which can be stopped."""
    cv2.setRNGSeed(0)
    # It compares colours by distance, so its manual asks for CIELAB; its mask is 0 in the hole.
    lab = cv2.cvtColor(photo, cv2.COLOR_RGB2LAB)
    filled = np.zeros_like(lab)
    # It has no mask for what must not be copied: that is filled too, and put back.
    keep = 255 - (hole if unknown is None else hole | unknown)
    start, cpu = perf_counter(), process_time()
    cv2.xphoto.inpaint(lab, keep, filled, cv2.xphoto.INPAINT_SHIFTMAP)
    seconds, cpu_seconds = perf_counter() - start, process_time() - cpu
    # All zeros is no colour that CIELAB gives: grey has 128 in the last two channels.
    empty = (filled == 0).all(axis=2) & (hole > 0)
    # CIELAB in bytes does not turn back exactly: only what the fill changed is taken from it.
    changed = (filled != lab).any(axis=2) | (hole > 0)
    image = np.where(changed[..., None], cv2.cvtColor(filled, cv2.COLOR_LAB2RGB), photo)
    image[empty] = 0
    if unknown is not None:
        image = np.where((unknown > 0)[..., None], photo, image)
    share = float(empty.sum() / np.count_nonzero(hole))
    return Outcome(image.astype(np.uint8), seconds, cpu_seconds, share)


def _shiftmap(removal: Removal) -> Outcome:
    """Fill by xphoto's SHIFTMAP (He and Sun, ECCV 2012) within `SHIFTMAP_LIMIT_S`.

    Raises:
        TimeoutError: it took longer.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        given = (removal.photo, removal.hole, removal.unknown)
        job = pool.apply_async(_shiftmap_child, given)
        try:
            return job.get(SHIFTMAP_LIMIT_S)
        except multiprocessing.TimeoutError as error:
            message = f"expected a fill within {SHIFTMAP_LIMIT_S:.0f} s, got none"
            raise TimeoutError(message) from error


def _patches(removal: Removal) -> Outcome:
    """Fill the given hole by this project's patches alone."""
    from pawfect.patch.engine import fill

    photo, hole, unknown = removal.photo, removal.hole, removal.unknown
    return _timed(lambda: fill(photo, hole, protect=unknown, seed=0).image)


def _pawfect(removal: Removal) -> Outcome:
    """Fill by this project's `inpaint`, which cleans the user's mask itself."""
    from pawfect.local import inpaint_local

    parameters: dict[str, Any] = {"seed": 0}
    if removal.dilate_px is not None:
        parameters["dilate_px"] = removal.dilate_px
    photo, marked, unknown = removal.photo, removal.marked, removal.unknown
    return _timed(lambda: inpaint_local(photo, marked, protect=unknown, **parameters).image)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("telea", _diffusion(cv2.INPAINT_TELEA)),
        Method("ns", _diffusion(cv2.INPAINT_NS)),
        Method("shiftmap", _shiftmap),
        Method("patchmatch", _plain_patchmatch(PATCH_RADIUS_PX)),
        Method("patchmatch_3", _plain_patchmatch(SMALL_PATCH_RADIUS_PX)),
        Method("patches", _patches),
        Method("pawfect", _pawfect),
    )
}


def warm_up(methods: Sequence[Method]) -> None:
    """Run each once on a small picture: what is loaded or compiled on first use is not timed."""
    random = np.random.default_rng(0)
    photo = random.integers(0, 256, (96, 96, 3), np.uint8)
    hole = np.zeros((96, 96), np.uint8)
    hole[40:60, 40:60] = 255
    for method in methods:
        # What fails here fails on what is measured, and is told there.
        with contextlib.suppress(Exception):
            method.run(Removal("warm-up", "noise", photo, photo, hole, hole))
