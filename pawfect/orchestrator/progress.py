"""How a request's progress is reported: shares that never fall, and previews of the whole photo."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.orchestrator.request import Notify, Progress, silent
from pawfect.picture.box import Box
from pawfect.picture.window import Window

# Longest side of a preview, px: enough to judge a fill on a phone, 0.2 MB over the wire.
PREVIEW_PX: Final = 512
# Where the work stands when the mask is clean and when the last window is filled, as shares of the
# whole; measured on the 1600x1200 reference scene, the fill takes over nine tenths of the time.
FILL_STARTS: Final = 0.05
FILL_ENDS: Final = 0.95


def in_order(send: Callable[[Progress], None]) -> Notify:
    """Return what sends a request's reports off the event loop, in the order they were given.

    Windows are filled side by side, and threads do not keep an order: the next report waits until
    the one before is sent.

    Args:
        send: sends one report; runs in a thread, one at a time.
    """
    turn = asyncio.Lock()

    async def notify(progress: Progress) -> None:
        async with turn:
            await asyncio.to_thread(send, progress)

    return notify


class ProgressReporter:
    """Reports the progress of one fill.

    Args:
        notify: takes each report.
        image: UINT8 [H, W, 3], the photo.
        clean: UINT8 [H, W], 255 = hole.
        previews: whether reports show the photo as far as it is filled.
    """

    def __init__(
        self,
        notify: Notify,
        image: NDArray[np.uint8],
        clean: NDArray[np.uint8],
        previews: bool,
    ) -> None:
        self._notify = notify
        self._preview = Preview(image, clean) if previews else None
        self._reached = 0.0

    async def report(
        self, stage: str, share: float, window: Window, filled: NDArray[np.uint8] | None
    ) -> None:
        """Report how much of the fill is done, and show a part of it.

        Args:
            stage: what goes on.
            share: of the fill, 0 to 1; the progress reported never falls.
            window: the part of the photo that is shown, and its own holes.
            filled: UINT8 [h, w, 3] of it, at any size, or None to show nothing.
        """
        if self._notify is silent:
            return
        self._reached = max(self._reached, FILL_STARTS + (FILL_ENDS - FILL_STARTS) * share)
        shown = None
        if self._preview is not None and filled is not None:
            shown = self._preview.paint(window, filled)
        await self._notify(Progress(stage, self._reached, shown))


class Preview:
    """One request's photo at preview size.

    Args:
        image: UINT8 [H, W, 3].
        clean: UINT8 [H, W], 255 = hole; nothing else is ever painted over.
    """

    def __init__(self, image: NDArray[np.uint8], clean: NDArray[np.uint8]) -> None:
        self._image = image
        self._clean = clean
        self._scale = _scale(image)
        self._small: NDArray[np.uint8] | None = None

    def paint(self, window: Window, filled: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Paint a fill of a part of the photo and return a copy of the whole.

        Args:
            window: the part, and its own holes, which alone are painted.
            filled: UINT8 [h, w, 3] of it, at any size.

        Returns:
            UINT8 [h, w, 3], at most PREVIEW_PX a side.
        """
        if self._small is None:
            self._small = preview_of(self._image)
        part = _scaled(window.box, self._scale)
        if not part.area:
            return self._small.copy()
        size = (part.width, part.height)
        small = cv2.resize(filled, size, interpolation=cv2.INTER_AREA)
        own = window.hole_mask(self._clean)
        hole = cv2.resize(own, size, interpolation=cv2.INTER_AREA)
        self._small[part.slices][hole > 0] = small[hole > 0]
        return self._small.copy()


def preview_of(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a photo UINT8 [H, W, 3] as a preview of its own, at most PREVIEW_PX a side."""
    scale = _scale(image)
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    return np.array(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _scale(image: NDArray[np.uint8]) -> float:
    return min(1.0, PREVIEW_PX / max(image.shape[:2]))


def _scaled(box: Box, scale: float) -> Box:
    return Box(*(round(edge * scale) for edge in box.edges))
