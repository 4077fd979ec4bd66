"""The fills that are compared: OpenCV's three, plain PatchMatch, and this project's.

Peers have no mask cleaning of their own, so they get the mask that `inpaint` cleaned; ours gets the
user's mask and cleans it itself.
"""

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from time import perf_counter

import cv2
import numpy as np
import patchmatch

from perf.quality.light import Mask, Pixels
from perf.quality.scenes import Scene

# Neighbourhood of OpenCV's diffusing fills, px; wider only smears farther.
RADIUS_PX = 5
# Radius of plain PatchMatch's patches, px (7x7): its own examples' setting, and the best of 3, 5
# and 7 by mean ST-LPIPS over this set's pasted scenes (0.078, 0.082, 0.089).
PATCH_RADIUS_PX = 3
# SHIFTMAP has no bound on its search; 1.2 MP takes it under half of this.
SHIFTMAP_LIMIT_S = 150.0
# A fill quicker than this is run `REPEATS` times and its median taken, s.
CHEAP_S = 0.5
REPEATS = 3


@dataclass(frozen=True)
class Outcome:
    """A finished fill.

    Attributes:
        image: UINT8 [H,W,3] RGB.
        seconds: wall time, the median of `REPEATS` runs where cheap.
        unfilled: part of the hole that the method left empty.
        hole: UINT8 [H,W] that the method filled, where it chose its own.
    """

    image: Pixels
    seconds: float
    unfilled: float = 0.0
    hole: Mask | None = None


@dataclass(frozen=True)
class Method:
    """A way to fill.

    Attributes:
        name: as in the tables.
        version: of the package, with the settings: outputs are cached under it.
        run: takes the scene and the cleaned mask UINT8 [H,W].
        own: whether it is this project's fill, which is never cached.
    """

    name: str
    version: str
    run: Callable[[Scene, Mask], Outcome]
    own: bool = False


def timed(fill: Callable[[], Pixels]) -> tuple[Pixels, float]:
    """Run a fill; give its image and the seconds it took, the median of several if quick."""
    durations: list[float] = []
    while True:
        start = perf_counter()
        image = fill()
        durations.append(perf_counter() - start)
        if durations[0] >= CHEAP_S or len(durations) >= REPEATS:
            return image, float(np.median(durations))


def _diffusion(algorithm: int) -> Callable[[Scene, Mask], Outcome]:
    """Fill by OpenCV's Telea or Navier-Stokes."""

    def run(scene: Scene, hole: Mask) -> Outcome:
        image, seconds = timed(
            lambda: cv2.inpaint(scene.photo, hole, RADIUS_PX, algorithm).astype(np.uint8)
        )
        return Outcome(image, seconds)

    return run


def _plain_patchmatch(scene: Scene, hole: Mask) -> Outcome:
    """Fill by PatchMatch as its package does it (Barnes et al., SIGGRAPH 2009)."""

    def fill() -> Pixels:
        patchmatch.set_random_seed(0)
        filled = patchmatch.inpaint(
            scene.photo, (hole > 0).astype(np.uint8), patch_size=PATCH_RADIUS_PX
        )
        return np.asarray(filled, np.uint8)

    image, seconds = timed(fill)
    return Outcome(image, seconds)


def _shiftmap_child(photo: Pixels, hole: Mask) -> tuple[Pixels, float, float]:
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
    return image.astype(np.uint8), seconds, float(empty.sum() / np.count_nonzero(hole))


def _shiftmap(scene: Scene, hole: Mask) -> Outcome:
    """Fill by xphoto's SHIFTMAP (He and Sun, ECCV 2012) within `SHIFTMAP_LIMIT_S`.

    Raises:
        TimeoutError: it took longer.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        job = pool.apply_async(_shiftmap_child, (scene.photo, hole))
        try:
            image, seconds, unfilled = job.get(SHIFTMAP_LIMIT_S)
        except multiprocessing.TimeoutError as error:
            message = f"expected a fill within {SHIFTMAP_LIMIT_S:.0f} s, got none"
            raise TimeoutError(message) from error
    return Outcome(image, seconds, unfilled)


def _pawfect(scene: Scene, hole: Mask) -> Outcome:
    """Fill by this project's `inpaint`, from the user's mask."""
    from pawfect.local import inpaint_local

    holes: list[Mask] = []

    def fill() -> Pixels:
        result = inpaint_local(scene.photo, scene.mask, seed=0)
        holes.append(np.asarray(result.clean_mask, np.uint8))
        return np.asarray(result.image, np.uint8)

    image, seconds = timed(fill)
    return Outcome(image, seconds, hole=holes[-1])


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("telea", f"opencv {cv2.__version__} r{RADIUS_PX}", _diffusion(cv2.INPAINT_TELEA)),
        Method("ns", f"opencv {cv2.__version__} r{RADIUS_PX}", _diffusion(cv2.INPAINT_NS)),
        Method("shiftmap", f"opencv {cv2.__version__} lab", _shiftmap),
        Method(
            "patchmatch",
            f"pypatchmatch {version('pypatchmatch')} r{PATCH_RADIUS_PX}",
            _plain_patchmatch,
        ),
        Method("pawfect", "this tree", _pawfect, own=True),
    )
}


def cleaned(scene: Scene) -> Mask:
    """Clean a scene's mask as `inpaint` does: UINT8 [H,W], 255 = fill, grown past soft edges."""
    from pawfect.picture.mask import clean_mask

    return np.asarray(clean_mask(scene.mask).mask, np.uint8)
