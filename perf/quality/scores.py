"""Scores of a fill whose truth is known: look, seam, sharpness.

PSNR and SSIM are left out: on texture they prefer a smear to a good fill.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from perf.quality.light import LUMA, Field, Mask, Pixels
from perf.quality.perceptual import SHORTEST_SIDE, st_lpips

# Crop margin as a part of the hole's box, and at least, px: enough to see the seam, not so much
# that untouched surroundings dilute the score.
MARGIN = 0.1
MARGIN_PX = 16
# Pixels nearer to the hole's boundary than this are in neither band: feathering is not a seam.
SEAM_GAP_PX = 2.0
# Width of each band, px: narrow, so that a gradient's own change stays out of the step.
SEAM_BAND_PX = 8.0
# Reach of the bands' local means along the contour (a Gaussian's sigma), px: about 80 px of contour
# by 8 px. The noise of a texture of 10-20 px stones or blades averages out over that; a step does
# not.
SEAM_SIGMA_PX = 32.0
# Contour points with less than this share of a full window in either band say nothing.
SEAM_LEAST_SHARE = 0.15
# Sharpness looks at least this far inside, so that the seam itself does not count as detail.
SHARPNESS_GAP_PX = 3.0


@dataclass(frozen=True)
class Scores:
    """What a fill scored; `st_lpips` 0, `seam_step` the truth's own and `sharpness` 1 are best.

    Attributes:
        st_lpips: mean over the holes' tight crops, weighted by their hole area.
        seam_step: CIEDE2000 between local means on both sides of the hole's contour.
        sharpness: Laplacian energy in the hole over that in the ring around it.
        sharpness_log: the absolute natural logarithm of `sharpness`: 0 is best, either way.
    """

    st_lpips: float
    seam_step: float
    sharpness: float
    sharpness_log: float


@dataclass(frozen=True)
class Box:
    """A crop: rows y0 to y1 and columns x0 to x1, ends exclusive, px; and its hole pixels."""

    x0: int
    y0: int
    x1: int
    y1: int
    area: int = 0

    def of(self, image: Pixels) -> Pixels:
        """Cut this box from an image [H,W,3]."""
        return image[self.y0 : self.y1, self.x0 : self.x1]


def _stretched(low: int, high: int, limit: int) -> tuple[int, int]:
    """Widen an interval by its margin, and to the shortest crop, within 0 to `limit`."""
    margin = max(round((high - low) * MARGIN), MARGIN_PX)
    short = max(SHORTEST_SIDE - (high - low) - 2 * margin, 0)
    low, high = low - margin - short // 2, high + margin + (short + 1) // 2
    shift = max(-low, 0) - max(high - limit, 0)
    return max(low + shift, 0), min(high + shift, limit)


def tight_crops(hole: Mask) -> list[Box]:
    """Cut the picture into one crop per hole.

    Args:
        hole: UINT8 [H,W], non-zero where filled.

    Returns:
        Boxes around the 8-connected holes with their margins; boxes that overlap are merged.
    """
    height, width = hole.shape
    count, _, stats, _ = cv2.connectedComponentsWithStats((hole > 0).astype(np.uint8))
    boxes: list[Box] = []
    for x, y, w, h, area in stats[1:count].tolist():
        x0, x1 = _stretched(x, x + w, width)
        y0, y1 = _stretched(y, y + h, height)
        boxes.append(Box(x0, y0, x1, y1, area))
    merged = True
    while merged:
        merged = False
        for i, a in enumerate(boxes):
            for j, b in enumerate(boxes[:i]):
                if a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1:
                    union = Box(
                        min(a.x0, b.x0),
                        min(a.y0, b.y0),
                        max(a.x1, b.x1),
                        max(a.y1, b.y1),
                        a.area + b.area,
                    )
                    boxes = [box for k, box in enumerate(boxes) if k not in (i, j)] + [union]
                    merged = True
                    break
            if merged:
                break
    return boxes


def look(result: Pixels, truth: Pixels, hole: Mask) -> float:
    """Give the ST-LPIPS of a result, UINT8 [H,W,3], against the truth on the holes' crops."""
    crops = tight_crops(hole)
    weighed = sum(st_lpips(box.of(result), box.of(truth)) * box.area for box in crops)
    return weighed / sum(box.area for box in crops)


