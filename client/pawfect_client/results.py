"""What the service answers, as typed values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.candidates import FoundCandidate
from pawfect.contract.cutout import CutoutReport
from pawfect.contract.faces import Face, FaceReport
from pawfect.contract.find import FindReport
from pawfect.contract.reading import ReadingReport, ReadText
from pawfect.contract.refine_report import RefineReport
from pawfect.contract.report import Report
from pawfect.contract.search_report import SearchReport


@dataclass(frozen=True, eq=False)
class Inpainted:
    """The answer to one request.

    Attributes:
        image: UINT8 [H, W, 3] RGB, of the size of the photo sent, writable.
        report: how it came about.
    """

    image: NDArray[np.uint8]
    report: Report


@dataclass(frozen=True, eq=False)
class StageEvent:
    """A message of a stream: where the request stands.

    Attributes:
        stage: the stage that ended.
        progress: share of the whole that is done, 0 to 1, never falling.
        preview: UINT8 [h, w, 3] RGB, the photo as filled so far, small; None where the message has
            none.
        candidate: of a search, the candidate that was finished; None where the message has none.
    """

    stage: str
    progress: float
    preview: NDArray[np.uint8] | None = None
    candidate: FoundCandidate | None = None


@dataclass(frozen=True, eq=False)
class Done(Inpainted):
    """The last message of a stream: the result."""


@dataclass(frozen=True, eq=False)
class Refined:
    """The answer to one request of `refine`, the last message of its stream.

    Attributes:
        image: UINT8 [H, W, 3] RGB, of the size of the photo sent, writable.
        report: how it came about.
    """

    image: NDArray[np.uint8]
    report: RefineReport


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The answer to one search, the last message of its stream.

    Attributes:
        image: UINT8 [H, W, 3] RGB, the best candidate, of the size of the photo sent, writable.
        report: all candidates, and why this one won.
    """

    image: NDArray[np.uint8]
    report: SearchReport


@dataclass(frozen=True, eq=False)
class CutOut:
    """The answer to one request of background removal, of the size of the photo sent, writable.

    Attributes:
        alpha: UINT8 [H, W], 255 = subject, 0 = background.
        cutout: UINT8 [H, W, 4] RGBA, not premultiplied: what `output` says.
        report: how it came about.
    """

    alpha: NDArray[np.uint8]
    cutout: NDArray[np.uint8]
    report: CutoutReport


@dataclass(frozen=True)
class SceneLabels:
    """The surfaces around a hole, best first; three tuples of the same length.

    Attributes:
        labels: their names.
        scores: how sure the model is, 0 to 1.
        coverage: share of the surroundings that each covers, 0 to 1.
    """

    labels: tuple[str, ...]
    scores: tuple[float, ...]
    coverage: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class FoundMasks:
    """What was found in a photo by words or boxes, best first; nothing found is no error.

    Attributes:
        masks: UINT8 [K, H, W], 255 = it, 0 = not, writable.
        scores: FP32 [K], how sure the model is, 0 to 1, not rising.
        report: how it came about; each find with its area and box.
    """

    masks: NDArray[np.uint8]
    scores: NDArray[np.float32]
    report: FindReport


@dataclass(frozen=True, eq=False)
class TextRead:
    """What is written in a photo; nothing is no error.

    Attributes:
        texts: in reading order, each with its corners in px of the photo.
        report: how it came about.
    """

    texts: tuple[ReadText, ...]
    report: ReadingReport


@dataclass(frozen=True, eq=False)
class FacesFound:
    """The faces of a photo, best first; none is no error.

    Attributes:
        faces: each with its box and points in px of the photo. An embedding is biometric data of
            somebody: it is for `Face.like`, and not to be kept.
        report: how it came about.
    """

    faces: tuple[Face, ...]
    report: FaceReport
