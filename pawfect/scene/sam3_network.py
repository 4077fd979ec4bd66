"""SAM3's network, shared by labels and masks: pictures seen once, phrases and boxes asked of them.

The model is transformers' `Sam3Model` (Carion et al., "SAM 3: Segment Anything with Concepts",
2025). A picture goes through the vision encoder once (5.6 TFLOP at full size), each phrase through
the detector (0.4 TFLOP). The text encoder, 42 % of the weights, may stay on the CPU: a phrase is 19
GFLOP for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.sam3.modeling_sam3 import Sam3VisionEncoderOutput

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.scene.sam3_boxes import use_own_roi_align
from pawfect.scene.sam3_checkpoint import LoadedSam3, load_sam3
from pawfect.scene.sam3_view import Processing


@dataclass(frozen=True)
class Words:
    """Encoded phrases.

    Attributes:
        features: [P, L, C] on the network's device.
        mask: INT64 [P, L], 1 for tokens, 0 for padding, likewise.
    """

    features: torch.Tensor
    mask: torch.Tensor

    def part(self, start: int, count: int) -> Words:
        """Return `count` of the phrases from `start` on, or as many as there are."""
        chosen = slice(start, start + count)
        return Words(self.features[chosen], self.mask[chosen])


@dataclass(frozen=True)
class _Seen:
    pixels: torch.Tensor
    features: Sam3VisionEncoderOutput


class Sam3:
    """SAM3 on its device, with what it saw of the last picture; made by `load`.

    The last picture's features (0.1 GiB at full size in half precision) are kept: the labels and
    all phrases of one picture encode it once. Answers do not depend on what is kept.
    """

    def __init__(self, loaded: LoadedSam3) -> None:
        self._model: Any = loaded.model
        self._tokenise = loaded.tokenise
        self._device = self._model.text_projection.weight.device
        self._seen: _Seen | None = None
        self.processing: Processing = loaded.processing

    @classmethod
    def load(cls, folder: Path, *, device: str, dtype: str, text_device: str | None = None) -> Sam3:
        """Load a checkpoint; arguments and errors as `load_sam3` has them."""
        use_own_roi_align()
        return cls(load_sam3(folder, device=device, dtype=dtype, text_device=text_device))

    def words(self, phrases: Sequence[str]) -> Words:
        """Return encoded phrases.

        Raises:
            PawfectError: INVALID_ARG for one over the text encoder's length, 32 tokens.
        """
        input_ids, mask = self._tokenise(phrases)
        encoder, projection = self._model.text_encoder, self._model.text_projection
        where = next(encoder.parameters()).device
        with torch.no_grad():
            hidden = encoder(input_ids.to(where), mask.to(where)).last_hidden_state
            features = projection(hidden.to(projection.weight))
        return Words(features, mask.to(features.device))

    def see(self, pixels: torch.Tensor) -> Sam3VisionEncoderOutput:
        """Return a picture's features; those of the last one are there already.

        Args:
            pixels: FP32 [1, 3, side, side] on the CPU, as `sam3_view.pixel_values` gives them.
        """
        seen = self._seen
        if seen is not None and torch.equal(seen.pixels, pixels):
            return seen.features
        # Let go before the next picture's: never two of them beside what encoding takes.
        self._seen = seen = None
        with torch.no_grad():
            output = self._model.vision_encoder(pixels.to(self._device))
        features = Sam3VisionEncoderOutput(
            fpn_hidden_states=output.fpn_hidden_states,
            fpn_position_encoding=output.fpn_position_encoding,
        )
        self._seen = _Seen(pixels, features)
        return features

    def ask(
        self, seen: Sam3VisionEncoderOutput, words: Words, boxes: torch.Tensor | None = None
    ) -> Any:
        """Return transformers' `Sam3ImageSegmentationOutput` of one picture, phrase by phrase.

        Args:
            seen: of `see`.
            words: P of them, at least one.
            boxes: FP32 [B, 4] on the CPU: centre x, centre y, width, height in shares of the
                picture, which go with every phrase; None: no boxes.
        """
        phrases, features = len(words.features), words.features
        own = None if boxes is None else boxes.to(features).expand(phrases, -1, -1)
        with torch.no_grad():
            return self._model(
                vision_embeds=_for_each(seen, phrases),
                # The docstring says a tensor; `forward` reads the text encoder's output.
                text_embeds=BaseModelOutputWithPooling(pooler_output=features),
                attention_mask=words.mask,
                input_boxes=own,
            )


def check_finite(what: str, logits: torch.Tensor) -> torch.Tensor:
    """Return logits; raise INTERNAL where one is not finite."""
    if not torch.isfinite(logits).all():
        message = f"sam3: expected finite {what} logits, got NaN or infinity"
        raise PawfectError(ErrorKind.INTERNAL, message)
    return logits


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
