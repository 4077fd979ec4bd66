"""All candidates of a search in one picture, a cell each. CPU work, off the loop."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.candidates import Edges, FoundCandidate
from pawfect.photo.photo import Photo
from pawfect_service.jobs.kinds.pictures import shown_jpeg
from pawfect_service.jobs.live import LiveSheet

# Longest side of a cell, px: two beside each other fill a screen. 64 have 48 MB as pixels.
CELL_PX: Final = 512
# And of one while the search goes on, which is encoded anew with every candidate.
SMALL_PX: Final = 256
# What is shown round the part that differs, by its longest side, and at least to see anything.
_MARGIN: Final = 0.25
_LEAST_MARGIN_PX: Final = 24
# A cell without a candidate.
_BLANK: Final = 128


class CandidateSheet:
    """The cells that are there so far; candidate N has cell N, row by row.

    Args:
        photo: what is worked on; the sheet has its colour profile.
        planned: candidates of the whole plan.
        engine: what changed the photo, where the sheet says so; None: it does not.
    """

    def __init__(self, photo: Photo, planned: int, engine: str | None = None) -> None:
        self._photo = photo
        self._engine = engine
        self._planned = planned
        self._columns = math.ceil(math.sqrt(planned))
        self._rows = math.ceil(planned / self._columns)
        self._view: Edges | None = None
        self._cell = (0, 0)
        self._pixels: NDArray[np.uint8] | None = None

    @property
    def layout(self) -> LiveSheet:
        """How the cells lie; square ones before the first candidate with a picture."""
        wide, high = self._cell if self._view else (1, 1)
        return LiveSheet(
            planned=self._planned, columns=self._columns, rows=self._rows, ratio=wide / high
        )

    def report(self) -> dict[str, Any]:
        """Return the layout as the job's report has it, with what of the photo a cell shows."""
        view = None if self._view is None else list(self._view)
        return self.layout.model_dump(by_alias=True) | {"view": view}

    def add(self, found: FoundCandidate) -> None:
        """Draw a candidate into its cell; one without a picture has none."""
        number = found.candidate.number
        if found.image is None or found.box is None or number >= self._planned:
            return
        if self._view is None:
            self._begin(found.box)
        view, (wide, high) = self._view, self._cell
        assert view is not None
        assert self._pixels is not None
        left, top, right, bottom = view
        shown = self._photo.pixels[top:bottom, left:right].copy()
        x0, y0, x1, y1 = found.box
        shown[y0 - top : y1 - top, x0 - left : x1 - left] = found.image
        cell = Image.fromarray(shown).resize((wide, high), Image.Resampling.LANCZOS)
        row, column = divmod(number, self._columns)
        y, x = row * high, column * wide
        self._pixels[y : y + high, x : x + wide] = np.asarray(cell)

    def _begin(self, box: Edges) -> None:
        width, height = self._photo.size
        x0, y0, x1, y1 = box
        margin = max(round(_MARGIN * max(x1 - x0, y1 - y0)), _LEAST_MARGIN_PX)
        left, top = max(x0 - margin, 0), max(y0 - margin, 0)
        right, bottom = min(x1 + margin, width), min(y1 + margin, height)
        # A small hole is not blown up: the browser does that as well.
        scale = min(CELL_PX / max(right - left, bottom - top), 1.0)
        wide, high = max(round(scale * (right - left)), 1), max(round(scale * (bottom - top)), 1)
        self._view, self._cell = (left, top, right, bottom), (wide, high)
        shape = self._rows * high, self._columns * wide, 3
        self._pixels = np.full(shape, _BLANK, np.uint8)

    def jpeg(self, *, small: bool = False) -> bytes | None:
        """Return the picture; None before the first candidate that has one.

        Args:
            small: with cells of at most `SMALL_PX`.
        """
        if self._pixels is None:
            return None
        pixels = self._pixels
        scale = SMALL_PX / max(self._cell)
        if small and scale < 1:
            wide, high = (max(round(scale * side), 1) for side in self._cell)
            size = self._columns * wide, self._rows * high
            pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
        return shown_jpeg(self._photo, pixels, self._engine)
