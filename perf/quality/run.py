"""The run: every method on every scene with the same cleaned mask, scored against the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.picture.mask import clean_mask
from pawfect.scores.look import look
from pawfect.scores.seam import seam_step
from pawfect.scores.sharpness import sharpness_ratio
from perf.quality.methods import Method
from perf.scenes import Scene

TRUTH = "truth"


@dataclass(frozen=True)
class Scores:
    """What a fill scored; `st_lpips` 0, `seam_step` the truth's own and `sharpness` 1 are best.

    Attributes:
        st_lpips: mean over the holes' tight crops, weighted by their hole area.
        seam_step: CIE76 between local means on both sides of the hole's rim.
        sharpness: Laplacian energy in the hole over that in the ring around it.
    """

    st_lpips: float
    seam_step: float
    sharpness: float


@dataclass(frozen=True)
class Row:
    """One method on one scene.

    Attributes:
        scene: the scene's name.
        group: the scene's group.
        method: the method's name, or TRUTH.
        scores: None if the method failed.
        seconds: wall time; 0 for the truth.
        unfilled: share of the hole left empty, 0 to 1.
        outside_changed: share of the pixels outside the hole that differ from the photo, 0 to 1.
        error: what was raised, empty if nothing.
    """

    scene: str
    group: str
    method: str
    scores: Scores | None
    seconds: float = 0.0
    unfilled: float = 0.0
    outside_changed: float = 0.0
    error: str = ""


@dataclass(frozen=True, eq=False)
class SceneResult:
    """A scene with its rows, the truth's first, and the pictures they were taken from by method."""

    scene: Scene
    hole: NDArray[np.uint8]
    rows: tuple[Row, ...]
    images: Mapping[str, NDArray[np.uint8]]


def run_scene(scene: Scene, methods: Sequence[Method]) -> SceneResult:
    """Run methods on a scene and score them, and the truth itself.

    Peers have no mask cleaning of their own, so they get the mask that `inpaint` cleans.

    Returns:
        The rows; a method that raises has a row with its error.
    """
    hole = clean_mask(scene.mask).mask
    rows = [Row(scene.name, scene.group, TRUTH, _score(scene.truth, scene, hole))]
    images = {TRUTH: scene.truth}
    for method in methods:
        try:
            rows.append(_row(method, scene, hole, images))
        except Exception as error:  # noqa: BLE001 - whatever a method raises is its result
            message = f"{type(error).__name__}: {error}"
            rows.append(Row(scene.name, scene.group, method.name, None, error=message))
    return SceneResult(scene, hole, tuple(rows), images)


def _row(
    method: Method, scene: Scene, hole: NDArray[np.uint8], images: dict[str, NDArray[np.uint8]]
) -> Row:
    """Run and score one method, and keep its picture."""
    outcome = method.run(scene, hole)
    image = outcome.image
    changed = float((image != scene.photo).any(axis=2)[hole == 0].mean())
    scores = _score(image, scene, hole)
    images[method.name] = image
    taken = (outcome.seconds, outcome.unfilled)
    return Row(scene.name, scene.group, method.name, scores, *taken, changed)


def _score(image: NDArray[np.uint8], scene: Scene, hole: NDArray[np.uint8]) -> Scores:
    seam, sharpness = seam_step(image, hole > 0), sharpness_ratio(image, hole)
    return Scores(look(image, scene.truth, hole), seam, sharpness)
