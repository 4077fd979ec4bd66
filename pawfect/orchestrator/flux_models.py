"""FLUX's models around the denoising: prompt and canvas in, canvas out; one call each."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.tensors import Array
from pawfect.contract.texts import text_tensor
from pawfect.orchestrator.engine import Task
from pawfect.orchestrator.patch import seed_of
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
    task: Task, canvas: Canvas, seed: int, prefill: NDArray[np.uint8] | None, index: int = 0
) -> Encoded:
    """Encode one canvas, all holes masked: none may show through into the fill of another.

    Args:
        task: the request.
        canvas: the part of the photo and its working size.
        seed: of the noise of the request's first canvas.
        prefill: UINT8 [H, W, 3], the photo to start from, or None.
        index: the canvas's place among the request's.
    """
    inputs: dict[str, Array] = {
        "IMAGE": await asyncio.to_thread(canvas.take, task.request.image),
        "MASK": await asyncio.to_thread(canvas.take_mask, task.cleaned.mask),
        "SEED": np.array([seed_of(seed, index)], np.int64),
    }
    if task.toward is not None:
        inputs["TOWARD_SEED"] = np.array([seed_of(task.toward.seed, index)], np.int64)
        inputs["ANGLE"] = np.array([task.toward.angle], np.float32)
    if prefill is not None:
        inputs["PREFILL"] = await asyncio.to_thread(canvas.take, prefill)
    out = await task.ask("flux_vae_encoder", inputs)
    prior = None if prefill is None else floats(out["PRIOR"])
    return Encoded(canvas, floats(out["LATENTS"]), floats(out["CONDITION"]), prior)


async def decode_canvas(
    task: Task, canvas: Canvas, latents: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Decode latents FP32 [T, 64] to the canvas's part of the photo, UINT8 [h, w, 3]."""
    inputs: dict[str, Array] = {"LATENTS": latents, "GRID": np.array(canvas.grid, np.int32)}
    out = await task.ask("flux_vae_decoder", inputs)
    return await asyncio.to_thread(canvas.put_back, out["IMAGE"].astype(np.uint8))


def floats(array: Array) -> NDArray[np.float32]:
    """Copy out of the memory that Triton lends until the answer is dropped."""
    return np.array(array, np.float32)
