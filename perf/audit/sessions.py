"""The sessions of an audit: photo, mask and what else is known, as arrays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.tables import TableError
from pawfect_client import load_mask, load_photo
from perf.audit.matrix import Source
from perf.scenes import load_scene

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
    protect = load_mask(source.protect, photo) if source.protect else None
    truth = load_photo(source.truth).pixels if source.truth else None
    if truth is not None and truth.shape != photo.pixels.shape:
        got = f"{truth.shape[1]}x{truth.shape[0]}"
        expected = f"the photo's size {photo.pixels.shape[1]}x{photo.pixels.shape[0]}"
        raise TableError(f"session {source.name}: truth", expected, got)
    return Session(source, photo.pixels, mask, protect, truth)