def signed_distance(hole: Mask) -> Field:
    """Give each pixel's distance to the hole's boundary, FP32 [H,W] px: negative in the hole."""
    inside = (hole > 0).astype(np.uint8)
    within = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    without = cv2.distanceTransform(1 - inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.where(inside > 0, 0.5 - within, without - 0.5).astype(np.float32)


def _window(values: Field) -> Field:
    """Sum in a Gaussian window of `SEAM_SIGMA_PX`, with nothing beyond the picture's border."""
    summed = cv2.GaussianBlur(values, (0, 0), SEAM_SIGMA_PX, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(summed, np.float32)


def _local_mean(values: NDArray[np.float32], where: NDArray[np.bool_]) -> tuple[Field, Field]:
    """Average [H,W,3] over the band `where` in a Gaussian window; and give the window's fill."""
    weight = where.astype(np.float32)
    share = _window(weight)
    total = _window(values * weight[..., None])
    return (total / np.maximum(share, 1e-6)[..., None]).astype(np.float32), share


def seam_step(image: Pixels, hole: Mask) -> float:
    """Measure the colour step across a hole's contour.

    Two bands run along the contour, one inside and one outside: `SEAM_GAP_PX` to `SEAM_GAP_PX` +
    `SEAM_BAND_PX` away from it. At every pixel of the contour, the CIELAB colours (D65) of each
    band are averaged with a Gaussian window of `SEAM_SIGMA_PX`, and the two means are compared by
    CIEDE2000 (Sharma, Wu and Dalal, Color Research and Application, 2005). The score is the mean
    over the contour. Nothing is subtracted: a true picture has a step of its own, from its
    gradients, its edges and what is left of its noise, which is the floor to read scores against.
    The picture's border is no seam. Contour pixels whose window holds hardly any of a band (a
    hole thinner than the gap) are left out.

    Args:
        image: UINT8 [H,W,3] RGB.
        hole: UINT8 [H,W], non-zero where filled.

    Returns:
        CIEDE2000 units; about 1 can just be seen on a smooth surface.

    Raises:
        ValueError: no contour pixel has both bands.
    """
    distance = signed_distance(hole)
    lab = rgb2lab(image).astype(np.float32)
    far = SEAM_GAP_PX + SEAM_BAND_PX
    inner, inner_share = _local_mean(lab, (distance <= -SEAM_GAP_PX) & (distance > -far))
    outer, outer_share = _local_mean(lab, (distance >= SEAM_GAP_PX) & (distance < far))
    # A straight contour's window holds this share of a full Gaussian.
    full = SEAM_BAND_PX / (SEAM_SIGMA_PX * np.sqrt(2 * np.pi))
    least = SEAM_LEAST_SHARE * full
    contour = (np.abs(distance) < 1) & (inner_share > least) & (outer_share > least)
    if not contour.any():
        raise ValueError("expected a hole with surroundings, got no contour with both bands")
    difference: Callable[..., Any] = deltaE_ciede2000
    return float(difference(inner[contour], outer[contour]).mean())


def sharpness_ratio(image: Pixels, hole: Mask) -> float:
    """Compare detail inside a hole with detail around it.

    Detail is the mean square of the luma's Laplacian (3x3), grain included. The ring is as wide as
    0.3 of the square root of the hole's area, 16 px at least.

    Args:
        image: UINT8 [H,W,3] RGB.
        hole: UINT8 [H,W], non-zero where filled.

    Returns:
        Inside over outside, above 0; 1 where the hole is as sharp as its surroundings.

    Raises:
        ValueError: the hole is too thin, or fills the picture.
    """
    distance = signed_distance(hole)
    width = max(0.3 * float(np.sqrt(np.count_nonzero(hole))), 16.0)
    detail = cv2.Laplacian((image @ LUMA).astype(np.float32), cv2.CV_32F) ** 2
    inside = distance <= -SHARPNESS_GAP_PX
    ring = (distance >= SHARPNESS_GAP_PX) & (distance <= SHARPNESS_GAP_PX + width)
    if not inside.any() or not ring.any():
        raise ValueError("expected a hole with an inside and a ring, got none")
    # A quarter of the rounding error's energy: keeps a flat surface from dividing by zero.
    least = 1 / 48
    return float((detail[inside].mean() + least) / (detail[ring].mean() + least))


def score(result: Pixels, truth: Pixels, hole: Mask) -> Scores:
    """Score a result, UINT8 [H,W,3], against the truth; `hole` is the mask that was filled."""
    sharpness = sharpness_ratio(result, hole)
    return Scores(
        st_lpips=look(result, truth, hole),
        seam_step=seam_step(result, hole),
        sharpness=sharpness,
        sharpness_log=abs(float(np.log(sharpness))),
    )
