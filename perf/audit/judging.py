"""What a cell's picture is worth: the scores of `pawfect.scores`, labels inside against around."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.profile import Profile
from pawfect.scene.prompt import Label
from pawfect.scores.labels import strange_labels
from pawfect.scores.look import look
from pawfect.scores.seam import seam_step
from pawfect.scores.sharpness import sharpness_ratio
from perf.audit.sessions import Session

# A label counts as invented from this share of the fill where the profile has no check of its own:
# that of the profiles for real weights.
STRANGE_COVERAGE: Final = 0.25
# Context of the crops, as a share of the holes' box and at least px: to judge a fill in its place.
CONTEXT: Final = 0.35
CONTEXT_PX: Final = 32


@dataclass(frozen=True, eq=False)
class Place:
    """What all fills of one session are judged by.

    Attributes:
        session: with its truth, where there is one.
        hole: UINT8 [H, W], 255 = filled.
        around: surfaces in the ring.
    """

    session: Session
    hole: NDArray[np.uint8]
    around: Sequence[Label]

    @property
    def view(self) -> tuple[slice, slice]:
        """Rows and columns of all holes with some context."""
        x, y, width, height = cv2.boundingRect(self.hole)
        pad = max(round(CONTEXT * max(width, height)), CONTEXT_PX)
        return slice(max(y - pad, 0), y + height + pad), slice(max(x - pad, 0), x + width + pad)


def judge(
    image: NDArray[np.uint8], place: Place, inside: Sequence[Label], profile: Profile
) -> dict[str, float]:
    """Score a fill.

    Args:
        image: UINT8 [H, W, 3].
        place: what it is judged by.
        inside: surfaces in the fill, by the server.
        profile: for the share from which a label counts.

    Returns:
        By name, lower is better but for `sharpness`, which is best at 1: seam_step (CIE76),
        sharpness and sharpness_log (0 for a hole too thin to tell), st_lpips where there is a
        truth, strange: the share of the fill, 0 to 1 and above where labels overlap, that is
        covered by labels which the surroundings do not have, where the surroundings have any.
    """
    scores = {"seam_step": seam_step(image, place.hole > 0)}
    # A hole too thin to have an inside has no sharpness.
    with suppress(ValueError):
        scores["sharpness"] = sharpness_ratio(image, place.hole)
        scores["sharpness_log"] = abs(float(np.log(scores["sharpness"])))
    if place.session.truth is not None:
        scores["st_lpips"] = look(image, place.session.truth, place.hole)
    if place.around:
        least = profile.check.strange_coverage if profile.check else STRANGE_COVERAGE
        strange = set(strange_labels(inside, place.around, least))
        scores["strange"] = sum(label.coverage for label in inside if label.name in strange)
    return scores
