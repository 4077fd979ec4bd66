"""An edit by an engine that draws whole pictures: cut out, edit, scale back, put in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.refine_report import EditReport, RemoteReport
from pawfect.contract.report import Fallback
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.picture.box import Box
from pawfect.picture.canvas import Canvas, fit_canvas, working_size
from pawfect.picture.composite import composite
from pawfect.refine.repaired import Repaired

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
        box: the part of the photo that it shows.
        mask: UINT8 [h, w], 255 = what is to change, or None: anything may.
        reference: UINT8 [h', w', 3], what it is to look like, or None.
        words: what is to be done.
    """

    picture: NDArray[np.uint8]
    box: Box
    mask: NDArray[np.uint8] | None
    reference: NDArray[np.uint8] | None
    words: str


@dataclass(frozen=True)
class RemoteAnswer:
    """How a remote engine answered.

    Attributes:
        model: what drew the picture.
        ms: how long that took.
        left_today: requests that may still be made this day.
    """

    model: str
    ms: float
    left_today: int


@dataclass(frozen=True, eq=False)
class Edited:
    """What an engine drew.

    Attributes:
        picture: UINT8 [h, w, 3], of the task's size or another.
        engine: remote, or the name of the profile's model.
        remote: of a remote engine: the picture left this machine.
        edit: of the profile's own model.
        fallbacks: where memory or time was short.
        weights: identity of the weights that drew it, by component.
    """

    picture: NDArray[np.uint8]
    engine: str
    remote: RemoteAnswer | None = None
    edit: EditReport | None = None
    fallbacks: tuple[Fallback, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)


class Edit(Protocol):
    """An engine that edits a picture by words."""

    @property
    def sizes(self) -> Sequence[int]:
        """Sides, px, of the squares of about the areas at which it draws, rising.

        A picture is brought to the smallest that holds it, or to the largest.
        """
        ...

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
    canvas, task = await asyncio.to_thread(_task, image, mask, reference, words, edit.sizes)
    edited = await edit(task)
    repaired = await asyncio.to_thread(_put, image, mask, canvas, edited.picture)
    remote = None if edited.remote is None else _report(edited.remote, canvas, edited.picture)
    return Repaired(
        repaired,
        edited.engine,
        remote=remote,
        edit=edited.edit,
        notes=tuple(_notes(remote, canvas, mask)),
        fallbacks=edited.fallbacks,
        weights=edited.weights,
    )


def _report(answer: RemoteAnswer, canvas: Canvas, picture: NDArray[np.uint8]) -> RemoteReport:
    height, width = picture.shape[:2]
    return RemoteReport(
        model=answer.model,
        sent_px=(canvas.width, canvas.height),
        answered_px=(width, height),
        scaled=(height, width) != (canvas.height, canvas.width),
        ms=answer.ms,
        left_today=answer.left_today,
    )


def _task(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8] | None,
    reference: NDArray[np.uint8] | None,
    words: str,
    sizes: Sequence[int],
) -> tuple[Canvas, EditTask]:
    canvas = _canvas(image, mask, sizes)
    part = None if mask is None else canvas.take_mask(_binary(mask))
    shown = None if reference is None else _canvas(reference, None, sizes).take(reference)
    return canvas, EditTask(canvas.take(image), canvas.box, part, shown, words)


def _canvas(
    image: NDArray[np.uint8], mask: NDArray[np.uint8] | None, sizes: Sequence[int]
) -> Canvas:
    height, width = image.shape[:2]
    box = Box(0, 0, width, height)
    if mask is not None:
        x, y, wide, high = cv2.boundingRect(_binary(mask))
        fitted = fit_canvas(Box(x, y, x + wide, y + high), height, width, sizes)
        if (fitted.box.height, fitted.box.width) == (fitted.height, fitted.width):
            return fitted
        box = fitted.box
    side = next((side for side in sizes if side * side >= box.area), sizes[-1])
    aspect = min(max(box.width / box.height, 1 / _ASPECT), _ASPECT)
    return Canvas(box, *working_size(side, aspect))


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


def _notes(
    report: RemoteReport | None, canvas: Canvas, mask: NDArray[np.uint8] | None
) -> list[str]:
    notes = []
    if report is not None:
        sent = f"{report.sent_px[0]}x{report.sent_px[1]}"
        part = f"{canvas.box.width}x{canvas.box.height} px of it"
        seen = "the whole photo" if mask is None else part
        notes.append(f"{seen} left this machine, at {sent} px, for {report.model}")
    if report is not None and report.scaled:
        answered = f"{report.answered_px[0]}x{report.answered_px[1]}"
        notes.append(f"the answer was {answered} px where {sent} were asked for, and was scaled")
    if mask is None:
        notes.append("without a mask the whole photo was drawn anew, and has no more detail")
    return notes
