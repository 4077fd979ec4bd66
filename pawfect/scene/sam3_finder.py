"""SAM3 finds what a phrase or boxes mean: what it proposes, raw, the best first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from pawfect.contract.find import MAX_MASKS, VISUAL, check_boxes
from pawfect.scene.sam3_network import Sam3, Words, check_finite
from pawfect.scene.sam3_view import pixel_values

# Encoded phrases that are kept, 16 KB each at full size: people ask for the same few things.
KEPT_PHRASES: Final = 256


@dataclass(frozen=True, eq=False)
class Proposals:
    """What SAM3 proposes for one phrase, best first.

    Attributes:
        scores: FP32 [K] in 0-1: how sure it is of each, times how sure it is that the picture
            shows such a thing at all; not rising.
        mask_logits: FP32 [K, h, w], coarser than most pictures.
        presence: how sure it is that the picture shows such a thing, 0-1.
    """

    scores: NDArray[np.float32]
    mask_logits: NDArray[np.float32]
    presence: float


class Finder:
    """Finds things in pictures by words and boxes.

    Args:
        network: shared with whatever else asks it.
    """

    def __init__(self, network: Sam3) -> None:
        self._network = network
        self._words = lru_cache(maxsize=KEPT_PHRASES)(self._encode)

    def find(
        self,
        image: NDArray[np.uint8],
        phrase: str | None,
        boxes: NDArray[np.float32] | None = None,
    ) -> Proposals:
        """Return what SAM3 proposes, at most 64, whatever they score.

        Args:
            image: UINT8 [H, W, 3] RGB, 0-255; SAM3 sees all of it, at its own size.
            phrase: words, as `pawfect.contract.find.check_phrase` gives them; None: boxes say it.
            boxes: FP32 [B, 4], x0, y0, x1, y1 in px round examples of what is meant; None: none.

        Raises:
            PawfectError: INVALID_ARG for a phrase over 32 tokens, and for boxes as `check_boxes`
                says; INTERNAL where the network's answer is not finite.
        """
        height, width = image.shape[:2]
        shares = None if boxes is None else _shares(check_boxes(boxes, height, width), image)
        words = self._words(VISUAL if phrase is None else phrase)
        seen = self._network.see(pixel_values(image, self._network.processing))
        answer = self._network.ask(seen, words, shares)
        logits = check_finite("prediction", answer.pred_logits[0].float().cpu())
        present = check_finite("presence", answer.presence_logits[0].float().cpu())
        presence = present.sigmoid()
        scores = logits.sigmoid() * presence
        best = torch.argsort(scores, descending=True, stable=True)[:MAX_MASKS]
        masks = answer.pred_masks[0][best.to(answer.pred_masks.device)].float().cpu()
        check_finite("mask", masks)
        return Proposals(scores[best].numpy(), masks.numpy(), float(presence))

    def _encode(self, phrase: str) -> Words:
        return self._network.words([phrase])


def _shares(boxes: NDArray[np.float32], image: NDArray[np.uint8]) -> torch.Tensor:
    """Return boxes in px as centres and sizes in shares of the picture, FP32 [B, 4]."""
    height, width = image.shape[:2]
    whole = np.array([width, height], np.float32)
    start, end = boxes[:, :2] / whole, boxes[:, 2:] / whole
    return torch.from_numpy(np.concatenate([(start + end) / 2, end - start], axis=1))
