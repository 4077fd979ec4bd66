"""FLUX's part: one canvas from noise to picture, one BLS call per denoising step."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.canvas import Canvas
from pawfect.contract import Array
from pawfect.errors import ErrorKind, PawfectError
from pawfect.flux.preview import estimate, preview
from pawfect.flux.schedule import Schedule, euler, first_step, noised
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import RESERVE_MS, Control
from pawfect.orchestrator.stages import Encoded, Text, floats


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
        velocity = floats(out["VELOCITY"])
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


def _check_in_time(left: int, step_ms: float, control: Control) -> None:
    if left and left * step_ms + RESERVE_MS > control.remaining_ms():
        raise PawfectError(
            ErrorKind.DEADLINE,
            f"deadline_ms: expected an answer within {control.deadline_ms} ms, got {left} steps "
            f"of {step_ms:.0f} ms still to go after {control.elapsed_ms():.0f} ms",
        )
