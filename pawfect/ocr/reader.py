"""The reader: a photo in, what is written in it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pawfect.clock import Stage, unmeasured
from pawfect.contract.reading import ReadText
from pawfect.contract.tensors import Array
from pawfect.ocr import steps
from pawfect.ocr.order import in_reading_order
from pawfect.ocr.view import cut_out, view_of
from pawfect.onnx.session import Session, open_session
from pawfect.stop import Stop, never
from pawfect.weights.reading import unusable

# In the recogniser's file: its letters, one a line.
_LETTERS: Final = "character"
# Of 0 to 1: what is read with a higher score is not tried in other directions. Letters that were
# read in a wrong one scored 0.2 to 0.65, in the right one nearly always over 0.9 (rendered words).
SURE: Final = 0.9
# By how much another direction's score must be higher.
BETTER: Final = 0.1
# A piece less long than this, to its height, may as well be a short text from the side.
SQUARE: Final = 2.0


@dataclass(frozen=True, eq=False)
class Reading:
    """What was read.

    Attributes:
        texts: in reading order; empty ones are left out.
        seen: width and height, px, at which the photo was looked at, without padding.
    """

    texts: tuple[ReadText, ...]
    seen: tuple[int, int]


class Reader:
    """The three networks, open.

    Args:
        folder: of verified weights: detection.onnx, direction.onnx, recognition.onnx.
        threads: that one call works with.

    Raises:
        PawfectError: UNAVAILABLE for files that are not what they should be.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        self._config = steps.settings()
        self._config.Rec.font_path = None
        self._detection, self._direction, self._recognition = (
            open_session(folder, threads, file=f"{name}.onnx")
            for name in ("detection", "direction", "recognition")
        )
        names = self._recognition.notes.get(_LETTERS, "").splitlines()
        if not names:
            raise unusable(folder, "expected a recogniser that names its letters, got none")
        self._letters = steps.letters(names)

    @property
    def device(self) -> str:
        """What the networks run on."""
        return self._detection.device

    def read(
        self,
        photo: NDArray[np.uint8],
        size: int,
        stop: Stop = never,
        stage: Stage = unmeasured,
    ) -> Reading:
        """Read what is written in a photo, in any direction.

        A photo of 12 MP at 2000 px takes 6 s of CPU and 0.9 GB and shows words of 12 px and more;
        at 4000 px, in tiles, 31 s and 1.0 GB, and most words of 8 px. Measured on words of low
        contrast on a rendered photo with grain, as a JPEG; alone on a large empty ground words of
        24 px were missed at 2000 px.

        Args:
            photo: UINT8 [H, W, 3] RGB.
            size: longest side, px, at which it is looked at.
            stop: ends the run.
            stage: measures the stages detect, direction and recognise.

        Raises:
            PawfectError: CANCELLED, since `stop` said so.
            MemoryError: there is not enough for it.
        """
        view = view_of(photo, size)
        left, top = view.margin
        seen = view.picture.shape[1] - 2 * left, view.picture.shape[0] - 2 * top
        with stage("detect"):
            run = _runs(self._detection, stop)
            quads = steps.detect(view.picture, run, self._config.Det, view.least_side)
        if not len(quads):
            return Reading((), seen)
        cut = [cut_out(view, photo, quad) for quad in quads]
        pieces = [piece for piece, _ in cut]
        with stage("direction"):
            direction = steps.Direction(self._config.Cls, _runs(self._direction, stop))
            turned = direction.turned(pieces)
        recogniser = steps.Recogniser(
            self._config.Rec, _runs(self._recognition, stop), self._letters
        )
        with stage("recognise"):
            read = _in_best_direction(recogniser, pieces, turned)
        bounds = np.array([photo.shape[1], photo.shape[0]], np.float32)
        texts = [
            ReadText(
                np.clip(np.roll(quad, -line.quarters, axis=0), 0, bounds), line.text, line.score
            )
            for (_, quad), line in zip(cut, read, strict=True)
            if line.text.strip()
        ]
        return Reading(in_reading_order(texts), seen)


@dataclass(frozen=True)
class _Line:
    """How a piece was read: turned by so many quarters to the left."""

    quarters: int
    text: str
    score: float


def _in_best_direction(
    recogniser: steps.Recogniser, pieces: Sequence[NDArray[np.uint8]], turned: Sequence[bool]
) -> list[_Line]:
    """Read each piece; what is not sure is tried in other directions too."""

    def read(tries: Sequence[tuple[int, int]]) -> list[_Line]:
        crops = [np.ascontiguousarray(np.rot90(pieces[i], quarters)) for i, quarters in tries]
        lines = recogniser.read(crops) if crops else []
        return [
            _Line(quarters, text, score)
            for (_, quarters), (text, score) in zip(tries, lines, strict=True)
        ]

    first = read([(i, 2 if half else 0) for i, half in enumerate(turned)])
    unsure = [i for i, line in enumerate(first) if line.score < SURE]
    tries = [(i, quarters) for i in unsure for quarters in _others(pieces[i], first[i].quarters)]
    best = list(first)
    for (i, _), line in zip(tries, read(tries), strict=True):
        if line.score > max(best[i].score, first[i].score + BETTER):
            best[i] = line
    return best


def _others(piece: NDArray[np.uint8], quarters: int) -> tuple[int, ...]:
    """Return the directions in which a piece may be read as well, quarters to the left."""
    height, width = piece.shape[:2]
    square = max(height, width) < SQUARE * min(height, width)
    return tuple((quarters + more) % 4 for more in ((1, 2, 3) if square else (2,)))


def _runs(session: Session, stop: Stop) -> steps.Run:
    (name,) = (tensor.name for tensor in session.inputs)

    def run(batch: Array) -> Array:
        return session.run({name: batch}, stop)

    return run
