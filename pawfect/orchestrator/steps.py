"""The calls of one run to `flux_transformer`: its steps, and that it can be forgotten."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.tensors import Array
from pawfect.orchestrator.calls import CallModel
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.stages import Encoded, Text, floats
from pawfect.picture.canvas import Canvas

# STEPS[1] of the call that has the model drop what it keeps of a run.
FORGET: Final = -1
# Calls that nobody awaits: asyncio itself holds its tasks only weakly.
_UNDER_WAY: Final[set[asyncio.Task[Any]]] = set()


class StepCalls:
    """One run: a canvas, its prompt and its guidance, step by step.

    Args:
        canvas: for its grid.
        encoded: for the condition.
        text: the prompt's embeddings.
        guidance_scale: of all steps.
        steps: of the whole schedule.
        reuses: whether the model may keep anything between the steps.
        call: calls the model.
    """

    def __init__(
        self,
        canvas: Canvas,
        encoded: Encoded,
        text: Text,
        guidance_scale: float,
        steps: int,
        reuses: bool,
        call: CallModel,
    ) -> None:
        self._fixed: dict[str, Array] = {
            "CONDITION": encoded.condition,
            "PROMPT_EMBEDS": text.embeds,
            "POOLED": text.pooled,
            "GUIDANCE": np.array([guidance_scale], np.float32),
            "GRID": np.array(canvas.grid, np.int32),
        }
        self._steps = steps
        self._call = call
        # Not the seed: two requests with one seed must not meet in what the model keeps.
        self._run = np.array([secrets.randbelow(2**63 - 1) + 1], np.int64) if reuses else None
        self._kept = False

    async def velocity(
        self,
        latents: NDArray[np.float32],
        timestep: float,
        left: int,
        control: Control,
        limit_ms: float | None = None,
    ) -> NDArray[np.float32]:
        """Run one step.

        Args:
            latents: FP32 [T, 64].
            timestep: 0 to 1000.
            left: steps that are planned after this one.
            control: deadline and cancellation.
            limit_ms: how long to wait; None: as long as the request may take.

        Returns:
            FP32 [T, 64].

        Raises:
            PawfectError: DEADLINE, CANCELLED, or what the model answered.
        """
        inputs: dict[str, Array] = {
            "LATENTS": latents,
            "TIMESTEP": np.array([timestep], np.float32),
            "STEPS": np.array([self._steps, left], np.int32),
            **self._fixed,
        }
        if self._run is not None:
            inputs["RUN"] = self._run
            self._kept = True
        with control.stage("flux_transformer"):
            asked = self._call("flux_transformer", inputs, {})
            out = await control.wait("flux_transformer", asked, limit_ms)
        # After the last step the model drops what it kept by itself.
        self._kept = self._kept and left > 0
        return floats(out["VELOCITY"])

    def forget(self) -> None:
        """Have the model drop what it may keep of the run; its answer matters to nobody."""
        if not self._kept or self._run is None:
            return
        embeds, pooled = self._fixed["PROMPT_EMBEDS"], self._fixed["POOLED"]
        inputs: dict[str, Array] = {
            "LATENTS": np.zeros((1, 64), np.float32),
            "CONDITION": np.zeros((1, 320), np.float32),
            "PROMPT_EMBEDS": embeds[:1],
            "POOLED": pooled,
            # Nothing is computed: any that is one will do.
            "TIMESTEP": np.ones(1, np.float32),
            "GUIDANCE": self._fixed["GUIDANCE"],
            "GRID": np.ones(2, np.int32),
            "RUN": self._run,
            "STEPS": np.array([self._steps, FORGET], np.int32),
        }
        self._kept = False
        telling = asyncio.ensure_future(self._call("flux_transformer", inputs, {}))
        _UNDER_WAY.add(telling)
        telling.add_done_callback(_told)


def calls_under_way() -> tuple[asyncio.Task[Any], ...]:
    """Return the calls that no answer waits for and that have not ended."""
    return tuple(_UNDER_WAY)


def _told(telling: asyncio.Task[Any]) -> None:
    """Drop an ended call, its exception fetched, or asyncio would report it as lost."""
    _UNDER_WAY.discard(telling)
    if not telling.cancelled():
        telling.exception()
