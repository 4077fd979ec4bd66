"""SAM3 names the surfaces around a hole: phrases of the vocabulary in, labels out.

The model is transformers' `Sam3Model` (Carion et al., "SAM 3: Segment Anything with Concepts",
2025). Phrases are encoded once, when it loads, and the text encoder, 42 % of its weights, is then
let go. A picture goes through the vision encoder once (5.6 TFLOP at full size), each phrase through
the detector (0.4 TFLOP).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.sam3.modeling_sam3 import Sam3Model, Sam3VisionEncoderOutput

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.tensors import check_photo_size
from pawfect.scene.lexicon import Surface
from pawfect.scene.sam3_answers import NO_LABELS, Labels, best_first, ring_share, score_surfaces
from pawfect.scene.sam3_checkpoint import load_sam3
from pawfect.scene.sam3_view import Processing, pixel_values, surroundings

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
    """SAM3 with a vocabulary, ready to label; made by `load`. Calls do not change it."""

    def __init__(
        self,
        model: Sam3Model,
        processing: Processing,
        phrases: torch.Tensor,
        phrases_mask: torch.Tensor,
        vocabulary: Sequence[Surface],
        phrases_at_once: int,
    ) -> None:
        self._model: Any = model
        self._processing = processing
        self._phrases = phrases
        self._phrases_mask = phrases_mask
        self._names = tuple(surface.name for surface in vocabulary)
        self._surface_of = np.repeat(
            np.arange(len(vocabulary)), [len(surface.phrases) for surface in vocabulary]
        )
        self._phrases_at_once = phrases_at_once

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        device: str,
        dtype: str,
        vocabulary: Sequence[Surface],
        phrases_at_once: int = PHRASES_AT_ONCE,
    ) -> SurfaceLabeller:
        """Load a checkpoint of the published layout and encode the vocabulary's phrases.

        Args:
            folder: config.json, model.safetensors, tokenizer.json and processor_config.json.
            device: "cpu" or "cuda".
            dtype: "float32", "float16" or "bfloat16", of weights and activations.
            vocabulary: at least one surface.
            phrases_at_once: phrases that share a pass of the detector, at least 1: memory grows
                with it.

        Raises:
            PawfectError: UNAVAILABLE for files that are missing or damaged, tensors that are
                missing, extra or mis-shaped, an empty vocabulary, and a phrase over the text
                encoder's length; INVALID_ARG for another dtype or fewer than one phrase at once.
        """
        if phrases_at_once < 1:
            raise invalid("phrases_at_once", "at least 1", phrases_at_once)
        if not vocabulary:
            raise PawfectError(
                ErrorKind.UNAVAILABLE, "vocabulary: expected at least one surface, got none"
            )
        texts = [phrase for surface in vocabulary for phrase in surface.phrases]
        loaded = load_sam3(folder, texts, device=device, dtype=dtype)
        model: Any = loaded.model
        input_ids, attention_mask = loaded.input_ids.to(device), loaded.attention_mask.to(device)
        with torch.no_grad():
            phrases = model.get_text_features(input_ids, attention_mask).pooler_output
        # Neither is used again: no other phrases come, and no boxes are asked for.
        model.text_encoder = model.geometry_encoder = None
        if device == "cuda":
            torch.cuda.empty_cache()
        return cls(model, loaded.processing, phrases, attention_mask, vocabulary, phrases_at_once)

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
        view = surroundings(ring, self._processing.side)
        if view is None:
            return NO_LABELS
        answers = self.answers(pixel_values(image[view], self._processing))
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
        with torch.no_grad():
            seen = self._model.vision_encoder(pixels.to(self._phrases.device))
            for start in range(0, len(self._phrases), self._phrases_at_once):
                phrases = self._phrases[start : start + self._phrases_at_once]
                answer = self._model(
                    vision_embeds=_for_each(seen, len(phrases)),
                    # The docstring says a tensor; `forward` reads the text encoder's output.
                    text_embeds=BaseModelOutputWithPooling(pooler_output=phrases),
                    attention_mask=self._phrases_mask[start : start + self._phrases_at_once],
                )
                presence.append(answer.presence_logits[:, 0].float().cpu())
                semantic.append(answer.semantic_seg[:, 0].float().cpu())
        answers = Answers(torch.cat(presence), torch.cat(semantic))
        for what, logits in (
            ("presence", answers.presence_logits),
            ("segmentation", answers.semantic_seg),
        ):
            if not torch.isfinite(logits).all():
                message = f"sam3: expected finite {what} logits, got NaN or infinity"
                raise PawfectError(ErrorKind.INTERNAL, message)
        return answers


def _for_each(seen: Sam3VisionEncoderOutput, phrases: int) -> Sam3VisionEncoderOutput:
    """Return one picture's features once per phrase: views, no copies."""
    return Sam3VisionEncoderOutput(
        fpn_hidden_states=tuple(
            level.expand(phrases, -1, -1, -1) for level in seen.fpn_hidden_states
        ),
        fpn_position_encoding=tuple(
            level.expand(phrases, -1, -1, -1) for level in seen.fpn_position_encoding
        ),
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
