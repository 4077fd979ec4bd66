"""FLUX's part: one canvas from noise to picture, one BLS call per denoising step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.flux.preview import estimate, preview
from pawfect.flux.schedule import Schedule, euler, first_step, next_level, noised
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.pace import Pace
from pawfect.orchestrator.stages import Encoded, Text, flow_of
from pawfect.picture.canvas import Canvas


@dataclass(frozen=True)
class Sampling:
    """How a run denoises: see `InpaintParams`.

    Attributes:
        schedule: FLUX's.
        steps: of the whole schedule.
        guidance_scale: of all steps.
        strength: above 0 to 1; under 1 the run starts from a prior.
        preview_every: a preview every so many steps; 0: none.
        least: fewest steps whose picture counts as one.
    """

    schedule: Schedule
    steps: int
    guidance_scale: float
    strength: float
    preview_every: int
    least: int = 1

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
    pace: Pace,
    index: int,
    call: CallModel,
    control: Control,
    stepped: Stepped,
) -> NDArray[np.float32]:
    """Denoise one canvas: by the whole schedule, or by fewer of its levels where that were late.

    Args:
        canvas: for its grid.
        encoded: noise, condition and perhaps the prior.
        text: the prompt's embeddings.
        sampling: schedule, steps, guidance, strength.
        pace: told of each step; says how many more there may be.
        index: of the canvas, for the pace.
        call: calls `flux_transformer`.
        control: deadline and cancellation, looked at before and during each step.
        stepped: told, after each step, the share of steps done and perhaps a preview UINT8
            [2 rows, 2 columns, 3].

    Returns:
        FP32 [T, 64], clean latents.

    Raises:
        PawfectError: DEADLINE where there was no time for the first step, or for the least that
            count; CANCELLED; INTERNAL for latents that are not finite; or what the model answered.
    """
    sigmas = sampling.schedule.sigmas(sampling.steps, canvas.tokens)
    timesteps = sampling.schedule.timesteps(sigmas)
    at = sampling.first
    latents = encoded.latents
    if at > 0:
        assert encoded.prior is not None
        latents = noised(encoded.prior, latents, float(sigmas[at]))
    pace.begins(index)
    left, done = sampling.steps - at - 1, 0
    velocity: NDArray[np.float32] | None = None
    while at < sampling.steps:
        # A picture can be finished from any velocity: the steps after it are not waited for
        # beyond that.
        limit_ms = None if velocity is None else pace.patience_ms()
        sigma = float(sigmas[at])
        try:
            velocity = await flow_of(
                canvas, encoded, text, latents, float(timesteps[at]), sampling.guidance_scale,
                call, control, limit_ms,
            )  # fmt: skip
        except PawfectError as error:
            late = error.kind is ErrorKind.DEADLINE and control.remaining_ms() > 0
            if velocity is None or not late:
                raise
            pace.gives_up(index)
            latents = euler(latents, velocity, sigma, 0.0)
            break
        left = pace.stepped(index)
        done += 1
        seen = None
        if sampling.preview_every and done % sampling.preview_every == 0:
            seen = preview(estimate(latents, velocity, sigma), canvas.grid)
        at = next_level(at, sampling.steps, left)
        latents = euler(latents, velocity, sigma, float(sigmas[at]))
        await stepped(done / (done + left), seen)
        left -= 1
    if done < sampling.least:
        raise PawfectError(
            ErrorKind.DEADLINE,
            f"deadline_ms: expected time for at least {sampling.least} of "
            f"{sampling.steps - sampling.first} steps within {control.deadline_ms} ms, got {done}",
        )
    return latents
