"""The run: every method on every removal with the same hole, scored against the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.scores.look import look
from pawfect.scores.seam import seam_step
from pawfect.scores.sharpness import sharpness_ratio
from perf.pictures import view_of
from perf.quality.methods import Method
from perf.quality.removal import Removal
from perf.quality.rim import rim_colour

TRUTH = "truth"


@dataclass(frozen=True)
class Scores:
    """What a fill scored; `st_lpips` and `rim_colour` 0, `seam_step` the truth's own are best.

    Attributes:
        st_lpips: mean over the holes' tight crops, weighted by their hole area.
        rim_colour: CIE76 between local means of fill and truth just inside the hole's rim.
        seam_step: CIE76 between local means on both sides of the hole's rim.
        sharpness: Laplacian energy in the hole over that in the ring around it.
    """

    st_lpips: float
    rim_colour: float
    seam_step: float
    sharpness: float


@dataclass(frozen=True)
class Row:
    """One method on one removal.

    Attributes:
        name: the removal's name.
        group: the removal's group.
        method: the method's name, or TRUTH.
        scores: None if the method failed.
        seconds: wall time; 0 for the truth.
        cpu_seconds: time of all threads of the process that filled; 0 for the truth.
        unfilled: share of the hole left empty, 0 to 1.
        outside_changed: share of the pixels outside the hole that differ from the photo, 0 to 1.
        error: what was raised, empty if nothing.
    """

    name: str
    group: str
    method: str
    scores: Scores | None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    unfilled: float = 0.0
    outside_changed: float = 0.0
    error: str = ""


@dataclass(frozen=True, eq=False)
class Result:
    """A removal with its rows, the truth's first, and by method the crops that a sheet shows."""

    removal: Removal
    rows: tuple[Row, ...]
    crops: Mapping[str, NDArray[np.uint8]]


def run_removal(removal: Removal, methods: Sequence[Method]) -> Result:
    """Run methods on a removal, one after another, and score them, and the truth itself.

    Returns:
        The rows; a method that raises has a row with its error.
    """
    truth, view = removal.truth, view_of(removal.hole)
    rows = [Row(removal.name, removal.group, TRUTH, _score(truth, removal))]
    crops = {TRUTH: truth[view]}
    for method in methods:
        try:
            row, image = _row(method, removal)
        except Exception as error:  # noqa: BLE001 - whatever a method raises is its result
            message = f"{type(error).__name__}: {error}"
            rows.append(Row(removal.name, removal.group, method.name, None, error=message))
        else:
            rows.append(row)
            # A copy: a run over many photos cannot hold every picture.
            crops[method.name] = image[view].copy()
    return Result(removal, tuple(rows), crops)


def _row(method: Method, removal: Removal) -> tuple[Row, NDArray[np.uint8]]:
    """Run and score one method; return its row and its picture."""
    outcome = method.run(removal)
    image = outcome.image
    changed = float((image != removal.photo).any(axis=2)[removal.hole == 0].mean())
    scores = _score(image, removal)
    taken = (outcome.seconds, outcome.cpu_seconds, outcome.unfilled)
    return Row(removal.name, removal.group, method.name, scores, *taken, changed), image


def _score(image: NDArray[np.uint8], removal: Removal) -> Scores:
    truth, hole = removal.truth, removal.hole
    seam, sharpness = seam_step(image, hole > 0), sharpness_ratio(image, hole)
    return Scores(look(image, truth, hole), rim_colour(image, truth, hole), seam, sharpness)
