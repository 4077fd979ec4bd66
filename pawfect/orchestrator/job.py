"""One request on its way: what all engines share, and what each of them gives back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.report import Fallback, WindowReport
from pawfect.contract.tensors import Array
from pawfect.orchestrator.calls import CallModel, Scalars
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.patch import PatchFill, fill_windows
from pawfect.orchestrator.preview import Preview
from pawfect.orchestrator.request import InpaintRequest, Notify, Progress, Setup, silent
from pawfect.picture.window import Window, plan_windows

# Where the work stands when the mask is clean and when the last window is filled, as shares of the
# whole; measured on the 1600x1200 reference scene, the fill takes over nine tenths of the time.
FILL_STARTS: Final = 0.05
FILL_ENDS: Final = 0.95


@dataclass(frozen=True)
class Cleaned:
    """What `mask_cleanup` gave: UINT8 [H, W] mask and ring, and what it did."""

    mask: NDArray[np.uint8]
    ring: NDArray[np.uint8]
    windows: tuple[Window, ...]
    done: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What an engine made of a request.

    Attributes:
        image: UINT8 [H, W, 3].
        engine: flux or patch.
        reason: why this one.
        windows: how each window was filled.
        fallbacks: what was missing or failed.
        told: further entries of the report.
    """

    image: NDArray[np.uint8]
    engine: str
    reason: str
    windows: tuple[WindowReport, ...]
    fallbacks: tuple[Fallback, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)


class Job:
    """A request with its clean mask, its clock and those it reports to.

    Args:
        request: photo, mask and wishes.
        cleaned: its mask, cleaned.
        setup: which engines there are.
        call: calls the models.
        control: deadline, cancellation and stage times.
        notify: told of progress.
    """

    def __init__(
        self,
        request: InpaintRequest,
        cleaned: Cleaned,
        setup: Setup,
        call: CallModel,
        control: Control,
        notify: Notify,
    ) -> None:
        self.request = request
        self.cleaned = cleaned
        self.setup = setup
        self.call = call
        self.control = control
        self._notify = notify
        self._preview = Preview(request.image, cleaned.mask)
        self._told = 0.0

    async def tell(
        self,
        stage: str,
        share: float,
        window: Window,
        filled: NDArray[np.uint8] | None,
    ) -> None:
        """Tell how much of the fill is done, and show a part of it.

        Args:
            stage: what goes on.
            share: of the fill, 0 to 1; the progress told never falls.
            window: the part of the photo that is shown, and its own holes.
            filled: UINT8 [h, w, 3] of it, at any size, or None to show nothing.
        """
        if self._notify is silent:
            return
        progress = FILL_STARTS + (FILL_ENDS - FILL_STARTS) * share
        self._told = max(self._told, progress)
        seen = None
        if self.request.params.preview_every and filled is not None:
            seen = self._preview.paint(window, filled)
        await self._notify(Progress(stage, self._told, seen))

    async def fill_by_patches(self, bound: int | None, scale: float = 1.0) -> list[PatchFill]:
        """Fill all windows by `patch_fill`, which counts as `scale` of the whole fill."""

        async def filled(window: Window, fill: PatchFill, share: float) -> None:
            await self.tell("patch_fill", scale * share, window, fill.image)

        with self.control.stage("patch_fill"):
            return await fill_windows(
                self.request,
                self.cleaned.mask,
                self.cleaned.windows,
                bound,
                self.call,
                self.control,
                filled,
            )

    def filled_by_patches(
        self,
        fills: Sequence[PatchFill],
        image: NDArray[np.uint8],
        reason: str,
        fallbacks: Sequence[Fallback],
        told: Mapping[str, Any],
    ) -> Outcome:
        """Return the outcome of patch fills, composited into `image`, UINT8 [H, W, 3]."""
        windows = tuple(
            WindowReport.of(window, fill.working_px, fill.method)
            for window, fill in zip(self.cleaned.windows, fills, strict=True)
        )
        return Outcome(image, "patch", reason, windows, tuple(fallbacks), told)


def told_by_request(request: InpaintRequest) -> dict[str, Any]:
    """Return the report's entries that the request itself decides, whatever engine fills."""
    return {
        "labels": request.scene_labels,
        "labels_source": "request" if request.scene_labels else "none",
        "prompt": request.prompt,
    }


async def clean(request: InpaintRequest, call: CallModel, control: Control) -> Cleaned:
    """Have the mask cleaned and plan the windows."""
    inputs: dict[str, Array] = {"MASK": request.mask}
    if request.protect is not None:
        inputs["PROTECT"] = request.protect
    grow = request.params.dilate_px
    parameters: Scalars = {} if grow is None else {"dilate_px": grow}
    with control.stage("mask_cleanup"):
        out = await control.wait("mask_cleanup", call("mask_cleanup", inputs, parameters))
    mask = out["CLEAN_MASK"].astype(np.uint8, copy=False)
    boxes = out["BOXES"].astype(np.int32, copy=False)
    with control.stage("windows"):
        windows = plan_windows(boxes, *mask.shape)
    ring = out["RING"].astype(np.uint8, copy=False)
    return Cleaned(mask, ring, windows, json.loads(out["REPORT"][0]))
