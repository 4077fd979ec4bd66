"""Definitions of FLUX.1-Fill: text encoder, VAE, and one denoising step."""

from __future__ import annotations

from typing import Final

from pawfect.contract.tensors import IMAGE, MASK, NONCE, ModelSpec, TensorSpec
from pawfect.model import DIFFUSERS_UNUSED, TRANSFORMERS_UNUSED, Model

# FLUX's tokens are 2x2 pixels of the latents, 16x16 of the picture. Widths of text embeddings
# differ between the full-size model (4096 and 768) and the tiny one.
_LATENTS: Final = TensorSpec("LATENTS", "FP32", (-1, 64))
_CONDITION: Final = TensorSpec("CONDITION", "FP32", (-1, 320))
_PROMPT_EMBEDS: Final = TensorSpec("PROMPT_EMBEDS", "FP16", (-1, -1))
_POOLED: Final = TensorSpec("POOLED", "FP16", (-1,))
_GRID: Final = TensorSpec("GRID", "INT32", (2,))

FLUX: Final = (
    Model(
        ModelSpec(
            "flux_text_encoder",
            # NONCE: any number; one that was not sent before leads past the response cache.
            (TensorSpec("PROMPT", "BYTES", (1,)), TensorSpec(NONCE, "INT64", (1,), optional=True)),
            # CUT: tokens of the prompt over the limit, which the embeddings leave out.
            (_PROMPT_EMBEDS, _POOLED, TensorSpec("CUT", "INT32", (1,))),
        ),
        weights=("flux",),
        settings="flux",
        device="text_device",
        loader="pawfect.flux.serving:text_encoder",
        unused=TRANSFORMERS_UNUSED,
        probe="pawfect.flux.serving:probe",
    ),
    Model(
        ModelSpec(
            "flux_vae_encoder",
            (
                IMAGE,
                MASK,
                TensorSpec("SEED", "INT64", (1,)),
                TensorSpec("PREFILL", "UINT8", (-1, -1, 3), optional=True),
                # The noise turned by ANGLE, rad, from SEED's towards that of TOWARD_SEED.
                TensorSpec("TOWARD_SEED", "INT64", (1,), optional=True),
                TensorSpec("ANGLE", "FP32", (1,), optional=True),
            ),
            # PRIOR: only where PREFILL is given.
            (_LATENTS, _CONDITION, TensorSpec("PRIOR", "FP32", (-1, 64))),
        ),
        weights=("flux",),
        settings="flux",
        loader="pawfect.flux.serving:vae_encoder",
        unused=DIFFUSERS_UNUSED,
        probe="pawfect.flux.serving:probe",
    ),
    Model(
        ModelSpec(
            "flux_transformer",
            (
                _LATENTS,
                _CONDITION,
                _PROMPT_EMBEDS,
                _POOLED,
                TensorSpec("TIMESTEP", "FP32", (1,)),
                TensorSpec("GUIDANCE", "FP32", (1,)),
                _GRID,
            ),
            (TensorSpec("VELOCITY", "FP32", (-1, 64)),),
            max_batch_size=8,
        ),
        # The schedule is the whole model's: a quantised transformer comes without it.
        weights=("flux_transformer", "flux"),
        settings="flux",
        loader="pawfect.flux.serving:transformer",
        unused=DIFFUSERS_UNUSED,
        probe="pawfect.flux.serving:probe",
    ),
    Model(
        ModelSpec("flux_vae_decoder", (_LATENTS, _GRID), (IMAGE,)),
        weights=("flux",),
        settings="flux",
        loader="pawfect.flux.serving:vae_decoder",
        unused=DIFFUSERS_UNUSED,
        probe="pawfect.flux.serving:probe",
    ),
)
