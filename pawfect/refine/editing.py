"""An edit by an engine that draws whole pictures: cut out, edit, scale back, put in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.refine_report import RemoteReport
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.picture.box import Box
from pawfect.picture.canvas import Canvas, fit_canvas, working_size
from pawfect.picture.composite import composite
from pawfect.refine.repaired import Repaired

# Side, px, of the square of about the area at which such engines draw: 1.56 MP, what the largest
# of OpenAI's standard sizes, 1536x1024, has.
SIDE: Final = 1248
# How far round a mask photo and drawing are compared, px: five times the band that counts, so that
# what is blurred there has an even end.
_NEAR_PX: Final = 64
# Width over height that they draw at most, and its reciprocal the least.
_ASPECT: Final = 3.0


@dataclass(frozen=True, eq=False)
class EditTask:
    """What an engine is to edit.

    Attributes:
        picture: UINT8 [h, w, 3], sides multiples of 16.
        mask: UINT8 [h, w], 255 = what is to change, or None: anything may.
        reference: UINT8 [h', w', 3], what it is to look like, or None.
        words: what is to be done.
    """

    picture: NDArray[np.uint8]
    mask: NDArray[np.uint8] | None
    reference: NDArray[np.uint8] | None
    words: str


@dataclass(frozen=True, eq=False)
class Edited:
    """What an engine drew.

    Attributes:
        picture: UINT8 [h, w, 3], of the task's size or another.
        model: what drew it.
        ms: how long that took.
        left_today: requests that may still be made this day.
    """

    picture: NDArray[np.uint8]
    model: str
    ms: float
    left_today: int


class Edit(Protocol):
    """An engine that edits a picture by words."""

    async def __call__(self, task: EditTask) -> Edited:
        """Return what it drew.

        Raises:
            PawfectError: why there is nothing.
        """
        ...


async def edit_photo(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8] | None,
    reference: NDArray[np.uint8] | None,
    words: str,
    edit: Edit,
) -> Repaired:
    """Have an engine edit a photo, or what a mask marks of it.

    With a mask the engine is given no more of the photo than the mask's surroundings.

    Args:
        image: UINT8 [H, W, 3].
        mask: UINT8 [H, W], >= 128 = what may change, some of it; or None: all of it.
        reference: UINT8 [h, w, 3], what it is to look like, or None.
        words: what is to be done.
        edit: the engine.

    Returns:
        The photo; outside the mask bit for bit what it was.

    Raises:
        PawfectError: as `edit` does.
    """
    canvas, task = await asyncio.to_thread(_task, image, mask, reference, words)
    edited = await edit(task)
    repaired = await asyncio.to_thread(_put, image, mask, canvas, edited.picture)
    height, width = edited.picture.shape[:2]
    report = RemoteReport(
        model=edited.model,
        sent_px=(canvas.width, canvas.height),
        answered_px=(width, height),
        scaled=(height, width) != (canvas.height, canvas.width),
        ms=edited.ms,
        left_today=edited.left_today,
    )
    return Repaired(repaired, "remote", remote=report, notes=tuple(_notes(report, canvas, mask)))


def _task(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8] | None,
    reference: NDArray[np.uint8] | None,
    words: str,
) -> tuple[Canvas, EditTask]:
    canvas = _canvas(image, mask)
    part = None if mask is None else canvas.take_mask(_binary(mask))
    shown = None if reference is None else _canvas(reference, None).take(reference)
    return canvas, EditTask(canvas.take(image), part, shown, words)


def _canvas(image: NDArray[np.uint8], mask: NDArray[np.uint8] | None) -> Canvas:
    height, width = image.shape[:2]
    box = Box(0, 0, width, height)
    if mask is not None:
        x, y, wide, high = cv2.boundingRect(_binary(mask))
        box = fit_canvas(Box(x, y, x + wide, y + high), height, width, (SIDE,)).box
    aspect = min(max(box.width / box.height, 1 / _ASPECT), _ASPECT)
    return Canvas(box, *working_size(SIDE, aspect))


def _put(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8] | None,
    canvas: Canvas,
    picture: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Return the photo with what was drawn scaled back and put in, sharply along the mask."""
    drawn = canvas.put_back(picture)
    if mask is None:
        return drawn
    whole = image.copy()
    binary = _binary(mask)
    near = _near(binary, canvas.box)
    part = drawn[
        near.y0 - canvas.box.y0 : near.y1 - canvas.box.y0,
        near.x0 - canvas.box.x0 : near.x1 - canvas.box.x0,
    ]
    parts = (np.ascontiguousarray(it) for it in (image[near.slices], part, binary[near.slices]))
    whole[near.slices] = composite(*parts, feather_px=0)
    return whole


def _near(binary: NDArray[np.uint8], window: Box) -> Box:
    """Return what of a window is near enough to a mask for its tone and grain to be compared."""
    x, y, wide, high = cv2.boundingRect(binary)
    return Box(
        max(x - _NEAR_PX, window.x0),
        max(y - _NEAR_PX, window.y0),
        min(x + wide + _NEAR_PX, window.x1),
        min(y + high + _NEAR_PX, window.y1),
    )


def _binary(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.where(mask >= MASK_THRESHOLD, np.uint8(255), np.uint8(0))


def _notes(report: RemoteReport, canvas: Canvas, mask: NDArray[np.uint8] | None) -> list[str]:
    sent = f"{report.sent_px[0]}x{report.sent_px[1]}"
    seen = "the whole photo" if mask is None else f"{canvas.box.width}x{canvas.box.height} px of it"
    notes = [f"{seen} left this machine, at {sent} px, for {report.model}"]
    if report.scaled:
        answered = f"{report.answered_px[0]}x{report.answered_px[1]}"
        notes.append(f"the answer was {answered} px where {sent} were asked for, and was scaled")
    if mask is None:
        notes.append("without a mask the whole photo was drawn anew, and has no more detail")
    return notes
