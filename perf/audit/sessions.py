"""The sessions of an audit as arrays, and what a fill of one is worth by `pawfect.scores`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.tables import TableError
from pawfect.profile import Profile
from pawfect.scene.prompt import Label, Prompt
from pawfect.scores.labels import strange_labels
from pawfect.scores.look import look
from pawfect.scores.seam import seam_step
from pawfect.scores.sharpness import sharpness_ratio
from pawfect_client import load_mask, load_photo, load_protect
from perf.audit.matrix import Source
from perf.scenes import load_scene

Bytes = NDArray[np.uint8]
# A label counts as invented from this share of the fill where the profile has no check of its own:
# that of the profiles for real weights.
STRANGE_COVERAGE: Final = 0.25


@dataclass(frozen=True, eq=False)
class Session:
    """One photo with what is to vanish from it.

    Attributes:
        source: as the matrix names it.
        photo: UINT8 [H, W, 3] RGB.
        mask: UINT8 [H, W], >= 128 = fill.
        protect: UINT8 [H, W] or None, >= 128 = never filled.
        truth: UINT8 [H, W, 3] or None, the photo without what is to vanish.
    """

    source: Source
    photo: Bytes
    mask: Bytes
    protect: Bytes | None = None
    truth: Bytes | None = None

    @property
    def name(self) -> str:
        """The session's name."""
        return self.source.name

    @cached_property
    def digest(self) -> str:
        """SHA-256, hexadecimal, of all four: what decides the pixels and their scores."""
        sha = hashlib.sha256()
        for array in (self.photo, self.mask, self.protect, self.truth):
            if array is not None:
                sha.update(repr((array.shape, str(array.dtype))).encode())
                sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()


def load_session(source: Source) -> Session:
    """Load a session's pictures.

    Raises:
        PawfectError: INVALID_ARG for a file that is no photo or mask.
        TableError: a truth of another size than the photo.
    """
    if source.scene is not None:
        scene = load_scene(source.scene)
        return Session(source, scene.photo, scene.mask, None, scene.truth)
    photo = load_photo(str(source.photo))
    mask = load_mask(str(source.mask), photo)
    protect = load_protect(source.protect, photo) if source.protect else None
    truth = load_photo(source.truth).pixels if source.truth else None
    if truth is not None and truth.shape != photo.pixels.shape:
        got = f"{truth.shape[1]}x{truth.shape[0]}"
        expected = f"the photo's size {photo.pixels.shape[1]}x{photo.pixels.shape[0]}"
        raise TableError(f"session {source.name}: truth", expected, got)
    return Session(source, photo.pixels, mask, protect, truth)


@dataclass(frozen=True, eq=False)
class Place:
    """What all fills of one session are judged by.

    Attributes:
        session: with its truth, where there is one.
        hole: UINT8 [H, W], 255 = filled.
        ring: UINT8 [H, W], 255 = looked at for `around`.
        around: surfaces in the ring.
        prompt: of the labels or a caption, where they were made before.
    """

    session: Session
    hole: NDArray[np.uint8]
    ring: NDArray[np.uint8]
    around: Sequence[Label]
    prompt: Prompt | None = None


def judge(image: NDArray[np.uint8], place: Place) -> dict[str, float]:
    """Score the pixels of a fill.

    Args:
        image: UINT8 [H, W, 3].
        place: what it is judged by.

    Returns:
        By name, lower is better but for `sharpness`, which is best at 1: seam_off (CIE76), the
        colour step at the rim, or its distance from the truth's own where there is a truth: a smear
        has less of a step than the truth. sharpness and sharpness_log (none for a hole too thin to
        tell); st_lpips where there is a truth.
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
    return scores


def judge_labels(place: Place, inside: Sequence[Label], profile: Profile) -> dict[str, float]:
    """Score the labels of a fill.

    Args:
        place: what it is judged by.
        inside: surfaces in the fill, by the server.
        profile: for the share from which a label counts.

    Returns:
        strange: the share of the fill, 0 to 1 and above where labels overlap, covered by labels
        which the surroundings do not have; nothing where these have none.
    """
    if not place.around:
        return {}
    least = profile.check.strange_coverage if profile.check else STRANGE_COVERAGE
    strange = set(strange_labels(inside, place.around, least))
    return {"strange": sum(label.coverage for label in inside if label.name in strange)}
