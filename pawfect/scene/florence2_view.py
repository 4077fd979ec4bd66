"""What a captioner may see: the ring alone, continued over all that it must not describe."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.picture.raster import distance_to

# Longest side, px, at which the surroundings are put together: twice what Florence-2 sees, so that
# a photo of 50 MP costs no more than one of 2 MP and nothing that it could see is lost.
WORKING_PX: Final = 1536
# Where the ring bends away from under a mirror image, it is taken from nearer the edge; beyond the
# last of these the edge itself is.
DEPTHS: Final = (1.0, 0.5, 0.25)


def neutralised(image: NDArray[np.uint8], ring: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the ring's box with everything outside the ring replaced by the ring's own texture.

    Each pixel outside is a mirror image of the ring across the ring's nearest edge, folded to and
    fro where it lies deeper than the ring is wide. A flat or blurred fill would show the outline of
    the pet and of what is to vanish, and captioners name it ("a white cut-out of a dog"); texture
    that runs on has no outline. No pixel outside the ring has any influence.

    Args:
        image: UINT8 [H, W, 3] RGB.
        ring: UINT8 [H, W]; values >= 128 are the ring.

    Returns:
        UINT8 [h, w, 3] RGB: the ring's box, shrunk where it is longer than 1536 px.

    Raises:
        PawfectError: INVALID_ARG where the sizes differ or the ring is empty.
    """
    if image.shape[:2] != ring.shape:
        expected = f"the image's size {image.shape[1]}x{image.shape[0]}"
        raise invalid("RING", expected, f"{ring.shape[1]}x{ring.shape[0]}")
    inside = (ring >= MASK_THRESHOLD).view(np.uint8)
    x, y, width, height = cv2.boundingRect(inside)
    if width == 0:
        raise invalid("RING", f"some pixels >= {MASK_THRESHOLD} (surroundings)", "an empty ring")
    box = np.s_[y : y + height, x : x + width]
    seen, known = _shrunk(image[box], inside[box])
    if known.all():
        return seen
    return _mirrored(seen, known)


def _shrunk(
    image: NDArray[np.uint8], inside: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return image and 0/1 ring at no more than WORKING_PX, mixed from the ring's pixels alone."""
    scale = WORKING_PX / max(inside.shape)
    if scale >= 1:
        return image, inside
    size = tuple(max(round(side * scale), 1) for side in inside.shape[::-1])
    masked = cv2.bitwise_and(image, image, mask=inside)
    total = cv2.resize(masked, size, interpolation=cv2.INTER_AREA)
    share = cv2.resize(255 * inside, size, interpolation=cv2.INTER_AREA)
    # At least the cell that the ring fills most, however thin the ring is.
    known = share >= min(128, share.max())
    mean = total[known] * (255 / share[known].astype(np.float32))[:, None]
    total[known] = np.rint(mean).clip(0, 255)
    return total.astype(np.uint8, copy=False), known.view(np.uint8)


def _mirrored(image: NDArray[np.uint8], known: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Fill where `known` is 0 with the known area, mirrored across its nearest edge."""
    _, labels = cv2.distanceTransformWithLabels(
        1 - known, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(known)
    # Labels number the known pixels, in an order of OpenCV's own.
    edge = np.zeros((int(labels.max()) + 1, 2), np.int32)
    edge[labels[rows, columns]] = np.stack([rows, columns], axis=1)
    y, x = np.nonzero(known == 0)
    near = edge[labels[y, x]]
    # Twice the deepest point is the width of a band; one pixel less stays within it.
    deep = distance_to(np.pad(known, 1) == 0).max()
    width = max(2 * float(deep) - 2, 1.0)
    distance = np.hypot(y - near[:, 0], x - near[:, 1])
    folded = width - np.abs((distance - 1) % (2 * width) - width)
    step = (near - np.stack([y, x], axis=1)) / distance[:, None]
    at = near.copy()
    left = np.arange(len(at))
    for share in DEPTHS:
        reached = near[left] + step[left] * (share * folded[left])[:, None]
        tried = np.rint(reached).astype(np.intp).clip(0, np.array(known.shape) - 1)
        hit = known[tried[:, 0], tried[:, 1]] > 0
        at[left[hit]] = tried[hit]
        left = left[~hit]
    filled = image.copy()
    filled[y, x] = image[at[:, 0], at[:, 1]]
    return filled
