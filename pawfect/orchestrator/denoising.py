"""FLUX's part: one canvas from noise to picture, one BLS call per denoising step."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.canvas import Canvas
from pawfect.contract import Array
from pawfect.errors import ErrorKind, PawfectError
from pawfect.flux.preview import estimate, preview
from pawfect.flux.schedule import Schedule, euler, first_step, noised
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.texts import text_tensor

# Kept free for what comes after the last step, ms: decoding, compositing and the answer.
RESERVE_MS: Final = 300.0


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


@dataclass(frozen=True)
class Sampling:
    """How a run denoises: see `InpaintParams`."""

    schedule: Schedule
    steps: int
    guidance_scale: float
    strength: float
    preview_every: int

    @property
    def first(self) -> int:
        """The step at which the run begins: 0 but where it starts from a prior."""
        return first_step(self.steps, self.strength)


Stepped = Callable[[float, NDArray[np.uint8] | None], Awaitable[None]]


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
        "IMAGE": canvas.take(image),
        "MASK": canvas.take_mask(mask),
        "SEED": np.array([seed], np.int64),
    }
    if prefill is not None:
        inputs["PREFILL"] = canvas.take(prefill)
    with control.stage("flux_vae_encoder"):
        out = await control.wait("flux_vae_encoder", call("flux_vae_encoder", inputs, {}))
    prior = None if prefill is None else _float(out["PRIOR"])
    return Encoded(_float(out["LATENTS"]), _float(out["CONDITION"]), prior)


async def denoise(
    canvas: Canvas,
    encoded: Encoded,
    text: Text,
    sampling: Sampling,
    call: CallModel,
    control: Control,
    stepped: Stepped,
) -> NDArray[np.float32]:
    """Denoise one canvas.

    Args:
        canvas: for its grid.
        encoded: noise, condition and perhaps the prior.
        text: the prompt's embeddings.
        sampling: schedule, steps, guidance, strength.
        call: calls `flux_transformer`.
        control: deadline and cancellation, looked at before and during each step.
        stepped: told, after each step, the share of steps done and perhaps a preview UINT8
            [2 rows, 2 columns, 3].

    Returns:
        FP32 [T, 64], clean latents.

    Raises:
        PawfectError: DEADLINE as soon as the measured step time shows that the run would be late;
            CANCELLED; INTERNAL for latents that are not finite; or what the model answered.
    """
    sigmas = sampling.schedule.sigmas(sampling.steps, canvas.tokens)
    timesteps = sampling.schedule.timesteps(sigmas)
    first = sampling.first
    latents = encoded.latents
    if first > 0:
        assert encoded.prior is not None
        latents = noised(encoded.prior, latents, float(sigmas[first]))
    fixed: dict[str, Array] = {
        "CONDITION": encoded.condition,
        "PROMPT_EMBEDS": text.embeds,
        "POOLED": text.pooled,
        "GUIDANCE": np.array([sampling.guidance_scale], np.float32),
        "GRID": np.array(canvas.grid, np.int32),
    }
    started = time.monotonic()
    for step in range(first, sampling.steps):
        with control.stage("flux_transformer"):
            inputs = {
                "LATENTS": latents,
                "TIMESTEP": timesteps[step : step + 1].astype(np.float32),
                **fixed,
            }
            out = await control.wait("flux_transformer", call("flux_transformer", inputs, {}))
        velocity = _float(out["VELOCITY"])
        sigma = float(sigmas[step])
        seen = None
        done = step + 1 - first
        if sampling.preview_every and done % sampling.preview_every == 0:
            seen = preview(estimate(latents, velocity, sigma), canvas.grid)
        latents = euler(latents, velocity, sigma, float(sigmas[step + 1]))
        await stepped(done / (sampling.steps - first), seen)
        left = sampling.steps - step - 1
        _check_in_time(left, (time.monotonic() - started) * 1000 / done, control)
    return latents


async def decode_canvas(
    canvas: Canvas, latents: NDArray[np.float32], call: CallModel, control: Control
) -> NDArray[np.uint8]:
    """Decode latents FP32 [T, 64] to the canvas's part of the photo, UINT8 [h, w, 3]."""
    inputs: dict[str, Array] = {"LATENTS": latents, "GRID": np.array(canvas.grid, np.int32)}
    with control.stage("flux_vae_decoder"):
        out = await control.wait("flux_vae_decoder", call("flux_vae_decoder", inputs, {}))
    return canvas.put_back(out["IMAGE"].astype(np.uint8))


def _float(array: Array) -> NDArray[np.float32]:
    """Copy out of the memory that Triton lends until the answer is dropped."""
    return np.array(array, np.float32)


def _check_in_time(left: int, step_ms: float, control: Control) -> None:
    if left and left * step_ms + RESERVE_MS > control.remaining_ms():
        raise PawfectError(
            ErrorKind.DEADLINE,
            f"deadline_ms: expected an answer within {control.deadline_ms} ms, got {left} steps "
            f"of {step_ms:.0f} ms still to go after {control.elapsed_ms():.0f} ms",
        )
