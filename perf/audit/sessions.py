"""The sessions of an audit: photo, mask and what else is known, as arrays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect_client import load_mask, load_photo
from perf.audit.matrix import MatrixError, SessionSource
from perf.audit.prompts import text_for

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Session:
    """One photo with what is to vanish from it.

    Attributes:
        source: as the matrix names it.
        photo: UINT8 [H, W, 3] RGB.
        mask: UINT8 [H, W], >= 128 = fill.
        protect: UINT8 [H, W] or None, >= 128 = never filled.
        truth: UINT8 [H, W, 3] or None, the photo without what is to vanish.
        digest: SHA-256, hexadecimal, of all four: what decides the pixels and their scores.
    """

    source: SessionSource
    photo: Bytes
    mask: Bytes
    protect: Bytes | None
    truth: Bytes | None
    digest: str

    @property
    def name(self) -> str:
        """The session's name."""
        return self.source.name

    def prompt(self, specificity: str) -> str | None:
        """Return the PROMPT of a specificity; None: the request brings none."""
        return text_for(self.source.scene, self.source.prompts, specificity)


def load_session(source: SessionSource) -> Session:
    """Load or build a session's pictures.

    Raises:
        PawfectError: INVALID_ARG for a file that is no photo or mask.
        MatrixError: a truth or protect of another size than the photo.
    """
    if source.scene is not None:
        from perf.scenes import load_scene

        scene = load_scene(source.scene)
        return _session(source, scene.photo, scene.mask, None, scene.truth)
    photo = load_photo(source.files["photo"])
    mask = load_mask(source.files["mask"], photo)
    protect = load_mask(source.files["protect"], photo) if "protect" in source.files else None
    truth = load_photo(source.files["truth"]).pixels if "truth" in source.files else None
    if truth is not None and truth.shape != photo.pixels.shape:
        expected = f"the photo's size {photo.pixels.shape[1]}x{photo.pixels.shape[0]}"
        got = f"{truth.shape[1]}x{truth.shape[0]}"
        raise MatrixError(f"session {source.name}: truth: expected {expected}, got {got}")
    return _session(source, photo.pixels, mask, protect, truth)


def _session(
    source: SessionSource, photo: Bytes, mask: Bytes, protect: Bytes | None, truth: Bytes | None
) -> Session:
    sha = hashlib.sha256()
    for array in (photo, mask, protect, truth):
        if array is not None:
            sha.update(repr((array.shape, str(array.dtype))).encode())
            sha.update(np.ascontiguousarray(array).tobytes())
    return Session(source, photo, mask, protect, truth, sha.hexdigest())
