"""From a photo to a photo: which fills its colours and its alpha take, whoever makes them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.report import Report
from pawfect.photo.alpha import (
    ALPHA_ENGINE,
    Ask,
    ask_alpha,
    ask_colours,
    continued_alpha,
    with_answers,
)
from pawfect.photo.photo import Photo

# What of a request holds for alpha too, such as which pixels are the hole: labels and a prompt say
# what is seen.
_OF_ALPHA_TOO: Final = frozenset(
    {"seed", "dilate_px", "least_speck_px", "fill_outlines", "window_px", "deadline_ms"}
)


class Answer(Protocol):
    """What a request was answered."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """UINT8 [H, W, 3], what was asked for with its hole filled."""

    @property
    def report(self) -> Report:
        """How it came about."""


@dataclass(frozen=True, eq=False)
class FilledPhoto:
    """A photo with what its mask covers filled.

    Attributes:
        photo: its XMP says how it was changed.
        report: how it came about; that of its colours, where they were asked for.
    """

    photo: Photo
    report: Report


# What is to be filled, and the entries of the request that go with it.
Step = tuple[Ask, dict[str, Any]]
Filling = Generator[Step, Answer | None, FilledPhoto]


def filling(
    photo: Photo,
    mask: NDArray[np.uint8],
    protect: NDArray[np.uint8] | None,
    request: Mapping[str, Any],
) -> Filling:
    """Yield what is to be filled of a photo, take each answer, and return the filled photo.

    `next_step` takes it from step to step. A photo with transparent parts near the mask takes two
    requests, one for its alpha; any other takes one.

    Args:
        photo: what is to be filled.
        mask: UINT8 [H, W], >= 128 = fill.
        protect: UINT8 [H, W], >= 128 = never filled, or None.
        request: labels, prompt and parameters.
    """
    alpha, report = None, None
    if asked := ask_alpha(photo, mask, protect):
        kept = {name: value for name, value in request.items() if name in _OF_ALPHA_TOO}
        # What is the subject is seen in its colours alone.
        answer = yield asked, kept | {"engine": ALPHA_ENGINE, "protect": "none"}
        assert answer is not None
        alpha, report = continued_alpha(photo, mask, answer.image), answer.report
        # Of a large photo each is 150 MB, which the next request needs.
        del answer
    del asked
    colours = None
    if wanted := ask_colours(photo, mask, protect, alpha):
        answer = yield wanted, dict(request)
        assert answer is not None
        colours, report = answer.image, answer.report
    # One of both had something to ask.
    assert report is not None
    filled = with_answers(photo, mask, colours, alpha)
    return FilledPhoto(filled.changed_by(report.engine), report)


def next_step(steps: Filling, answer: Answer | None = None) -> Step | FilledPhoto:
    """Return what is to be filled next, or the filled photo where nothing is.

    Args:
        steps: of `filling`.
        answer: to the step before; None for the first one.
    """
    try:
        return steps.send(answer)
    except StopIteration as end:
        result: FilledPhoto = end.value
        return result
