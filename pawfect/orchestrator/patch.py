"""The engine `patch`: every window filled by `patch_fill`, a few at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind
from pawfect.contract.report import Fallback, WindowReport
from pawfect.contract.tensors import MASK_THRESHOLD, Array
from pawfect.orchestrator import budget
from pawfect.orchestrator.calls import Scalars
from pawfect.orchestrator.engine import Fill, Prompting, Task
from pawfect.orchestrator.patched import Patched, PatchFill
from pawfect.orchestrator.request import InpaintRequest
from pawfect.picture.composite import composite
from pawfect.picture.window import Window

# Windows of one request that are filled at a time: no request with many holes crowds out the
# others.
WINDOWS_AT_ONCE: Final = 2
# Cost of a fill on one core, half as much again as was measured on an EPYC: beginning a piece,
# which grows up to BEGUN_PX pixels of it, and all finer levels per million pixels. Measured on
# square holes of 2.9, 6.4, 26, 130, 360 and 1,960 thousand px: 0.2, 0.7, 1.0, 2.4, 4.1 and 22 s of
# CPU.
BEGIN_MS: Final = 1100.0
BEGUN_PX: Final = 5500
FINISH_MS_PER_MP: Final = 17_000.0
# A long hole is begun anew along its course, by so many times its width: a line of 12 px over 10 MP
# takes 3.4 s of CPU, one of 30 px 13 s.
LONG: Final = 4
# A window is shrunk in such steps, and not below the least side, px, that still shows texture.
SHRINK_STEP: Final = 0.9
LEAST_WORKING_PX: Final = 192


async def fill_by_patches(task: Task) -> Fill:
    """Fill all windows by patches, as large as the deadline allows; see `Engine`."""
    fallbacks = short_of_time(task)
    patched = await patch_photo(task)
    prompting = Prompting.of_request(task.request)
    return Fill(patched.image, "patch", reports(task, patched), prompting, fallbacks)


def short_of_time(task: Task) -> tuple[Fallback, ...]:
    """Return the fallback to a smaller size where the deadline is too near for the full one."""
    deadline_ms, asked_px = task.request.params.deadline_ms, task.request.params.window_px
    affordable = affordable_px(task.cleaned.windows, task.cleaned.areas, deadline_ms)
    if affordable is None or (asked_px is not None and affordable >= asked_px):
        return ()
    short = f"deadline_ms: {deadline_ms} ms are too few for full size"
    instead = f"filled at {affordable} px"
    return (Fallback("patch_fill", short, instead, ErrorKind.DEADLINE),)


async def patch_photo(task: Task, most_px: int | None = None, share: float = 1.0) -> Patched:
    """Fill all windows and composite them.

    Args:
        task: the request.
        most_px: longest side, px, at which a window is filled; None: its own. `window_px` and the
            deadline bound it too.
        share: of the whole fill that this is, for the progress.

    Raises:
        PawfectError: DEADLINE, CANCELLED, or what `patch_fill` answered.
    """
    with task.control.stage("patch_fill"):
        fills = await fill_windows(task, bound_px(task, most_px), share)
    return Patched(await pasted(task, fills), fills)


def bound_px(task: Task, most_px: int | None = None) -> int | None:
    """Return the longest side, px, at which a window may be filled; None: whatever its own."""
    params = task.request.params
    affordable = affordable_px(task.cleaned.windows, task.cleaned.areas, params.deadline_ms)
    bounds = (most_px, params.window_px, affordable)
    return min((side for side in bounds if side is not None), default=None)


async def pasted(task: Task, fills: Sequence[PatchFill]) -> NDArray[np.uint8]:
    """Composite all windows, as a stage: UINT8 [H, W, 3]."""
    cleaned = task.cleaned
    with task.control.stage("composite"):
        pasting = asyncio.to_thread(
            paste_fills, task.request.image, cleaned.mask, cleaned.windows, fills
        )
        return await task.control.wait("composite", pasting)


def reports(task: Task, patched: Patched) -> tuple[WindowReport, ...]:
    """Return how each window was filled."""
    return tuple(
        WindowReport(window.box.edges, window.holes.edges, fill.working_px, fill.method)
        for window, fill in zip(task.cleaned.windows, patched.fills, strict=True)
    )


async def fill_windows(
    task: Task, bound: int | None, share: float, models: Sequence[str] | None = None
) -> tuple[PatchFill, ...]:
    """Have every window filled, a few at a time.

    Args:
        task: the request.
        bound: longest side, px, or None.
        share: of the whole fill that this is, for the progress.
        models: which fills each window; None: `patch_fill` all.
    """
    windows = task.cleaned.windows
    total = sum(window.holes.area for window in windows)
    done = 0
    places = asyncio.Semaphore(WINDOWS_AT_ONCE)

    async def fill(index: int, window: Window) -> PatchFill:
        nonlocal done
        async with places:
            model = "patch_fill" if models is None else models[index]
            filled = await fill_window(task, index, window, bound, model)
        done += window.holes.area
        await task.progress.report("patch_fill", share * done / total, window, filled.image)
        return filled

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(fill(i, window)) for i, window in enumerate(windows)]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return tuple(task.result() for task in tasks)


async def fill_window(
    task: Task,
    index: int,
    window: Window,
    bound: int | None,
    model: str = "patch_fill",
    limit_ms: float | None = None,
) -> PatchFill:
    """Have one window filled by `patch_fill` or `lama_fill`, and wait no longer than `limit_ms`."""
    task.control.check(model)
    size = working_px(window, bound)
    parameters: Scalars = {"seed": seed_of(task.request.params.seed, index), "working_px": size}
    inputs = _inputs(task.request, task.cleaned.mask, window)
    out = await task.control.wait(model, task.call(model, inputs, parameters), limit_ms)
    report = json.loads(out["REPORT"][0])
    image = out["IMAGE"].astype(np.uint8, copy=False)
    return PatchFill(image, size, report["method"], report.get("off_drawing", 0.0))


def seed_of(seed: int, index: int) -> int:
    """Return the seed of one window of a request, whichever engine fills it."""
    return (seed + index) % 2**63


def affordable_px(windows: Sequence[Window], areas: Sequence[int], deadline_ms: int) -> int | None:
    """Return the longest side, px, at which all windows can be filled within a deadline.

    It follows from the request alone, not from the clock, so that the same request gives the same
    pixels.

    Args:
        windows: what is filled.
        areas: pixels of each one's holes.
        deadline_ms: the request's.

    Returns:
        None where every window can be filled at its own size.
    """
    longest = max(max(window.box.width, window.box.height) for window in windows)
    scale = 1.0
    while estimate_ms(windows, areas, scale) > budget.PATCH_SHARE * deadline_ms:
        scale *= SHRINK_STEP
        if longest * scale <= LEAST_WORKING_PX:
            return LEAST_WORKING_PX
    return None if scale == 1.0 else round(longest * scale)


def estimate_ms(windows: Sequence[Window], areas: Sequence[int], scale: float = 1.0) -> float:
    """Estimate the time, ms, of filling windows.

    Args:
        windows: what is filled.
        areas: pixels of each one's holes.
        scale: of their own size, above 0 to 1.
    """
    total = 0.0
    for window, area in zip(windows, areas, strict=True):
        longer = max(window.holes.width, window.holes.height)
        pieces = max(1.0, longer**2 / (LONG * area))
        filled = area * scale**2
        begun = min(filled / BEGUN_PX, pieces)
        total += BEGIN_MS * begun + FINISH_MS_PER_MP * filled / 1e6
    return total / min(len(windows), WINDOWS_AT_ONCE)


def working_px(window: Window, bound: int | None) -> int:
    """Return the longest side, px, at which a window is filled: its own, or a smaller bound."""
    longer = max(window.box.width, window.box.height)
    return longer if bound is None else min(longer, bound)


def paste_fills(
    image: NDArray[np.uint8],
    clean: NDArray[np.uint8],
    windows: Sequence[Window],
    fills: Sequence[PatchFill],
) -> NDArray[np.uint8]:
    """Return the photo UINT8 [H, W, 3] with every window composited into it."""
    result = image.copy()
    for window, fill in zip(windows, fills, strict=True):
        own = window.hole_mask(clean)
        # The patch engine leaves what lies outside the mask as it is: there is nothing to feather.
        result[window.box.slices] = composite(
            result[window.box.slices], fill.image, own, feather_px=0
        )
    return result


def _inputs(request: InpaintRequest, clean: NDArray[np.uint8], window: Window) -> dict[str, Array]:
    own = window.hole_mask(clean)
    inputs: dict[str, Array] = {
        "IMAGE": np.ascontiguousarray(request.image[window.box.slices]),
        "MASK": own,
    }
    # Not to be copied from: PROTECT and the holes of other windows.
    others = clean[window.box.slices] & ~own
    if request.protect is not None:
        marked = request.protect[window.box.slices] >= MASK_THRESHOLD
        others = others | np.where(marked, np.uint8(255), np.uint8(0))
    if others.any():
        inputs["PROTECT"] = others
    return inputs
