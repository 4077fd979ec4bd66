"""The denoising loop: one canvas from noise to clean latents, one model call per step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.tensors import Array
from pawfect.diffusion.chain import Chain
from pawfect.diffusion.preview import estimate, preview
from pawfect.diffusion.schedule import (
    Schedule,
    euler,
    first_step,
    next_level,
    noised,
    put_back,
)
from pawfect.orchestrator.chain_models import Encoded, Text, floats
from pawfect.orchestrator.engine import Asking
from pawfect.orchestrator.pace import CanvasPace


@dataclass(frozen=True)
class Sampling:
    """How each canvas of a run is denoised: see `InpaintParams`.

    Attributes:
        chain: which model denoises.
        schedule: its own.
        steps: of the whole schedule.
        guidance_scale: of all steps.
        strength: above 0 to 1; under 1 the run starts from a prior.
        preview_every: steps between two previews; 0: none.
        least: fewest steps whose picture counts as one.
    """

    chain: Chain
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


# Awaited after each step: the share of steps done, and perhaps a preview, UINT8 [2 rows, 2 columns,
# 3].
OnStep = Callable[[float, NDArray[np.uint8] | None], Awaitable[None]]


async def denoise(
    asking: Asking,
    encoded: Encoded,
    text: Text,
    sampling: Sampling,
    pace: CanvasPace,
    on_step: OnStep,
) -> NDArray[np.float32]:
    """Denoise one canvas: by the whole schedule, or by fewer of its levels where that were late.

    Args:
        asking: calls the models; its clock is looked at before and during each step.
        encoded: noise, condition or references, and perhaps the prior.
        text: the prompt's embeddings.
        sampling: schedule, steps, guidance, strength.
        pace: measures each step, and says how many more there may be.
        on_step: awaited after each step.

    Returns:
        FP32 [T, W], clean latents.

    Raises:
        PawfectError: DEADLINE where there was no time for the first step, or for the least that
            count; CANCELLED; INTERNAL for latents that are not finite; or what the model answered.
    """
    sigmas = sampling.schedule.sigmas(sampling.steps, encoded.tokens)
    timesteps = sampling.schedule.timesteps(sigmas)
    at, taken = sampling.first, 0
    latents, velocity = encoded.latents, None
    if encoded.prior is not None:
        latents = noised(encoded.prior, latents, float(sigmas[at]))
    pace.begins()
    while at < sampling.steps:
        # A picture can be finished from any velocity: the steps after it are not waited for beyond
        # that.
        limit_ms = None if velocity is None else pace.patience_ms()
        timestep, sigma = float(timesteps[at]), float(sigmas[at])
        try:
            velocity = await predict_velocity(
                asking, sampling, encoded, text, latents, timestep, limit_ms
            )
        except PawfectError as error:
            late = error.kind is ErrorKind.DEADLINE and asking.control.remaining_ms() > 0
            if velocity is None or not late:
                raise
            pace.gives_up()
            latents = _stepped(encoded, latents, velocity, sigma, 0.0)
            break
        left = pace.stepped()
        taken += 1
        shown = None
        if sampling.preview_every and taken % sampling.preview_every == 0:
            foreseen = estimate(latents, velocity, sigma)
            shown = preview(foreseen, encoded.grid, sampling.chain.colours)
        at = next_level(at, sampling.steps, left)
        latents = _stepped(encoded, latents, velocity, sigma, float(sigmas[at]))
        await on_step(taken / (taken + left), shown)
    if taken < sampling.least:
        raise PawfectError(
            ErrorKind.DEADLINE,
            f"deadline_ms: expected time for at least {sampling.least} of "
            f"{sampling.steps - sampling.first} steps within {asking.control.deadline_ms} ms, "
            f"got {taken}",
        )
    return latents


def _stepped(
    encoded: Encoded,
    latents: NDArray[np.float32],
    velocity: NDArray[np.float32],
    sigma: float,
    following: float,
) -> NDArray[np.float32]:
    """Take one Euler step, and put back what is not to be filled."""
    latents = euler(latents, velocity, sigma, following)
    if encoded.share is None or encoded.prior is None:
        return latents
    return put_back(latents, encoded.share, noised(encoded.prior, encoded.latents, following))


async def predict_velocity(
    asking: Asking,
    sampling: Sampling,
    encoded: Encoded,
    text: Text,
    latents: NDArray[np.float32],
    timestep: float,
    limit_ms: float | None,
) -> NDArray[np.float32]:
    """Run one denoising step.

    Args:
        asking: calls the models.
        sampling: chain and guidance.
        encoded: for grid, and condition or references.
        text: the prompt's embeddings.
        latents: FP32 [T, W].
        timestep: above 0 to 1000.
        limit_ms: how long to wait; None: as long as the request may take.

    Returns:
        FP32 [T, W].
    """
    inputs: dict[str, Array] = {
        "LATENTS": latents,
        **encoded.tensors,
        **text.tensors,
        "TIMESTEP": np.array([timestep], np.float32),
        "GRID": np.array(encoded.grid, np.int32),
    }
    if sampling.chain.guided:
        inputs["GUIDANCE"] = np.array([sampling.guidance_scale], np.float32)
    out = await asking.ask(sampling.chain.transformer, inputs, limit_ms=limit_ms)
    return floats(out["VELOCITY"])
