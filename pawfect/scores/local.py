"""The local judge: how good a fill is, by measures of the picture alone.

Each measure compares the fill with the photo's own surroundings and falls from 10 as it exceeds
what undisturbed photos show. `docs/judges.md` says how far it can be trusted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.scores import BEST, CONSISTENCY, REALISM, Judgement
from pawfect.picture import raster
from pawfect.scene.prompt import Label
from pawfect.scores import detail, repetition, rim, texture
from pawfect.scores.closeup import Closeup, closeup, groups
from pawfect.scores.labels import strange_labels

JUDGE: Final = "local"
# Luma of Rec. 709, the primaries of sRGB.
_LUMA: Final = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
# Share of the fill below which a label that its surroundings lack is the labelling's noise.
STRANGE_COVERAGE: Final = 0.05
_TOO_SMALL: Final = "the hole, or what lies around it, is too small to compare"
_NO_DETAIL: Final = "neither the fill nor what lies around it has any detail to compare"


@dataclass(frozen=True)
class Scale:
    """How a measure becomes a score.

    Attributes:
        axis: that it speaks for.
        free: up to here it is 10: what undisturbed photos show.
        half: by so much more it is 5, by twice as much 2.5.
        weight: within its axis.
    """

    axis: str
    free: float
    half: float
    weight: float = 1.0

    def score(self, value: float) -> float:
        """Return 0 to 10, falling as the value grows."""
        return float(BEST * 0.5 ** (max(value - self.free, 0.0) / self.half))


# Calibrated on 30 holes in real photos, each undisturbed, filled by patches in ten ways, smeared by
# OpenCV's TELEA, and with the photo turned round in the hole.
#
# Consistency begins to fall at what hardly an undisturbed photo undercuts, so that the smallest
# difference between two fills of one hole still counts. Realism begins to fall where nine of ten
# undisturbed photos still are: what is below tells photos apart, not fills. So the best of the ten
# by both axes closes 0.44 of the gap between the mean fill and the best (0.42 on 13 other holes);
# with scales that begin at the median it closes 0.05 (0.25). The 13 were looked at while these were
# chosen; on the 51 that search-bench holds back it closes nothing (perf/results/search.md).
SCALES: Final[Mapping[str, Scale]] = MappingProxyType(
    {
        # CIE76: undisturbed 0.4 in the mean, turned round 22.
        "seam": Scale(CONSISTENCY, -5.0, 10.0),
        # Log of a ratio of gradients: undisturbed -0.1, turned round 1.1.
        "edge": Scale(CONSISTENCY, -0.4, 0.75),
        # CIE76: undisturbed 0.2; 2.3 is what is just noticeable.
        "tone": Scale(CONSISTENCY, -0.5, 1.9),
        # CIE76 with distance: undisturbed 2.4, turned round 5.0.
        "layout": Scale(CONSISTENCY, 0.4, 5.0),
        # Log of a ratio of amplitudes: undisturbed 0.2, TELEA 0.44.
        "coarse": Scale(CONSISTENCY, 0.0, 0.45),
        # Logs of energies: undisturbed 0.02, TELEA 1.0.
        "texture": Scale(CONSISTENCY, -0.1, 0.6),
        # Log of a ratio of squares: undisturbed 0.4, TELEA 5.9.
        "sharpness": Scale(REALISM, 0.7, 1.0),
        # Log of a ratio: undisturbed 0.4, for grain varies with the light; TELEA 1.4.
        "grain": Scale(REALISM, 0.75, 1.0),
        # Log of a ratio of amplitudes: undisturbed 0.17, TELEA 1.8. It holds the other two's bands
        # and is the steadiest of them, so it counts twice.
        "spectrum": Scale(REALISM, 0.3, 0.3, weight=2.0),
        # Share of energy: tiles and fences have up to 0.3 of themselves; a stamp has all.
        "repeats": Scale(REALISM, 0.3, 0.2),
        # Share of pixels: undisturbed never above 0.02.
        "flat": Scale(REALISM, 0.02, 0.2),
    }
)
# How much the worst measure of an axis counts beside the mean of all: a plain fault is seen however
# good the rest is. With a half, the noise of single measures decides between good fills.
WORST_SHARE: Final = 0.25
# What no good measure outweighs: each caps its axis.
FLAWS: Final[Mapping[str, Scale]] = MappingProxyType(
    {
        # Shares of the hole: what covers a fifth of it is what one sees first.
        "strange": Scale(CONSISTENCY, 0.0, 0.2),
        "subject": Scale(CONSISTENCY, 0.05, 0.2),
        # CIE76 by which the surroundings were changed; 2.3 is just noticeable.
        "changed": Scale(CONSISTENCY, 1.0, 2.3),
    }
)


@dataclass(frozen=True)
class Seen:
    """What networks see in a fill.

    Attributes:
        inside: surfaces in the fill; none known: nothing is strange.
        around: surfaces around it.
        subject_share: share of the hole, 0 to 1, that shows a subject which its rim does not; None:
            not known.
    """

    inside: Sequence[Label] = ()
    around: Sequence[Label] = ()
    subject_share: float | None = None


def judge_locally(
    result: NDArray[np.uint8],
    original: NDArray[np.uint8],
    hole: NDArray[np.uint8],
    seen: Seen | None = None,
) -> Judgement:
    """Judge a fill by the picture alone.

    The same arguments give the same scores.

    Args:
        result: UINT8 [H, W, 3] RGB, the photo after.
        original: UINT8 [H, W, 3] RGB, the photo before.
        hole: UINT8 [H, W], 255 = filled: the cleaned mask.
        seen: what networks see in the fill; None: none looked.

    Returns:
        Scores of consistency and realism; an axis that cannot be measured is in `silent`. `parts`
        holds the measures as they were taken, by name; see SCALES and FLAWS.

    Raises:
        ValueError: sizes or dtypes that are not as above.
    """
    began = time.perf_counter()
    _check(result, original, hole)
    filled = hole >= 128
    problem = _unmeasured(filled)
    taken = {} if problem else _measured(result, original, filled)
    flaws = _flaws(seen)
    if "changed" in taken:
        flaws["changed"] = taken.pop("changed")
    why = problem or (_NO_DETAIL if taken else _TOO_SMALL)
    scores, silent = {}, {}
    for axis in (CONSISTENCY, REALISM):
        score = _axis_score(axis, taken, flaws)
        if score is None:
            silent[axis] = why
        else:
            scores[axis] = round(score, 3)
    parts = {name: round(value, 4) for name, value in (taken | flaws).items()}
    ms = round((time.perf_counter() - began) * 1000, 2)
    return Judgement(JUDGE, scores, silent, parts, ms=ms)


def _axis_score(axis: str, taken: Mapping[str, float], flaws: Mapping[str, float]) -> float | None:
    """Return the score of an axis, or None where it has no measure.

    The weighted mean of its measures, drawn down towards the worst of them, and capped by flaws.
    """
    own = {name: SCALES[name] for name in taken if SCALES[name].axis == axis}
    if not own:
        return None
    points = {name: scale.score(taken[name]) for name, scale in own.items()}
    weight = sum(scale.weight for scale in own.values())
    mean = sum(scale.weight * points[name] for name, scale in own.items()) / weight
    score = (1 - WORST_SHARE) * mean + WORST_SHARE * min(points.values())
    caps = [FLAWS[name].score(value) for name, value in flaws.items() if FLAWS[name].axis == axis]
    return min([score, *caps])


def _unmeasured(hole: NDArray[np.bool_]) -> str | None:
    """Return why nothing can be measured, or None."""
    if not hole.any():
        return "nothing was filled"
    edges = hole[0], hole[-1], hole[:, 0], hole[:, -1]
    if all(edge.any() for edge in edges):
        return "the hole touches all edges of the photo: nothing lies around it"
    return None


def _measured(
    result: NDArray[np.uint8], original: NDArray[np.uint8], hole: NDArray[np.bool_]
) -> dict[str, float]:
    """Return the measures that could be taken, each the mean over holes, weighted by their area."""
    sums: dict[str, float] = {}
    areas: dict[str, float] = {}
    for box in groups(hole):
        close = closeup(result, original, hole, box)
        if not close.telling:
            continue
        luma = np.asarray(close.image @ _LUMA, np.float32)
        values = _of_place(close, luma)
        if not detail.plain(close, luma):
            values["coarse"] = detail.spectrum_gap(close, luma, detail.COARSE)
            values |= _of_detail(close, luma, np.ascontiguousarray(result[box.slices]))
        for name, value in values.items():
            if value is not None and math.isfinite(value):
                sums[name] = sums.get(name, 0.0) + close.area * value
                areas[name] = areas.get(name, 0.0) + close.area
    return {name: total / areas[name] for name, total in sums.items()}


def _of_place(close: Closeup, luma: NDArray[np.float32]) -> dict[str, float | None]:
    """Measure how a fill sits among its surroundings."""
    values = {
        "seam": rim.seam_excess(close),
        "edge": rim.edge_excess(close, luma),
        "changed": _changed(close),
    }
    blocks = texture.blocks_of(close)
    if blocks is not None:
        size = math.sqrt(np.count_nonzero(close.hole))
        values["tone"] = texture.tone_excess(*blocks)
        values["layout"] = texture.layout_excess(*blocks, size)
        values["texture"] = texture.texture_excess(*blocks)
    return values


def _of_detail(
    close: Closeup, luma: NDArray[np.float32], image: NDArray[np.uint8]
) -> dict[str, float | None]:
    """Measure whether a fill has the photo's detail; `image` is at the photo's own size."""
    return {
        "sharpness": detail.sharpness_gap(close, image),
        "grain": detail.grain_gap(close, luma),
        "spectrum": detail.spectrum_gap(close, luma, detail.FINE),
        "repeats": repetition.repeat_excess(close, luma),
        "flat": detail.flat_excess(close),
    }


def _changed(close: Closeup) -> float:
    """Return how far the surroundings are from the original's, CIE76."""
    after, before = (
        raster.to_lab(np.ascontiguousarray(photo[close.ring][None]))
        for photo in (close.image, close.before)
    )
    return float(np.sqrt(np.square(after - before).sum(-1)).mean())


def _flaws(seen: Seen | None) -> dict[str, float]:
    """Return what networks see in a fill that does not belong there, as shares of it."""
    if seen is None:
        return {}
    flaws = {}
    if seen.inside and seen.around:
        strange = set(strange_labels(seen.inside, seen.around, STRANGE_COVERAGE))
        covered = sum(label.coverage for label in seen.inside if label.name in strange)
        flaws["strange"] = min(covered, 1.0)
    if seen.subject_share is not None and math.isfinite(seen.subject_share):
        flaws["subject"] = seen.subject_share
    return flaws


def _check(result: NDArray[np.uint8], original: NDArray[np.uint8], hole: NDArray[np.uint8]) -> None:
    if hole.ndim != 2 or hole.dtype != np.uint8:
        raise ValueError(f"hole: expected uint8 [H, W], got {hole.dtype} {list(hole.shape)}")
    shape = (*hole.shape, 3)
    for name, photo in (("result", result), ("original", original)):
        if photo.shape != shape or photo.dtype != np.uint8:
            got = f"{photo.dtype} {list(photo.shape)}"
            raise ValueError(f"{name}: expected uint8 {list(shape)}, got {got}")
