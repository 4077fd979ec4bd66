"""From what SAM3 proposes to masks of a photo's size.

As transformers' `post_process_instance_segmentation`: what scores over a bound is kept, its mask's
probabilities are enlarged (bilinear, corners on corners) and cut at a threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.find import MAX_MASK_BYTES, Find, FindMasksParams


@dataclass(frozen=True, eq=False)
class FoundMasks:
    """What was found in a photo, best first.

    Attributes:
        masks: UINT8 [K, H, W], 255 = it, 0 = not; of joined finds [1, H, W], of none [0, H, W].
        scores: FP32 [K] in 0-1, not rising; of joined finds the best one's.
        finds: each by itself, whether joined or not.
        left_out: finds beyond the bounds of an answer.
    """

    masks: NDArray[np.uint8]
    scores: NDArray[np.float32]
    finds: tuple[Find, ...]
    left_out: int


def found_masks(
    scores: NDArray[np.float32],
    mask_logits: NDArray[np.float32],
    height: int,
    width: int,
    params: FindMasksParams,
) -> FoundMasks:
    """Return masks of a photo's size.

    Args:
        scores: FP32 [K] in 0-1, not rising.
        mask_logits: FP32 [K, h, w].
        height: the photo's, px.
        width: the photo's, px.
        params: bounds and thresholds.
    """
    over = int((scores > params.least_score).sum())
    affordable = params.most if params.joined else max(MAX_MASK_BYTES // (height * width), 1)
    kept = min(over, params.most, affordable)
    masks = np.zeros((min(kept, 1) if params.joined else kept, height, width), np.uint8)
    finds = []
    for index in range(kept):
        mask = _enlarged(mask_logits[index], height, width, params.mask_threshold)
        place = masks[0 if params.joined else index]
        np.maximum(place, mask, out=place)
        finds.append(Find(float(scores[index]), *_extent(mask)))
    own = scores[: len(masks)].astype(np.float32)
    return FoundMasks(masks, own, tuple(finds), over - kept)


def _enlarged(
    logits: NDArray[np.float32], height: int, width: int, threshold: float
) -> NDArray[np.uint8]:
    """Return one mask, UINT8 [height, width], 0 or 255."""
    # exp overflows for no logit above -88, and gives 0 below.
    probability = 1 / (1 + np.exp(-logits.clip(-80, 80)))
    resized = cv2.resize(probability, (width, height), interpolation=cv2.INTER_LINEAR)
    mask: NDArray[np.uint8] = np.where(resized > np.float32(threshold), np.uint8(255), np.uint8(0))
    return mask


def _extent(mask: NDArray[np.uint8]) -> tuple[int, tuple[int, int, int, int]]:
    """Return a mask's area, px2, and its box (x0, y0, x1, y1), px."""
    area = cv2.countNonZero(mask)
    x, y, width, height = cv2.boundingRect(mask)
    return area, (x, y, x + width, y + height)
