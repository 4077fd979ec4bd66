"""What the stages of one request are expected to take on one card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Costs:
    """Expected milliseconds of each stage, for one canvas alone on the card.

    Attributes:
        step_ms: of one denoising step, by image tokens.
        encode_ms: of `flux_vae_encoder`, by pixels of the canvas.
        decode_ms: of `flux_vae_decoder`, likewise.
        text_ms: of `flux_text_encoder`, for a prompt that no cache holds.
        labels_ms: of SAM3, or of Florence-2 where it must be asked too.
        rest_ms: of the work around FLUX, by pixels of the photo: cleaning the mask, compositing and
            checking.
    """

    step_ms: Callable[[int], float]
    encode_ms: Callable[[int], float]
    decode_ms: Callable[[int], float]
    text_ms: float
    labels_ms: float
    rest_ms: Callable[[int], float]
