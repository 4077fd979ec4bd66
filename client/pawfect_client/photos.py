"""From a photo to a photo: what a server fills of its pixels, and of its alpha where it has any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.report import Report
from pawfect.photo.alpha import (
    ALPHA_ENGINE,
    ask_alpha,
    ask_colours,
    continued_alpha,
    with_answers,
)
from pawfect.photo.photo import Photo
from pawfect_client.results import Inpainted

# What of a request holds for alpha too, such as which pixels are the hole: labels and a prompt say
# what is seen.
_OF_ALPHA_TOO: Final = frozenset(
    {"seed", "dilate_px", "least_speck_px", "fill_outlines", "window_px", "deadline_ms"}
)


def inpaint_photo(
    fill: Callable[..., Inpainted],
    photo: Photo,
    mask: NDArray[np.uint8],
    protect: NDArray[np.uint8] | None,
    request: Mapping[str, Any],
) -> tuple[Photo, Report]:
    """Return a photo with what its mask covers filled, and how it came about.

    A photo with transparent parts near the mask takes two requests, one for its alpha; the report
    is that of its colours, where they were asked for.

    Args:
        fill: takes image, mask, protect and the request's entries, as `PawfectClient.inpaint` does.
        photo: what is to be filled.
        mask: UINT8 [H, W], >= 128 = fill.
        protect: UINT8 [H, W], >= 128 = never filled, or None.
        request: labels, prompt and parameters.

    Raises:
        PawfectError: as `fill` does.
    """
    alpha, report = None, None
    if asked := ask_alpha(photo, mask, protect):
        kept = {name: value for name, value in request.items() if name in _OF_ALPHA_TOO}
        answer = fill(asked.image, asked.mask, protect=asked.protect, engine=ALPHA_ENGINE, **kept)
        alpha, report = continued_alpha(photo, mask, answer.image), answer.report
        # Of a large photo each is 150 MB, which the next request needs.
        del answer
    del asked
    colours = None
    if wanted := ask_colours(photo, mask, protect, alpha):
        answer = fill(wanted.image, wanted.mask, protect=wanted.protect, **request)
        colours, report = answer.image, answer.report
    # One of both had something to ask.
    assert report is not None
    filled = with_answers(photo, mask, colours, alpha)
    return filled.changed_by(report.engine), report
