"""Alpha along fur and whiskers, from colours that are surely the subject's and surely not.

It is the guided filter of He, Sun and Tang (IEEE TPAMI 2013) in its fast form (He and Sun,
arXiv:1505.00996): alpha is locally a linear function of the photo's colours, fitted on a small
picture and applied to the full one. But where theirs fits what is to be filtered everywhere, a
network's soft ramp included, here sure pixels count for the fit and those between hardly do, and a
fit counts as far as it tells the sure ones apart. On the fur set that leaves 0.38 of the raw
alpha's gradient error at a network's 320 px and 0.42 at 1024 px; plain guided filtering at its best
of three radii 0.51 and 1.03.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.patch.kept import compiled
from pawfect.picture import raster

Floats = NDArray[np.float32]

# The fit's longer side, px: 1024 px gave the same errors on the fur set, in three times the time.
WORK_PX: Final = 512
# Above and below it a network is sure, 0 to 1.
SURE: Final = 0.95
# How far from what is not sure a pixel must lie to be known, inwards and outwards, as shares of
# the photo's longer side, and no less than so many of the network's own pixels. Outwards lies the
# fur. Of 0.006, 0.01, 0.02 inwards and 0.012 to 0.03 outwards these had the least SAD on the fur
# set.
INWARDS: Final = 0.006
OUTWARDS: Final = 0.015
INWARDS_NETWORK_PX: Final = 1.5
OUTWARDS_NETWORK_PX: Final = 3.0
# Beyond both, a window sees so much of what is known, as a share of the longer side.
_SEEN: Final = 0.02
# Weight of a pixel between, whose alpha is the network's: 0.002 to 0.1 were a little worse.
_BETWEEN: Final = 0.2
# Added to the colours' variance, of colours 0 to 1: that of a step of two in 255.
_EPSILON: Final = 5e-5
# Share of the sure pixels' variance that a fit must explain to count, and to count wholly.
_NO_FIT: Final = 0.1
_FIT: Final = 0.8
# Both rise by so much to the outer end of what is between, where on photos bits of ground came in
# whose colour is the subject's; it costs the fur set 0.03 of gradient error at most.
_NO_FIT_AWAY: Final = 0.5
_FIT_AWAY: Final = 0.15
# A fit pulls both sides to their mean by the share that it leaves unexplained; that is undone, up
# to this share.
_LEAST_SHARE: Final = 0.2


@dataclass(frozen=True, eq=False)
class Trimap:
    """What is known of a small copy of a photo. All arrays share h and w.

    Attributes:
        guide: FLOAT32 [h, w, 3], its colours, 0 to 1.
        alpha: FLOAT32 [h, w], the network's, 0 to 1.
        inside: bool [h, w], surely the subject.
        outside: bool [h, w], surely not.
        away: FLOAT32 [h, w], the way from what the network may hold for the subject (0) to what
            is surely outside (1).
        reach: px, how far a window must see from the middle of what is between.
    """

    guide: Floats
    alpha: Floats
    inside: NDArray[np.bool_]
    outside: NDArray[np.bool_]
    away: Floats
    reach: float


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Alpha as a linear function of colours, for each place of a small picture.

    Attributes:
        slope: FLOAT32 [h, w, 3], per colour of 0 to 1.
        offset: FLOAT32 [h, w].
        share: FLOAT32 [h, w], of the target's weighted variance that the function explains, 0 to 1.
        mean: FLOAT32 [h, w], the target's weighted mean.
    """

    slope: Floats
    offset: Floats
    share: Floats
    mean: Floats


def trimap(photo: NDArray[np.uint8], alpha: Floats, longest: int = WORK_PX) -> Trimap:
    """Say what a network's alpha leaves to be found, on a copy of at most `longest` px.

    Args:
        photo: UINT8 [H, W, 3] RGB.
        alpha: FLOAT32 [h, w], a network's, of the whole photo.
        longest: px.
    """
    size = work_size((photo.shape[0], photo.shape[1]), longest)
    guide = raster.shrink(photo, size).astype(np.float32) / np.float32(255)
    small = resized(alpha, size)
    pixel = max(1.0, size[0] / alpha.shape[0], size[1] / alpha.shape[1])
    inwards = max(INWARDS * max(size), INWARDS_NETWORK_PX * pixel)
    outwards = max(OUTWARDS * max(size), OUTWARDS_NETWORK_PX * pixel)
    inside = raster.distance_to(small <= SURE) > inwards
    distance = raster.distance_to(small >= 1 - SURE)
    away = np.minimum(distance / np.float32(outwards), 1).astype(np.float32)
    return Trimap(guide, small, inside, distance > outwards, away, inwards + outwards)


