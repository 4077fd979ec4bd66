"""The ink of old letters: which pixels are letters, how far each is covered, and in what colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.lettering.frame import LINE_PX
from pawfect.picture.box import Box

_RING: Final = (0.04, 0.22)
"""Of the line's height: how far inside and outside the quad's edge the ground is looked at first.
A reader's quad stands a little off its letters; a box that a person drew does so too."""
_INLIER: Final = 3.0  # standard deviations: what is nearer to the ground's colour is ground
_INK: Final = 4.5  # standard deviations from the ground: surely not ground
_RIM: Final = 2.4  # and: not ground where it touches what surely is none, such as a rim or a shadow
_LEAST_NOISE: Final = 3.5  # levels of 255: JPEG alone does that much beside letters
_GRAIN: Final = 0.06  # of the way from ground to ink: grain and JPEG reach that far
_SPECK: Final = 0.0025  # of the line's height squared: a dot of an i has some 0.01
_REACH: Final = 0.16  # of the line's height: rims and shadows lie that near to the letters


@dataclass(frozen=True, eq=False)
class Plane:
    """A colour that changes evenly over a frame, and is constant beyond where it was measured.

    Attributes:
        weights: FP64 [3, 3]: of 1, x and y (px of the frame), for each channel.
        within: where it was measured.
    """

    weights: NDArray[np.float64]
    within: Box

    def at(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the colours FP32 [..., 3], 0-255, at points of the frame."""
        x = np.clip(x, self.within.x0, self.within.x1)
        y = np.clip(y, self.within.y0, self.within.y1)
        constant, across, down = self.weights.astype(np.float32)
        colours = constant + x[..., None] * across + y[..., None] * down
        return np.asarray(np.clip(colours, 0, 255), np.float32)


@dataclass(frozen=True, eq=False)
class Ink:
    """What was found in a frame.

    Attributes:
        alpha: FP32 [h, w], 0 to 1: how far each pixel is covered by letters.
        mask: BOOL [h, w]: letters with their rims, outlines and shadows.
        colour: the letters'.
        ground: FP32 [h, w, 3]: the ground as a smooth surface.
        away: FP32 [h, w]: standard deviations of the ground by which each pixel differs from it.
        box: of the letters.
    """

    alpha: NDArray[np.float32]
    mask: NDArray[np.bool_]
    colour: Plane
    ground: NDArray[np.float32]
    away: NDArray[np.float32]
    box: Box


def find_ink(pixels: NDArray[np.float32], line: Box) -> Ink | None:
    """Find the letters of a line.

    The ground is a smooth surface fitted to what lies around the letters, again and again without
    what does not belong to it. What stands off it clearly is ink; its commonest colour that is no
    rim is the letters'. How far a pixel is covered follows from where it lies between both colours
    along the direction in which the ground itself varies least (Fisher's discriminant).

    Args:
        pixels: FP32 [h, w, 3], 0-255, what a frame shows.
        line: the quad in it.

    Returns:
        The ink; None where nothing stands off the ground.
    """
    ground, spread = _ground(pixels, line)
    rest = pixels - ground
    inverse = np.linalg.inv(spread)
    away = np.sqrt(np.maximum(np.einsum("hwi,ij,hwj->hw", rest, inverse, rest), 0))
    inside = _grown(line, 0.12, pixels.shape[:2])
    seeds = np.zeros(away.shape, np.bool_)
    seeds[inside.slices] = away[inside.slices] > _INK
    if seeds.sum() < _SPECK * LINE_PX**2:
        return None
    core = _core(pixels, seeds, inverse)
    colour = _plane(pixels, core)
    alpha = _covered(rest, colour, ground, inverse)
    alpha = _letters_alone(alpha, inside)
    mask = _with_rims(alpha, away)
    if mask is None or not (alpha > 0.5).any():
        return None
    box = _box_of(alpha > 0.5)
    thick, full = _shrunk(alpha > 0.9), alpha > 0.8
    if full.any():
        colour = _plane(pixels, thick if thick.sum() > 40 else full)
    return Ink(alpha, mask, colour, ground, away.astype(np.float32), box)


def _ground(
    pixels: NDArray[np.float32], line: Box
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Fit the ground FP32 [h, w, 3], and the covariance [3, 3] of what it leaves."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[:height, :width]
    u, v = (x - line.x0) / max(line.width, 1) * 2 - 1, (y - line.y0) / max(line.height, 1) * 2 - 1
    basis = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], -1).reshape(-1, 6)
    flat = pixels.reshape(-1, 3).astype(np.float64)
    outer, inner = _grown(line, _RING[1], (height, width)), _grown(line, -_RING[0], (height, width))
    near = np.zeros((height, width), np.bool_)
    near[outer.slices] = True
    ring = near.copy()
    ring[inner.slices] = False
    usable, around = np.flatnonzero(near.ravel()), np.flatnonzero(ring.ravel())
    middle = np.median(flat[around], axis=0)
    spread = _spread(flat[around] - middle)
    fitted = np.broadcast_to(middle, flat.shape)
    for turn in range(6):
        rest = flat[usable] - fitted[usable]
        away = np.sqrt(np.einsum("ni,ij,nj->n", rest, np.linalg.inv(spread), rest))
        chosen = usable[away < _INLIER]
        if chosen.size < 60:
            break
        terms = 3 if turn < 2 else 6
        weights, *_ = np.linalg.lstsq(basis[chosen, :terms], flat[chosen], rcond=None)
        fitted = basis[:, :terms] @ weights
        spread = _spread(flat[chosen] - fitted[chosen])
    return fitted.reshape(height, width, 3).astype(np.float32), spread


def _spread(rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the covariance [3, 3] of differences [n, 3], without the farthest tenth."""
    size = np.abs(rest).sum(1)
    kept = rest[size <= np.quantile(size, 0.9)]
    # What is cut off takes about a third of a normal distribution's variance in three channels.
    return np.asarray(np.cov(kept.T) * 1.5 + np.eye(3) * _LEAST_NOISE**2, np.float64)


def _core(
    pixels: NDArray[np.float32], seeds: NDArray[np.bool_], inverse: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return the part of the seeds that has the letters' own colour, no rim's or outline's."""
    thick = _shrunk(seeds)
    pool = thick if thick.sum() > 60 else seeds
    colours = pixels[pool].astype(np.float32)
    if len(colours) < 12:
        return seeds
    count = min(3, len(colours))
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    cv2.setRNGSeed(0)
    _, labels, centres = cv2.kmeans(
        colours, count, np.zeros((0, 1), np.int32), criteria, 2, cv2.KMEANS_PP_CENTERS
    )
    shares = np.bincount(labels.ravel(), minlength=count) / len(colours)
    # Clusters of one ink that is shaded, or grained, belong together.
    best, most = 0, -1.0
    together = np.zeros((count, count), np.bool_)
    for one in range(count):
        gap = np.linalg.norm(centres - centres[one], axis=1)
        together[one] = gap < 45
        mass = float(shares[together[one]].sum())
        if mass > most:
            best, most = one, mass
    chosen = together[best][labels.ravel()]
    out = np.zeros_like(seeds)
    out[pool] = chosen
    return out


def _plane(pixels: NDArray[np.float32], where: NDArray[np.bool_]) -> Plane:
    """Fit a colour that changes evenly to some pixels, the farthest of them left out."""
    ys, xs = np.nonzero(where)
    within = Box(int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)
    colours = pixels[ys, xs].astype(np.float64)
    basis = np.stack([np.ones(len(xs)), xs, ys], 1)
    weights = np.zeros((3, 3))
    weights[0] = np.median(colours, axis=0)
    for _ in range(3):
        rest = np.abs(colours - basis @ weights).sum(1)
        kept = rest <= max(float(np.quantile(rest, 0.8)), 6.0)
        if kept.sum() < 30 or np.ptp(xs[kept]) < 4 or np.ptp(ys[kept]) < 4:
            break
        weights, *_ = np.linalg.lstsq(basis[kept], colours[kept], rcond=None)
    return Plane(weights, within)


def _covered(
    rest: NDArray[np.float32], colour: Plane, ground: NDArray[np.float32],
    inverse: NDArray[np.float64],
) -> NDArray[np.float32]:  # fmt: skip
    """Return how far each pixel lies from the ground towards the ink, 0 to 1."""
    y, x = np.mgrid[: rest.shape[0], : rest.shape[1]].astype(np.float32)
    step = colour.at(x, y) - ground
    towards = step @ inverse
    length = np.maximum((towards * step).sum(-1), 1e-6)
    alpha = np.clip((rest * towards).sum(-1) / length, 0, 1)
    return np.asarray(alpha, np.float32)


def _letters_alone(alpha: NDArray[np.float32], inside: Box) -> NDArray[np.float32]:
    """Clear what is no letter: specks, and what lies mostly outside the line."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((alpha > 0.45).astype(np.uint8))
    keep = np.zeros(count, np.bool_)
    within = np.bincount(labels[inside.slices].ravel(), minlength=count)
    for index in range(1, count):
        area = stats[index, cv2.CC_STAT_AREA]
        keep[index] = area > _SPECK * LINE_PX**2 and within[index] > 0.55 * area
    letters = keep[labels].astype(np.uint8)
    near = cv2.dilate(letters, np.ones((7, 7), np.uint8)) > 0
    return np.where(near, cleaned(alpha), np.float32(0)).astype(np.float32)


def cleaned(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a coverage without what is nearly none and nearly all: grain is neither."""
    return np.asarray(np.clip((alpha - _GRAIN) / (1 - 2 * _GRAIN), 0, 1), np.float32)


def _with_rims(alpha: NDArray[np.float32], away: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Return letters with what is not ground beside them; None where there is no letter."""
    letters = alpha > 0.3
    if letters.sum() < _SPECK * LINE_PX**2:
        return None
    reach = max(2, round(_REACH * LINE_PX))
    smooth = cv2.GaussianBlur(away.astype(np.float32), (0, 0), 1.5)
    other = (smooth > _RIM).astype(np.uint8)
    mask = letters.astype(np.uint8)
    near = np.asarray(cv2.dilate(mask, np.ones((2 * reach + 1,) * 2, np.uint8)), np.uint8)
    small = np.ones((3, 3), np.uint8)
    for _ in range(reach):
        grown = np.asarray(cv2.dilate(mask, small), np.uint8) & (other | mask) & near
        if (grown == mask).all():
            break
        mask = grown
    return np.asarray(cv2.dilate(mask, np.ones((5, 5), np.uint8)) > 0)


def _shrunk(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(cv2.erode(flags.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)


def _grown(box: Box, share: float, shape: tuple[int, ...]) -> Box:
    by = round(share * LINE_PX)
    return Box(
        max(box.x0 - by, 0), max(box.y0 - by, 0), min(box.x1 + by, shape[1]),
        min(box.y1 + by, shape[0]),
    )  # fmt: skip


def _box_of(flags: NDArray[np.bool_]) -> Box:
    rows, columns = np.flatnonzero(flags.any(1)), np.flatnonzero(flags.any(0))
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
