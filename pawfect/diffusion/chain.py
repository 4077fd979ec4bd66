"""What tells one denoising model from another, for all that is written once for every one of them.

Imports no torch: the orchestrator reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# By steps and image tokens: how far noise levels lean to the noisy end.
from pawfect.diffusion.schedule import Schedule, Shift


@dataclass(frozen=True, eq=False)
class Colours:
    """A linear map of latents to colours, for previews.

    Attributes:
        factors: float32 [C, 3], what each channel adds to red, green and blue in -1..1.
        bias: float32 [3].
    """

    factors: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Chain:
    """One denoising model: its tokens, its conditions, its guidance, its schedule.

    Its Triton models are NAME_text_encoder, NAME_vae_encoder, NAME_transformer (one stateless step,
    batched) and NAME_vae_decoder.

    Attributes:
        name: flux, klein or edit: of its engine, of its table in a profile, of its weights'
            component, and before the names of its models.
        title: for people.
        channels: of its latents; a token has four times as many values.
        colours: of its latents.
        shift: of its schedule.
        guided: whether a step takes GUIDANCE.
        text: what its text encoder gives that every step takes.
        put_back: how a mask lies over its tokens, UINT8 [H, W] to float32 [T, 1 or W], where what
            is not masked is put back after each step; None: the model is shown the mask itself.
        references: whether a step takes pictures to go by, REFERENCES and REFERENCE_GRIDS. Such a
            model is told what to do, not what a picture shows.
        sees_pictures: whether its text encoder looks at them too.
        negative: whether guidance above 1 takes a second prompt, of what is not wanted.
        samples_prior: whether the prior of a masked run is a sample of the posterior, as the
            pipeline has it, and not its mode.
        rescheduled: of the published schedule and the profile's settings: the one that is in force.
    """

    name: str
    title: str
    channels: int
    colours: Colours
    shift: Shift
    guided: bool
    text: tuple[str, ...]
    put_back: Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None = None
    references: bool = False
    sees_pictures: bool = False
    negative: bool = False
    samples_prior: bool = False
    rescheduled: Callable[[Schedule, Any], Schedule] = lambda schedule, settings: schedule

    @property
    def edits(self) -> bool:
        """Whether it edits by words: it takes pictures to go by, and leaves what is put back."""
        return self.references and self.put_back is not None

    @property
    def token_width(self) -> int:
        """Values of one token's latents."""
        return 4 * self.channels

    @property
    def text_encoder(self) -> str:  # noqa: D102
        return f"{self.name}_text_encoder"

    @property
    def vae_encoder(self) -> str:  # noqa: D102
        return f"{self.name}_vae_encoder"

    @property
    def transformer(self) -> str:  # noqa: D102
        return f"{self.name}_transformer"

    @property
    def vae_decoder(self) -> str:  # noqa: D102
        return f"{self.name}_vae_decoder"
