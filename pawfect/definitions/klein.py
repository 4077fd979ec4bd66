"""Definitions of FLUX.2 [klein]: text encoder, VAE, and one denoising step."""

from __future__ import annotations

from typing import Final

from pawfect.contract.tensors import IMAGE, NONCE, ModelSpec, TensorSpec
from pawfect.model import DIFFUSERS_UNUSED, TRANSFORMERS_UNUSED, Model

# Tokens are 2x2 pixels of 32 channels of latents, 16x16 of the picture. The width of text
# embeddings differs between the full-size model (three times 2560) and the tiny one.
_LATENTS: Final = TensorSpec("LATENTS", "FP32", (-1, 128))
_PROMPT_EMBEDS: Final = TensorSpec("PROMPT_EMBEDS", "FP16", (-1, -1))
_GRID: Final = TensorSpec("GRID", "INT32", (2,))

KLEIN: Final = (
    Model(
        ModelSpec(
            "klein_text_encoder",
            # NONCE: any number; one that was not sent before leads past the response cache.
            (TensorSpec("PROMPT", "BYTES", (1,)), TensorSpec(NONCE, "INT64", (1,), optional=True)),
            # CUT: tokens of the prompt over the limit, which the embeddings leave out.
            (_PROMPT_EMBEDS, TensorSpec("CUT", "INT32", (1,))),
        ),
        # The tokenizer is the whole model's: a quantised encoder comes without it.
        weights=("klein_text", "klein"),
        settings="klein",
        device="text_device",
        loader="pawfect.klein.serving:text_encoder",
        unused=TRANSFORMERS_UNUSED,
        probe="pawfect.klein.serving:probe",
    ),
    Model(
        ModelSpec(
            # Called once for each picture; of a reference PRIOR is what is wanted.
            "klein_vae_encoder",
            (
                IMAGE,
                TensorSpec("SEED", "INT64", (1,)),
                # The noise turned by ANGLE, rad, from SEED's towards that of TOWARD_SEED.
                TensorSpec("TOWARD_SEED", "INT64", (1,), optional=True),
                TensorSpec("ANGLE", "FP32", (1,), optional=True),
            ),
            (_LATENTS, TensorSpec("PRIOR", "FP32", (-1, 128))),
        ),
        weights=("klein",),
        settings="klein",
        loader="pawfect.klein.serving:vae_encoder",
        unused=DIFFUSERS_UNUSED,
        probe="pawfect.klein.serving:probe",
    ),
    Model(
        ModelSpec(
            "klein_transformer",
            (
                _LATENTS,
                _PROMPT_EMBEDS,
                TensorSpec("TIMESTEP", "FP32", (1,)),
                _GRID,
                # Tokens of all reference pictures, one behind the other, and rows and columns of
                # each.
                TensorSpec("REFERENCES", "FP32", (-1, 128), optional=True),
                TensorSpec("REFERENCE_GRIDS", "INT32", (-1, 2), optional=True),
            ),
            (TensorSpec("VELOCITY", "FP32", (-1, 128)),),
            max_batch_size=8,
        ),
        # Whether the weights are the distilled ones is said with the whole model.
        weights=("klein_transformer", "klein"),
        settings="klein",
        loader="pawfect.klein.serving:transformer",
        unused=DIFFUSERS_UNUSED,
        probe="pawfect.klein.serving:probe",
    ),
    Model(
        ModelSpec("klein_vae_decoder", (_LATENTS, _GRID), (IMAGE,)),
        weights=("klein",),
        settings="klein",
        loader="pawfect.klein.serving:vae_decoder",
        unused=DIFFUSERS_UNUSED,
        probe="pawfect.klein.serving:probe",
    ),
)
