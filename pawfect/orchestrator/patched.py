"""A photo filled without denoising, as patches and LaMa leave it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.report import Fallback


@dataclass(frozen=True, eq=False)
class PatchFill:
    """A window as `patch_fill` or `lama_fill` left it.

    Attributes:
        image: UINT8 [h, w, 3].
        working_px: longest side at which it was filled, px.
        method: how.
        off_drawing: CIE76, how far it is from the drawing that led it; 0 where none did.
    """

    image: NDArray[np.uint8]
    working_px: int
    method: str
    off_drawing: float = 0.0


@dataclass(frozen=True, eq=False)
class Patched:
    """The photo filled without denoising.

    Attributes:
        image: UINT8 [H, W, 3].
        fills: its windows.
        engine: patch, or lama where at least one window is LaMa's.
        reason: why this engine, where there was a choice.
        fallbacks: what was missing or failed.
    """

    image: NDArray[np.uint8]
    fills: tuple[PatchFill, ...]
    engine: str = "patch"
    reason: str | None = None
    fallbacks: tuple[Fallback, ...] = ()
