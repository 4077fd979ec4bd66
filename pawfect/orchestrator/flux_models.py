"""FLUX's models: text and canvas in, velocity and canvas out; one call each."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.tensors import Array
from pawfect.contract.texts import text_tensor
from pawfect.orchestrator.engine import Task
from pawfect.picture.canvas import Canvas


@dataclass(frozen=True, eq=False)
class Encoded:
    """A canvas as `flux_vae_encoder` gives it: FP32 [T, 64], [T, 320] and [T, 64] or None."""

    canvas: Canvas
    latents: NDArray[np.float32]
    condition: NDArray[np.float32]
    prior: NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class Text:
    """A prompt as `flux_text_encoder` gives it: FP16 [L, D], FP16 [P], and tokens left out."""

    embeds: Array
    pooled: Array
    cut: int


async def encode_text(task: Task, prompt: str) -> Text:
    """Embed a prompt."""
    out = await task.ask("flux_text_encoder", {"PROMPT": text_tensor(prompt)})
    return Text(out["PROMPT_EMBEDS"].copy(), out["POOLED"].copy(), int(out["CUT"][0]))


async def encode_canvas(
    task: Task, canvas: Canvas, seed: int, prefill: NDArray[np.uint8] | None
) -> Encoded:
    """Encode one canvas, all holes masked: none may show through into the fill of another.

    Args:
        task: the request.
        canvas: the part of the photo and its working size.
        seed: of the noise.
        prefill: UINT8 [H, W, 3], the photo as the patch engine left it, or None.
    """
    inputs: dict[str, Array] = {
        "IMAGE": await asyncio.to_thread(canvas.take, task.request.image),
        "MASK": await asyncio.to_thread(canvas.take_mask, task.cleaned.mask),
        "SEED": np.array([seed], np.int64),
    }
    if prefill is not None:
        inputs["PREFILL"] = await asyncio.to_thread(canvas.take, prefill)
    out = await task.ask("flux_vae_encoder", inputs)
    prior = None if prefill is None else _floats(out["PRIOR"])
    return Encoded(canvas, _floats(out["LATENTS"]), _floats(out["CONDITION"]), prior)


async def predict_velocity(
    task: Task,
    encoded: Encoded,
    text: Text,
    latents: NDArray[np.float32],
    timestep: float,
    guidance_scale: float,
    limit_ms: float | None,
) -> NDArray[np.float32]:
    """Run one denoising step.

    Args:
        task: the request.
        encoded: for grid and condition.
        text: the prompt's embeddings.
        latents: FP32 [T, 64].
        timestep: above 0 to 1000.
        guidance_scale: of the step.
        limit_ms: how long to wait; None: as long as the request may take.

    Returns:
        FP32 [T, 64].
    """
    inputs: dict[str, Array] = {
        "LATENTS": latents,
        "CONDITION": encoded.condition,
        "PROMPT_EMBEDS": text.embeds,
        "POOLED": text.pooled,
        "TIMESTEP": np.array([timestep], np.float32),
        "GUIDANCE": np.array([guidance_scale], np.float32),
        "GRID": np.array(encoded.canvas.grid, np.int32),
    }
    out = await task.ask("flux_transformer", inputs, limit_ms=limit_ms)
    return _floats(out["VELOCITY"])


async def decode_canvas(
    task: Task, canvas: Canvas, latents: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Decode latents FP32 [T, 64] to the canvas's part of the photo, UINT8 [h, w, 3]."""
    inputs: dict[str, Array] = {"LATENTS": latents, "GRID": np.array(canvas.grid, np.int32)}
    out = await task.ask("flux_vae_decoder", inputs)
    return await asyncio.to_thread(canvas.put_back, out["IMAGE"].astype(np.uint8))


def _floats(array: Array) -> NDArray[np.float32]:
    """Copy out of the memory that Triton lends until the answer is dropped."""
    return np.array(array, np.float32)
