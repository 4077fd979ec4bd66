"""FLUX's models around the denoising: prompt and canvas in, canvas out; one BLS call each."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.tensors import Array
from pawfect.contract.texts import text_tensor
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.picture.canvas import Canvas


@dataclass(frozen=True)
class Encoded:
    """A canvas as `flux_vae_encoder` gives it: FP32 [T, 64], [T, 320] and [T, 64] or None."""

    latents: NDArray[np.float32]
    condition: NDArray[np.float32]
    prior: NDArray[np.float32] | None


@dataclass(frozen=True)
class Text:
    """A prompt as `flux_text_encoder` gives it: FP16 [L, D], FP16 [P], and tokens left out."""

    embeds: Array
    pooled: Array
    cut: int


async def encode_text(prompt: str, call: CallModel, control: Control) -> Text:
    """Embed a prompt."""
    with control.stage("flux_text_encoder"):
        asked = call("flux_text_encoder", {"PROMPT": text_tensor(prompt)}, {})
        out = await control.wait("flux_text_encoder", asked)
    return Text(out["PROMPT_EMBEDS"].copy(), out["POOLED"].copy(), int(out["CUT"][0]))


async def encode_canvas(
    canvas: Canvas,
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    seed: int,
    prefill: NDArray[np.uint8] | None,
    call: CallModel,
    control: Control,
) -> Encoded:
    """Encode one canvas.

    Args:
        canvas: the part of the photo and its working size.
        image: UINT8 [H, W, 3], the photo.
        mask: UINT8 [H, W], 255 = all holes: none may show through into the fill of another.
        seed: of the noise.
        prefill: UINT8 [H, W, 3], the photo as the patch engine left it, or None.
        call: calls `flux_vae_encoder`.
        control: deadline and cancellation.
    """
    inputs: dict[str, Array] = {
        "IMAGE": await asyncio.to_thread(canvas.take, image),
        "MASK": await asyncio.to_thread(canvas.take_mask, mask),
        "SEED": np.array([seed], np.int64),
    }
    if prefill is not None:
        inputs["PREFILL"] = await asyncio.to_thread(canvas.take, prefill)
    with control.stage("flux_vae_encoder"):
        out = await control.wait("flux_vae_encoder", call("flux_vae_encoder", inputs, {}))
    prior = None if prefill is None else floats(out["PRIOR"])
    return Encoded(floats(out["LATENTS"]), floats(out["CONDITION"]), prior)


async def decode_canvas(
    canvas: Canvas, latents: NDArray[np.float32], call: CallModel, control: Control
) -> NDArray[np.uint8]:
    """Decode latents FP32 [T, 64] to the canvas's part of the photo, UINT8 [h, w, 3]."""
    inputs: dict[str, Array] = {"LATENTS": latents, "GRID": np.array(canvas.grid, np.int32)}
    with control.stage("flux_vae_decoder"):
        out = await control.wait("flux_vae_decoder", call("flux_vae_decoder", inputs, {}))
    return await asyncio.to_thread(canvas.put_back, out["IMAGE"].astype(np.uint8))


async def flow_of(
    canvas: Canvas,
    encoded: Encoded,
    text: Text,
    latents: NDArray[np.float32],
    timestep: float,
    guidance_scale: float,
    call: CallModel,
    control: Control,
    limit_ms: float | None,
) -> NDArray[np.float32]:
    """Run one denoising step.

    Args:
        canvas: for its grid.
        encoded: for the condition.
        text: the prompt's embeddings.
        latents: FP32 [T, 64].
        timestep: above 0 to 1000.
        guidance_scale: of the step.
        call: calls `flux_transformer`.
        control: deadline and cancellation.
        limit_ms: how long to wait; None: as long as the request may take.

    Returns:
        FP32 [T, 64], the velocity.
    """
    inputs: dict[str, Array] = {
        "LATENTS": latents,
        "CONDITION": encoded.condition,
        "PROMPT_EMBEDS": text.embeds,
        "POOLED": text.pooled,
        "TIMESTEP": np.array([timestep], np.float32),
        "GUIDANCE": np.array([guidance_scale], np.float32),
        "GRID": np.array(canvas.grid, np.int32),
    }
    with control.stage("flux_transformer"):
        asked = call("flux_transformer", inputs, {})
        out = await control.wait("flux_transformer", asked, limit_ms)
    return floats(out["VELOCITY"])


def floats(array: Array) -> NDArray[np.float32]:
    """Copy out of the memory that Triton lends until the answer is dropped."""
    return np.array(array, np.float32)