def work_size(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Return height and width of `size` with at most `longest` px, and at least one."""
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def resized(alpha: Floats, size: tuple[int, int]) -> Floats:
    """Return alpha at (height, width): averaged where it shrinks, linear where it grows."""
    shrinks = size[0] * size[1] < alpha.size
    return raster.box_mean_resize(alpha, size) if shrinks else raster.linear_resize(alpha, size)


def linear_model(
    guide: Floats, target: Floats, weight: Floats, radius: int, epsilon: float = _EPSILON
) -> LinearModel:
    """Fit a target by a guide's colours in the window round each pixel, by least squares.

    With weights of one it is the guided filter's; `applied` then gives cv2.ximgproc.guidedFilter.

    Args:
        guide: FLOAT32 [h, w, 3], 0 to 1.
        target: FLOAT32 [h, w], 0 to 1.
        weight: FLOAT32 [h, w], above 0.
        radius: of the square windows, and of those over which fits are averaged, px.
        epsilon: added to the colours' variance.
    """

    def box(values: Floats) -> Floats:
        side = 2 * radius + 1
        return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)

    weights = box(weight)
    weighted = weight[..., None] * guide
    mean = box(weighted) / weights[..., None]
    label = box(weight * target) / weights
    spread = box(weight * target * target) / weights - label * label
    along = box(weighted * target[..., None]) / weights[..., None] - mean * label[..., None]
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    products = (box(weighted[..., i] * guide[..., j]) / weights for i, j in pairs)
    covariance = [
        product - mean[..., i] * mean[..., j]
        for product, (i, j) in zip(products, pairs, strict=True)
    ]
    slope = _solved(covariance, along, np.float32(epsilon))
    offset = label - (slope * mean).sum(-1)
    # A thousandth of what half of each side gives: nothing to tell apart.
    share = np.clip((slope * along).sum(-1) / np.maximum(spread, np.float32(2.5e-4)), 0, 1)
    return LinearModel(box(slope), box(offset), box(share), box(label))


def _solved(covariance: list[Floats], along: Floats, epsilon: np.float32) -> Floats:
    """Solve the symmetric systems of three by LDL': by cofactors float32 loses grey pictures."""
    rr, rg, rb, gg, gb, bb = covariance
    tiny = np.float32(1e-12)
    first = np.maximum(rr + epsilon, tiny)
    green, blue = rg / first, rb / first
    second = np.maximum(gg + epsilon - green * rg, tiny)
    mixed = (gb - green * rb) / second
    third = np.maximum(bb + epsilon - blue * rb - mixed * mixed * second, tiny)
    x = along[..., 0]
    y = along[..., 1] - green * x
    z = (along[..., 2] - blue * x - mixed * y) / third
    y = y / second - mixed * z
    x = x / first - green * y - blue * z
    solved: Floats = np.stack((x, y, z), -1)
    return solved


def between(known: Trimap) -> Floats:
    """Return planes for `applied`, FLOAT32 [h, w, 5], that find alpha where nothing is sure."""
    sure = known.inside | known.outside
    weight = np.where(sure, np.float32(1), np.float32(_BETWEEN))
    target = np.where(known.inside, np.float32(1), np.where(known.outside, 0, known.alpha))
    radius = max(2, round(_SEEN * max(sure.shape) + known.reach))
    model = linear_model(known.guide, target.astype(np.float32), weight, radius)
    gain = 1 / np.maximum(model.share, np.float32(_LEAST_SHARE))
    offset = model.mean + (model.offset - model.mean) * gain
    least = np.float32(_NO_FIT) + np.float32(_NO_FIT_AWAY) * known.away
    enough = np.float32(_FIT) + np.float32(_FIT_AWAY) * known.away
    trust = np.clip((model.share - least) / (enough - least), 0, 1) * ~sure
    planes = np.dstack([model.slope * gain[..., None], offset, trust])
    return np.ascontiguousarray(planes, np.float32)


def applied(photo: NDArray[np.uint8], planes: Floats, alpha: Floats) -> None:
    """Lay a small picture's linear functions on a photo.

    Args:
        photo: UINT8 [H, W, 3] RGB.
        planes: FLOAT32 [h, w, 5]: alpha per colour of 0 to 1, its offset, and the share 0 to 1 to
            which the function's alpha stands for what is there.
        alpha: FLOAT32 [H, W], 0 to 1; changed in place, where the share is above 0.
    """
    _apply(read_only(photo), planes, alpha)


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array as compiled code takes it: of one kind, so that it is compiled once."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


@compiled
def _apply(photo: Any, planes: Any, alpha: Any) -> None:
    height, width = alpha.shape
    small_height, small_width = planes.shape[:2]
    down, across = np.float32(small_height / height), np.float32(small_width / width)
    half, one, zero = np.float32(0.5), np.float32(1), np.float32(0)
    shade = np.float32(1 / 255)
    for y in range(height):
        v = min(max((np.float32(y) + half) * down - half, zero), np.float32(small_height - 1))
        top = int(v)
        bottom = min(top + 1, small_height - 1)
        dv = v - np.float32(top)
        for x in range(width):
            u = min(max((np.float32(x) + half) * across - half, zero), np.float32(small_width - 1))
            left = int(u)
            right = min(left + 1, small_width - 1)
            du = u - np.float32(left)
            nw, ne = (one - dv) * (one - du), (one - dv) * du
            sw, se = dv * (one - du), dv * du
            share = (
                nw * planes[top, left, 4]
                + ne * planes[top, right, 4]
                + sw * planes[bottom, left, 4]
                + se * planes[bottom, right, 4]
            )
            if share <= zero:
                continue
            found = zero
            for c in range(4):
                value = (
                    nw * planes[top, left, c]
                    + ne * planes[top, right, c]
                    + sw * planes[bottom, left, c]
                    + se * planes[bottom, right, c]
                )
                found += value * np.float32(photo[y, x, c]) * shade if c < 3 else value
            found = min(max(found, zero), one)
            alpha[y, x] += share * (found - alpha[y, x])
