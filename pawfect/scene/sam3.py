"""SAM3 names the surfaces around a hole: phrases of the vocabulary in, labels out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.tensors import check_photo_size
from pawfect.scene.lexicon import Surface
from pawfect.scene.sam3_answers import NO_LABELS, Labels, best_first, ring_share, score_surfaces
from pawfect.scene.sam3_network import Sam3, check_finite
from pawfect.scene.sam3_view import pixel_values, surroundings

# A surface that SAM3 is sure of, on a tenth of the ring, is still worth a word; less is noise.
LEAST_SCORE: Final = 0.1
# A prompt takes three words; the rest is for the report and for people.
MOST_LABELS: Final = 8
# A mask counts where SAM3 says more likely than not, as in the published post-processing.
SEMANTIC_THRESHOLD: Final = 0.5
# Phrases that share a pass of the detector. At 1008 px the first takes 0.22 GB at its peak in fp16
# and each further one 0.11 GB (half of what fp32 took on a CPU): 8 take 1 GB beside FLUX on a T4.
PHRASES_AT_ONCE: Final = 8


@dataclass(frozen=True)
class Answers:
    """What SAM3 says of one picture, phrase by phrase, raw.

    Attributes:
        presence_logits: FP32 [P], on the CPU.
        semantic_seg: FP32 [P, h, w] logits, on the CPU.
    """

    presence_logits: torch.Tensor
    semantic_seg: torch.Tensor


class SurfaceLabeller:
    """SAM3 with a vocabulary, ready to label.

    Args:
        network: the network.
        vocabulary: at least one surface; its phrases are encoded now.
        phrases_at_once: phrases that share a pass of the detector, at least 1: memory grows with
            it.

    Raises:
        PawfectError: UNAVAILABLE for an empty vocabulary; INVALID_ARG for fewer than one phrase at
            once, and for a phrase over the text encoder's length.
    """

    def __init__(
        self,
        network: Sam3,
        vocabulary: Sequence[Surface],
        phrases_at_once: int = PHRASES_AT_ONCE,
    ) -> None:
        if phrases_at_once < 1:
            raise invalid("phrases_at_once", "at least 1", phrases_at_once)
        if not vocabulary:
            raise PawfectError(
                ErrorKind.UNAVAILABLE, "vocabulary: expected at least one surface, got none"
            )
        self._network = network
        self._words = network.words([text for surface in vocabulary for text in surface.phrases])
        self._names = tuple(surface.name for surface in vocabulary)
        self._surface_of = np.repeat(
            np.arange(len(vocabulary)), [len(surface.phrases) for surface in vocabulary]
        )
        self._phrases_at_once = phrases_at_once

    def label(
        self,
        image: NDArray[np.uint8],
        ring: NDArray[np.uint8],
        *,
        least: float = LEAST_SCORE,
        most: int = MOST_LABELS,
    ) -> Labels:
        """Name the surfaces of a ring.

        A surface's score is the best, over its phrases, of presence (how sure SAM3 is that the
        picture shows it) times coverage (the share of the ring that its mask covers). Only the
        ring's pixels are counted; SAM3 sees what is around them (`view.surroundings`).

        Args:
            image: UINT8 [H, W, 3] RGB, 0-255.
            ring: UINT8 [H, W]; values >= 128 are the surroundings: neither hole nor pet.
            least: surfaces that score less are left out, 0-1.
            most: labels at most, at least 1.

        Returns:
            The labels; none where the ring is empty.

        Raises:
            PawfectError: INVALID_ARG for wrong shapes, dtypes, sizes or bounds; INTERNAL where the
                network's answer is not finite.
        """
        _check(image, ring, least, most)
        processing = self._network.processing
        view = surroundings(ring, processing.side)
        if view is None:
            return NO_LABELS
        answers = self.answers(pixel_values(image[view], processing))
        masks = (answers.semantic_seg.sigmoid() > SEMANTIC_THRESHOLD).numpy()
        scores, coverage = score_surfaces(
            answers.presence_logits.sigmoid().numpy(),
            masks,
            ring_share(ring[view], *masks.shape[1:]),
            self._surface_of,
            len(self._names),
        )
        return best_first(self._names, scores, coverage, least=least, most=most)

    def answers(self, pixels: torch.Tensor) -> Answers:
        """Ask SAM3 for every phrase of the vocabulary.

        Args:
            pixels: FP32 [1, 3, side, side], as `view.pixel_values` gives them.

        Returns:
            Logits of the P phrases, in the vocabulary's order.

        Raises:
            PawfectError: INTERNAL where a logit is not finite.
        """
        presence, semantic = [], []
        seen = self._network.see(pixels)
        for start in range(0, len(self._words.features), self._phrases_at_once):
            answer = self._network.ask(seen, self._words.part(start, self._phrases_at_once))
            presence.append(answer.presence_logits[:, 0].float().cpu())
            semantic.append(answer.semantic_seg[:, 0].float().cpu())
        return Answers(
            check_finite("presence", torch.cat(presence)),
            check_finite("segmentation", torch.cat(semantic)),
        )


def _check(image: NDArray[np.generic], ring: NDArray[np.generic], least: float, most: int) -> None:
    """Raise INVALID_ARG unless the arguments of `label` are as it says."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise invalid("IMAGE", "UINT8 [H, W, 3]", f"{image.dtype} {list(image.shape)}")
    if ring.dtype != np.uint8 or ring.ndim != 2:
        raise invalid("RING", "UINT8 [H, W]", f"{ring.dtype} {list(ring.shape)}")
    height, width = image.shape[:2]
    check_photo_size(height, width, "IMAGE")
    if ring.shape != (height, width):
        got = f"{ring.shape[1]}x{ring.shape[0]}"
        raise invalid("RING", f"the image's size {width}x{height}", got)
    if not 0 <= least <= 1:
        raise invalid("least", "a score in 0 to 1", least)
    if most < 1:
        raise invalid("most", "at least 1 label", most)
