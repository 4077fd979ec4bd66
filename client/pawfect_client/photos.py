"""From a photo to a photo: what a server fills of it, or cuts out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.cutout import CutoutParams, CutoutReport
from pawfect.contract.report import Report
from pawfect.photo.cutting import cutting
from pawfect.photo.filling import FilledPhoto, filling, next_step
from pawfect.photo.photo import Photo
from pawfect_client.results import CutOut, Inpainted


def inpaint_photo(
    fill: Callable[..., Inpainted],
    photo: Photo,
    mask: NDArray[np.uint8],
    protect: NDArray[np.uint8] | None,
    request: Mapping[str, Any],
) -> tuple[Photo, Report]:
    """Return a photo with what its mask covers filled, and how it came about.

    Args:
        fill: takes image, mask, protect and the request's entries, as `PawfectClient.inpaint` does.
        photo: what is to be filled.
        mask: UINT8 [H, W], >= 128 = fill.
        protect: UINT8 [H, W], >= 128 = never filled, or None.
        request: labels, prompt and parameters; see `pawfect.photo.filling.filling`.

    Raises:
        PawfectError: as `fill` does.
    """
    steps = filling(photo, mask, protect, request)
    step = next_step(steps)
    while not isinstance(step, FilledPhoto):
        ask, given = step
        wish = given.pop("protect", None)
        guard = wish if ask.protect is None else ask.protect
        answer = fill(ask.image, ask.mask, protect=guard, **given)
        # Of a large photo each is 150 MB, which the next request needs.
        del ask, step
        step = next_step(steps, answer)
        del answer
    return step.photo, step.report


def cutout_photo(
    remove: Callable[..., CutOut],
    photo: Photo,
    background: Photo | None,
    request: Mapping[str, Any],
) -> tuple[Photo, CutoutReport]:
    """Return the cut-out of a photo, to be written, and how it came about.

    Args:
        remove: takes image, background and the request's entries, as
            `PawfectClient.background_removal` does.
        photo: what is to be cut out.
        background: what the subject is laid on, of any size, or None.
        request: parameters; without `output` it is background where one is given, else rgba.

    Raises:
        PawfectError: INVALID_ARG for output=background without one; else as `remove` does.
    """
    output = CutoutParams.parse(request).laid_on(background=background is not None)
    asked = cutting(photo, background, output)
    given = {**request, "output": output}
    answer = remove(asked.image, background=asked.background, **given)
    return asked.cut(answer.alpha, answer.cutout), answer.report
