"""Definitions of Qwen-Image-Edit: text encoder, VAE, and one denoising step."""

from __future__ import annotations

from typing import Final

from pawfect.contract.tensors import IMAGE, NONCE, ModelSpec, TensorSpec
from pawfect.model import DIFFUSERS_UNUSED, TRANSFORMERS_UNUSED, Model

# A token is 2x2 pixels of the latents, 16x16 of the picture. The width of text embeddings differs
# between the full-size model (3584) and the tiny one.
_LATENTS: Final = TensorSpec("LATENTS", "FP32", (-1, 64))
_PROMPT_EMBEDS: Final = TensorSpec("PROMPT_EMBEDS", "FP16", (-1, -1))
_GRID: Final = TensorSpec("GRID", "INT32", (2,))

EDIT: Final = (
    Model(
        ModelSpec(
            "edit_text_encoder",
            (
                TensorSpec("PROMPT", "BYTES", (1,)),
                # The bytes of all pictures, one behind the other, [h, w, 3] each, and of each its
                # rows and columns.
                TensorSpec("PICTURES", "UINT8", (-1,)),
                TensorSpec("SIZES", "INT32", (-1, 2)),
                # Any number; one that was not sent before leads past the response cache.
                TensorSpec(NONCE, "INT64", (1,), optional=True),
            ),
            # CUT: tokens of the prompt over the limit, which the embeddings leave out.
            (_PROMPT_EMBEDS, TensorSpec("CUT", "INT32", (1,))),
        ),
        # The tokenizer is the whole model's: a quantised encoder comes without it.
        weights=("edit_text", "edit"),
        settings="edit",
        device="text_device",
        loader="pawfect.qwen.serving:text_encoder",
        unused=TRANSFORMERS_UNUSED,
        probe="pawfect.qwen.serving:probe",
    ),
    Model(
        ModelSpec(
            "edit_vae_encoder",
            (
                IMAGE,
                TensorSpec("SEED", "INT64", (1,)),
                # 1: PRIOR is a sample of the posterior, drawn from SEED before the noise, as
                # QwenImageEditInpaintPipeline has it. 0 or none: its mode, as the others have it.
                TensorSpec("SAMPLED", "UINT8", (1,), optional=True),
                # The noise turned by ANGLE, rad, from SEED's towards that of TOWARD_SEED.
                TensorSpec("TOWARD_SEED", "INT64", (1,), optional=True),
                TensorSpec("ANGLE", "FP32", (1,), optional=True),
            ),
            # LATENTS: pure noise. PRIOR: the picture's latents.
            (_LATENTS, TensorSpec("PRIOR", "FP32", (-1, 64))),
        ),
        weights=("edit",),
        settings="edit",
        loader="pawfect.qwen.serving:vae_encoder",
        unused=DIFFUSERS_UNUSED,
        probe="pawfect.qwen.serving:probe",
    ),
    Model(
        ModelSpec(
            "edit_transformer",
            (
                _LATENTS,
                _PROMPT_EMBEDS,
                # With GUIDANCE above 1, both branches run in one batch.
                TensorSpec("NEGATIVE_EMBEDS", "FP16", (-1, -1), optional=True),
                TensorSpec("TIMESTEP", "FP32", (1,)),
                TensorSpec("GUIDANCE", "FP32", (1,)),
                _GRID,
                # The tokens of all pictures to go by, one behind the other, and of each its rows
                # and columns.
                TensorSpec("REFERENCES", "FP32", (-1, 64), optional=True),
                TensorSpec("REFERENCE_GRIDS", "INT32", (-1, 2), optional=True),
            ),
            (TensorSpec("VELOCITY", "FP32", (-1, 64)),),
            max_batch_size=8,
        ),
        # The schedule is the whole model's: a quantised transformer comes without it.
        weights=("edit_transformer", "edit"),
        settings="edit",
        loader="pawfect.qwen.serving:transformer",
        unused=DIFFUSERS_UNUSED,
        probe="pawfect.qwen.serving:probe",
    ),
    Model(
        ModelSpec("edit_vae_decoder", (_LATENTS, _GRID), (IMAGE,)),
        weights=("edit",),
        settings="edit",
        loader="pawfect.qwen.serving:vae_decoder",
        unused=DIFFUSERS_UNUSED,
        probe="pawfect.qwen.serving:probe",
    ),
)
