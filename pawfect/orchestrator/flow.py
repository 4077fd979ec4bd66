"""The flow of one request: clean the mask, choose windows, fill them, composite, report."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.composite import composite
from pawfect.contract import MASK_THRESHOLD, Array, check_photo_size
from pawfect.errors import invalid
from pawfect.orchestrator.calls import CallModel, Scalars
from pawfect.orchestrator.control import Control
from pawfect.parameters import InpaintParams
from pawfect.profile import Profile
from pawfect.report import Report, WindowReport
from pawfect.window import Window, plan_windows

# Longest side of a preview, px: enough to judge a fill on a phone, 0.2 MB over the wire.
PREVIEW_PX: Final = 512
# Where the fill stands between the mask (before) and the composite (after), as shares of the whole;
# measured on the 1600x1200 reference scene, the fill takes over nine tenths of the time.
FILL_STARTS: Final = 0.05
FILL_ENDS: Final = 0.95
# Windows of one request that are filled at a time: no request with many holes crowds out the
# others.
WINDOWS_AT_ONCE: Final = 2


@dataclass(frozen=True)
class InpaintRequest:
    """One request, decoded.

    Attributes:
        image: UINT8 [H, W, 3] RGB.
        mask: UINT8 [H, W], >= 128 = fill.
        protect: UINT8 [H, W] or None, >= 128 = never filled, never copied from.
        scene_labels: surfaces around the hole, where the caller knows them.
        prompt: text for FLUX, where the caller has one.
        params: the scalars.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    params: InpaintParams
    protect: NDArray[np.uint8] | None = None
    scene_labels: tuple[str, ...] = ()
    prompt: str | None = None


@dataclass(frozen=True)
class InpaintResult:
    """The answer to one request.

    Attributes:
        image: UINT8 [H, W, 3] RGB, bit-identical to the input outside the cleaned mask and its
            feather.
        clean_mask: UINT8 [H, W], 255 where it was filled.
        report: how it came about.
    """

    image: NDArray[np.uint8]
    clean_mask: NDArray[np.uint8]
    report: Report


@dataclass(frozen=True)
class Progress:
    """Where a request stands.

    Attributes:
        stage: the stage that ended.
        progress: share of the whole that is done, 0 to 1, never falling.
        preview: UINT8 [h, w, 3] RGB, at most PREVIEW_PX a side, or None.
    """

    stage: str
    progress: float
    preview: NDArray[np.uint8] | None = None


Notify = Callable[[Progress], Awaitable[None]]


async def silent(progress: Progress) -> None:
    """Tell nobody."""


async def inpaint(
    request: InpaintRequest,
    profile: Profile,
    call: CallModel,
    control: Control,
    notify: Notify = silent,
) -> InpaintResult:
    """Fill what the mask covers.

    Args:
        request: photo, mask and wishes.
        profile: which engines there are.
        call: calls the models of the profile.
        control: deadline, cancellation and stage times.
        notify: told after each stage and each filled window.

    Raises:
        PawfectError: INVALID_ARG for a photo, mask or PROTECT out of bounds; UNAVAILABLE for an
            engine that the profile lacks; DEADLINE, CANCELLED; or what a model answered.
    """
    params = request.params
    with control.stage("validate"):
        check_sizes(request)
        engine, reason = profile.engine(params.engine)

    with control.stage("mask_cleanup"):
        clean, boxes, cleaning = await _clean(request, call, control)
    await notify(Progress("mask_cleanup", FILL_STARTS))

    with control.stage("windows"):
        windows = plan_windows(boxes, *clean.shape)
        sizes = [working_px(window, params.window_px) for window in windows]

    with control.stage("fill"):
        job = _FillJob(request, clean, call, control, notify)
        fills = await job.run(windows, sizes)

    with control.stage("composite"):
        pasted = asyncio.to_thread(_paste, request.image, clean, windows, fills)
        result = await control.wait("composite", pasted)

    report = Report(
        engine=engine,
        engine_reason=reason,
        profile=profile.name,
        seed=params.seed,
        deadline_ms=params.deadline_ms,
        width=request.image.shape[1],
        height=request.image.shape[0],
        hole_px=cv2.countNonZero(clean),
        dilate_px=cleaning["dilate_px"],
        specks=cleaning["specks"],
        pinholes=cleaning["pinholes"],
        labels=request.scene_labels,
        labels_source="request" if request.scene_labels else "none",
        strength=params.strength,
        prompt=request.prompt,
        windows=tuple(
            WindowReport.of(window, size, fill.method)
            for window, size, fill in zip(windows, sizes, fills, strict=True)
        ),
        stage_ms=dict(control.stage_ms),
        total_ms=round(control.elapsed_ms(), 2),
    )
    return InpaintResult(result, clean, report)


def check_sizes(request: InpaintRequest) -> None:
    """Raise INVALID_ARG unless photo, mask and PROTECT agree in size and lie within the limits."""
    height, width = request.image.shape[:2]
    check_photo_size(height, width, "IMAGE")
    for name, plane in (("MASK", request.mask), ("PROTECT", request.protect)):
        if plane is not None and plane.shape != (height, width):
            got = f"{plane.shape[1]}x{plane.shape[0]}"
            raise invalid(name, f"the image's size {width}x{height}", got)


