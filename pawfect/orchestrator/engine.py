"""What every engine is given, and what it gives back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.parameters import MaskParams
from pawfect.contract.report import Fallback, MaskChanges, WindowReport
from pawfect.contract.tensors import Array
from pawfect.orchestrator.calls import CallModel, Scalars
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import Deployment
from pawfect.orchestrator.patched import Patched
from pawfect.orchestrator.progress import ProgressReporter
from pawfect.orchestrator.request import InpaintRequest
from pawfect.picture.window import Window, plan_windows

NO_PARAMETERS: Final[Scalars] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class CleanedMask:
    """What `mask_cleanup` gave.

    Attributes:
        mask: UINT8 [H, W], 255 = hole.
        ring: UINT8 [H, W], 255 = the band of surroundings.
        windows: the parts of the photo that are filled, the largest first.
        areas: pixels of the mask in each window.
        changes: what was done to the mask.
    """

    mask: NDArray[np.uint8]
    ring: NDArray[np.uint8]
    windows: tuple[Window, ...]
    areas: tuple[int, ...]
    changes: MaskChanges


@dataclass(frozen=True)
class Toward:
    """Noise in the neighbourhood of a seed's own: turned towards another seed's.

    Attributes:
        seed: of the other noise, 0 to 2**63 - 1.
        angle: 0 (the seed's own) to pi / 2 (the other's), rad; the mixture is as normal as both.
    """

    seed: int
    angle: float


class Asking:
    """What calls models for one request.

    Attributes:
        call: calls the models.
        control: deadline, cancellation and stage times.
    """

    call: CallModel
    control: Control

    async def ask(
        self,
        model: str,
        inputs: Mapping[str, Array],
        parameters: Scalars = NO_PARAMETERS,
        limit_ms: float | None = None,
    ) -> dict[str, Array]:
        """Call a model as a stage of its name.

        Args:
            model: its name.
            inputs: arrays by tensor name.
            parameters: request parameters.
            limit_ms: how long to wait; None: as long as the request may take.

        Raises:
            PawfectError: DEADLINE, CANCELLED, or what the model answered.
        """
        with self.control.stage(model):
            return await self.control.wait(model, self.call(model, inputs, parameters), limit_ms)


@dataclass(frozen=True, eq=False)
class Caller(Asking):
    """Calls models and nothing more."""

    call: CallModel
    control: Control


@dataclass(frozen=True, eq=False)
class Task(Asking):
    """One request with its cleaned mask, and how its models are called.

    Attributes:
        request: photo, mask and wishes.
        cleaned: its mask, cleaned.
        deployment: which engines there are.
        call: calls the models.
        control: deadline, cancellation and stage times.
        progress: takes reports of the fill's progress.
        floor: the fill without denoising, where it is there already; None: it is made.
        start: UINT8 [H, W, 3], what denoising starts from with `strength` under 1; None: the floor.
        toward: of the noise; None: the seed's own.
        plan_ms: what the plan may take, where others share the card and the deadline; None: the
            clock's whole time.
    """

    request: InpaintRequest
    cleaned: CleanedMask
    deployment: Deployment
    call: CallModel
    control: Control
    progress: ProgressReporter
    floor: Patched | None = None
    start: NDArray[np.uint8] | None = None
    toward: Toward | None = None
    plan_ms: float | None = None


@dataclass(frozen=True)
class Prompting:
    """The report's part about labels and prompt; see `Report`."""

    labels: tuple[str, ...] = ()
    labels_source: str = "none"
    prompt: str | None = None
    prompt_source: str | None = None
    prompt_cut: int = 0

    @classmethod
    def of_request(cls, request: InpaintRequest) -> Prompting:
        """Return what the request itself says."""
        source = "request" if request.scene_labels else "none"
        return cls(request.scene_labels, source, request.prompt)


@dataclass(frozen=True)
class Denoising:
    """The report's part about denoising; see `Report`."""

    steps: int | None = None
    steps_taken: int | None = None
    quality: int | None = None
    expected_ms: float | None = None
    predicted_ms: float | None = None
    guidance_scale: float | None = None
    strength: float | None = None


@dataclass(frozen=True, eq=False)
class Fill:
    """What an engine made of a task.

    Attributes:
        image: UINT8 [H, W, 3].
        engine: which one filled.
        windows: how each window was filled.
        prompting: labels and prompt.
        fallbacks: what was missing or failed.
        reason: why this engine, where it is not the one that was chosen.
        denoising: how it was denoised.
        check: what the check of a generated fill said.
        weights: identity of the weights that made it, by component.
    """

    image: NDArray[np.uint8]
    engine: str
    windows: tuple[WindowReport, ...]
    prompting: Prompting
    fallbacks: tuple[Fallback, ...] = ()
    reason: str | None = None
    denoising: Denoising = Denoising()
    check: str | None = None
    weights: Mapping[str, str] = field(default_factory=dict)


class Engine(Protocol):
    """Fills the holes of a task; `pawfect.orchestrator.flow.ENGINES` names each."""

    async def __call__(self, task: Task) -> Fill:
        """Return the fill.

        Raises:
            PawfectError: DEADLINE, CANCELLED, or why there is none.
        """
        ...


async def clean_mask(request: InpaintRequest, call: CallModel, control: Control) -> CleanedMask:
    """Have `mask_cleanup` clean the mask, and plan the windows."""
    inputs: dict[str, Array] = {"MASK": request.mask}
    if request.protect is not None:
        inputs["PROTECT"] = request.protect
    asked = {name: getattr(request.params, name) for name in MaskParams.__dataclass_fields__}
    parameters = {name: value for name, value in asked.items() if value is not None}
    with control.stage("mask_cleanup"):
        out = await control.wait("mask_cleanup", call("mask_cleanup", inputs, parameters))
    mask, ring = (out[name].astype(np.uint8, copy=False) for name in ("CLEAN_MASK", "RING"))
    with control.stage("windows"):
        windows = plan_windows(out["BOXES"].astype(np.int32, copy=False), *mask.shape)
        areas = tuple(int(np.count_nonzero(mask[window.holes.slices])) for window in windows)
    changes = MaskChanges(**json.loads(out["REPORT"][0]))
    return CleanedMask(mask, ring, windows, areas, changes)
