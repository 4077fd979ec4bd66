"""What a cell's picture is worth: the scores of `pawfect.scores`, labels inside against around."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

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
        By name, lower is better but for `sharpness`, which is best at 1: seam_off (CIE76), the
        colour step at the rim, or its distance from the truth's own where there is a truth: a smear
        has less of a step than the truth. sharpness and sharpness_log (none for a hole too thin to
        tell); st_lpips where there is a truth; strange: the share of the fill, 0 to 1 and above
        where labels overlap, covered by labels which the surroundings do not have, where these
        have any.
    """
    truth, hole = place.session.truth, place.hole
    own_step = 0.0 if truth is None else seam_step(truth, hole > 0)
    scores = {"seam_off": abs(seam_step(image, hole > 0) - own_step)}
    # A hole too thin to have an inside has no sharpness.
    with suppress(ValueError):
        scores["sharpness"] = sharpness_ratio(image, hole)
        scores["sharpness_log"] = abs(float(np.log(scores["sharpness"])))
    if truth is not None:
        scores["st_lpips"] = look(image, truth, hole)
    if place.around:
        least = profile.check.strange_coverage if profile.check else STRANGE_COVERAGE
        strange = set(strange_labels(inside, place.around, least))
        scores["strange"] = sum(label.coverage for label in inside if label.name in strange)
    return scores
