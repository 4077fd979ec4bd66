"""The engine `lama`: windows filled by `lama_fill`, and by patches where those do as well.

Asked for by name it fills by itself. Under `auto`, and as the floor of what denoises, both fill
each window and `pawfect.scores.preference` chooses; where LaMa fails, the patches stand.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.report import Fallback
from pawfect.orchestrator import budget
from pawfect.orchestrator.control import dropped
from pawfect.orchestrator.engine import Fill, Prompting, Task
from pawfect.orchestrator.patch import (
    bound_px,
    estimate_ms,
    fill_window,
    fill_windows,
    paste_fills,
    pasted,
    patch_photo,
    reports,
    short_of_time,
)
from pawfect.orchestrator.patched import Patched, PatchFill
from pawfect.scores.preference import prefer

MODEL: Final = "lama_fill"
WINDOW_MS: Final = 3000.0
"""Of one window on a laptop: 1.5 to 2.7 s are published for the network, the patches besides."""
PATCHES_SHARE: Final = 0.3  # of the progress, where LaMa draws beside them


@dataclass(frozen=True)
class Tried:
    """What `lama_fill` made of the first windows, and why no more of them."""

    fills: tuple[PatchFill, ...]
    error: PawfectError | None = None


async def fill_by_lama(task: Task) -> Fill:
    """Fill all windows by LaMa, or under `auto` each by the better of it and patches.

    Raises:
        PawfectError: DEADLINE, CANCELLED; what `lama_fill` answered where the request asked for it;
            what `patch_fill` answered.
    """
    filled = await (_by_name(task) if task.request.params.engine == "lama" else floor_photo(task))
    return Fill(
        filled.image,
        filled.engine,
        reports(task, filled),
        Prompting.of_request(task.request),
        short_of_time(task) + filled.fallbacks,
        reason=filled.reason,
        weights=weights_of(task, filled),
    )


def weights_of(task: Task, filled: Patched) -> dict[str, str]:
    """Return the identity of the weights that a fill without denoising was made with."""
    weights = task.deployment.weights
    return {"lama": weights["lama"]} if filled.engine == "lama" and "lama" in weights else {}


async def floor_photo(task: Task, most_px: int | None = None, share: float = 1.0) -> Patched:
    """Fill all windows without denoising: by patches, or by LaMa where it is here and does better.

    Args:
        task: the request.
        most_px: longest side, px, at which a window is filled, as in `patch_photo`.
        share: of the whole fill that this is, for the progress.

    Raises:
        PawfectError: DEADLINE, CANCELLED, or what `patch_fill` answered.
    """
    if not task.deployment.lama_unasked:
        return await patch_photo(task, most_px, share)
    trying = asyncio.ensure_future(_tried(task, most_px))
    try:
        patched = await patch_photo(task, most_px, PATCHES_SHARE * share)
        tried = await trying
    finally:
        await dropped(trying)
    with task.control.stage("choice"):
        choosing = asyncio.to_thread(_better, task, patched, tried)
        return await task.control.wait("choice", choosing)


def floor_ms(task: Task) -> float:
    """Estimate the time, ms, of `floor_photo`."""
    windows, deadline_ms = task.cleaned.windows, task.request.params.deadline_ms
    by_patches = estimate_ms(windows, task.cleaned.areas)
    # Patches have a plan of their own, which keeps within this share.
    by_patches = min(by_patches, budget.PATCH_SHARE * deadline_ms)
    if not task.deployment.lama_unasked:
        return by_patches
    return max(by_patches, WINDOW_MS * min(len(windows), affordable(task)))


async def _by_name(task: Task) -> Patched:
    windows, count = task.cleaned.windows, affordable(task)
    models = [MODEL if index < count else "patch_fill" for index in range(len(windows))]
    with task.control.stage(MODEL):
        fills = await fill_windows(task, bound_px(task), 1.0, models)
    image = await pasted(task, fills)
    if count >= len(windows):
        return Patched(image, fills, "lama")
    few = f"deadline_ms: {task.request.params.deadline_ms} ms are too few for all windows"
    instead = f"patches in {len(windows) - count} of {len(windows)} windows"
    fallback = Fallback(MODEL, few, instead, ErrorKind.DEADLINE)
    return Patched(image, fills, "lama", fallbacks=(fallback,))


def affordable(task: Task) -> int:
    """Return how many windows, the largest first, LaMa has time for: one at least.

    It follows from the request alone, not from the clock, so that the same request gives the same
    pixels.
    """
    return max(1, int(budget.LAMA_SHARE * task.request.params.deadline_ms / WINDOW_MS))


async def _tried(task: Task, most_px: int | None) -> Tried:
    """Have the largest windows filled by LaMa, one after the other: it has one process."""
    settings = task.deployment.profile.lama
    assert settings is not None
    bound, fills = bound_px(task, most_px), []
    try:
        with task.control.stage(MODEL):
            for index, window in enumerate(task.cleaned.windows[: affordable(task)]):
                patience = min(settings.timeout_ms, task.control.remaining_ms() / 2)
                fills.append(await fill_window(task, index, window, bound, MODEL, patience))
    except PawfectError as error:
        if error.kind is ErrorKind.CANCELLED:
            raise
        return Tried(tuple(fills), error)
    return Tried(tuple(fills))


def _better(task: Task, patched: Patched, tried: Tried) -> Patched:
    """Take each window from LaMa or from the patches."""
    photo, mask, windows = task.request.image, task.cleaned.mask, task.cleaned.windows
    fills, choices = list(patched.fills), []
    for index, fill in enumerate(tried.fills):
        own = windows[index].hole_mask(mask)
        choices.append(prefer(fill.image, patched.fills[index].image, own, fill.off_drawing))
        if choices[-1].led:
            fills[index] = fill
    fallbacks: tuple[Fallback, ...] = ()
    if tried.error is not None:
        error = tried.error
        fallbacks = (Fallback(MODEL, str(error), "patch", error.kind),)
    # Of the largest window that is LaMa's; where none is, of the largest.
    led = [choice.reason for choice in choices if choice.led]
    if led:
        image = paste_fills(photo, mask, windows, fills)
        return Patched(image, tuple(fills), "lama", led[0], fallbacks)
    reason = choices[0].reason if choices else f"lama failed: {tried.error}"
    return replace(patched, reason=reason, fallbacks=fallbacks)