def working_px(window: Window, bound: int | None) -> int:
    """Return the longest side, px, at which a window is filled: its own, or a smaller bound."""
    longer = max(window.box.width, window.box.height)
    return longer if bound is None else min(longer, bound)


@dataclass(frozen=True)
class _Fill:
    """A filled window: UINT8 [h, w, 3] and how."""

    image: NDArray[np.uint8]
    method: str


async def _clean(
    request: InpaintRequest, call: CallModel, control: Control
) -> tuple[NDArray[np.uint8], NDArray[np.int32], dict[str, Any]]:
    inputs: dict[str, Array] = {"MASK": request.mask}
    if request.protect is not None:
        inputs["PROTECT"] = request.protect
    grow = request.params.dilate_px
    parameters: Scalars = {} if grow is None else {"dilate_px": grow}
    out = await control.wait("mask_cleanup", call("mask_cleanup", inputs, parameters))
    clean = out["CLEAN_MASK"].astype(np.uint8, copy=False)
    boxes = out["BOXES"].astype(np.int32, copy=False)
    return clean, boxes, json.loads(out["REPORT"][0])


class _FillJob:
    """Fills the windows of one request, a few at a time, and tells how far it is."""

    def __init__(
        self,
        request: InpaintRequest,
        clean: NDArray[np.uint8],
        call: CallModel,
        control: Control,
        notify: Notify,
    ) -> None:
        self._request = request
        self._clean = clean
        self._call = call
        self._control = control
        self._notify = notify
        self._done_px = 0
        self._total_px = 0
        self._preview: NDArray[np.uint8] | None = None

    async def run(self, windows: Sequence[Window], sizes: Sequence[int]) -> list[_Fill]:
        self._total_px = sum(window.holes.area for window in windows)
        places = asyncio.Semaphore(WINDOWS_AT_ONCE)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._window(index, window, size, places))
                    for index, (window, size) in enumerate(zip(windows, sizes, strict=True))
                ]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _window(
        self, index: int, window: Window, size: int, places: asyncio.Semaphore
    ) -> _Fill:
        async with places:
            self._control.check("fill")
            own = window.hole_mask(self._clean)
            inputs: dict[str, Array] = {
                "IMAGE": np.ascontiguousarray(self._request.image[window.box.slices]),
                "MASK": own,
            }
            guarded = self._guarded(window, own)
            if guarded is not None:
                inputs["PROTECT"] = guarded
            seed = (self._request.params.seed + index) % 2**63
            parameters: Scalars = {"seed": seed, "working_px": size}
            out = await self._control.wait("fill", self._call("patch_fill", inputs, parameters))
        fill = _Fill(
            out["IMAGE"].astype(np.uint8, copy=False), json.loads(out["REPORT"][0])["method"]
        )
        self._done_px += window.holes.area
        share = self._done_px / self._total_px
        if self._notify is not silent:
            preview = (
                self._paint_preview(window, fill) if self._request.params.preview_every else None
            )
            await self._notify(
                Progress("fill", FILL_STARTS + (FILL_ENDS - FILL_STARTS) * share, preview)
            )
        return fill

    def _guarded(self, window: Window, own: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """Return what must not be copied from: PROTECT and the holes of other windows."""
        others = self._clean[window.box.slices] & ~own
        if self._request.protect is not None:
            marked = self._request.protect[window.box.slices] >= MASK_THRESHOLD
            others = others | np.where(marked, np.uint8(255), np.uint8(0))
        return others if others.any() else None

    def _paint_preview(self, window: Window, fill: _Fill) -> NDArray[np.uint8]:
        """Return the photo with all windows filled so far, small."""
        image = self._request.image
        scale = min(1.0, PREVIEW_PX / max(image.shape[:2]))
        if self._preview is None:
            self._preview = _shrunk(image, scale)
        box = window.box
        x0, y0 = round(box.x0 * scale), round(box.y0 * scale)
        x1, y1 = round(box.x1 * scale), round(box.y1 * scale)
        small = cv2.resize(fill.image, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
        hole = cv2.resize(
            window.hole_mask(self._clean), (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA
        )
        self._preview[y0:y1, x0:x1][hole > 0] = small[hole > 0]
        return self._preview.copy()


def _shrunk(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    shrunk = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return shrunk.astype(np.uint8, copy=scale == 1.0)


def _paste(
    image: NDArray[np.uint8],
    clean: NDArray[np.uint8],
    windows: Sequence[Window],
    fills: Sequence[_Fill],
) -> NDArray[np.uint8]:
    """Return the photo with every window composited into it."""
    result = image.copy()
    for window, fill in zip(windows, fills, strict=True):
        own = window.hole_mask(clean)
        # The patch engine leaves what lies outside the mask as it is: there is nothing to feather.
        result[window.box.slices] = composite(
            result[window.box.slices], fill.image, own, feather_px=0
        )
    return result
