"""What `find_masks` takes beside its picture, and its REPORT."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect import __version__
from pawfect.contract.errors import invalid
from pawfect.contract.parameters import MAX_DEADLINE_MS, Parameters
from pawfect.contract.report import known_entries
from pawfect.contract.tables import between
from pawfect.contract.tensors import Array
from pawfect.contract.texts import check_texts

# Most masks of one answer: a third of what SAM3 proposes, and more things than a phrase names in
# most photos.
MAX_MASKS: Final = 64
# Most bytes of the masks of one answer: 16 of 64 MP, 9 of 110; gRPC carries 2 GiB.
MAX_MASK_BYTES: Final = 2**30
MAX_BOXES: Final = 16
# What SAM3 is told where there are boxes and no words.
VISUAL: Final = "visual"


@dataclass(frozen=True)
class FindMasksParams(Parameters):
    """Parameters of `find_masks`; the defaults are those of transformers' post-processing.

    Attributes:
        least_score: 0 to 1; what does not score more is left out.
        most: masks at most, the best ones, 1 to 64.
        mask_threshold: 0 to 1; a pixel is part of a mask where SAM3 is surer than that.
        joined: whether all that was found becomes one mask, with the best score.
        deadline_ms: 1 to 600,000 ms from the request's arrival to its answer.
    """

    least_score: Annotated[float, between(0.0, 1.0)] = 0.3
    most: Annotated[int, between(1, MAX_MASKS)] = 16
    mask_threshold: Annotated[float, between(0.0, 1.0)] = 0.5
    joined: bool = False
    deadline_ms: Annotated[int, between(1, MAX_DEADLINE_MS)] = 30_000


@dataclass(frozen=True)
class Find:
    """One thing that was found.

    Attributes:
        score: how sure SAM3 is of it, 0 to 1.
        area_px: pixels of its mask.
        box: (x0, y0, x1, y1) round its mask, px; all 0 where that is empty.
    """

    score: float
    area_px: int
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class FindReport:
    """The report of one request of `find_masks`.

    Attributes:
        phrase: what was looked for; None where only boxes said it.
        boxes: how many boxes the request had.
        presence: how sure SAM3 is that the photo shows such a thing at all, 0 to 1.
        finds: what was found, best first.
        left_out: finds beyond `most`, or beyond the bytes of an answer.
        least_score: the request's.
        mask_threshold: the request's.
        joined: whether MASKS has all finds as one.
        profile: name of the server's profile.
        width: the photo's, px.
        height: the photo's, px.
        stage_ms: milliseconds per stage, in the order in which they began.
        total_ms: milliseconds from the request's arrival to its answer.
        weights: identity of the weights in use, by component.
        version: of the package.
    """

    phrase: str | None
    boxes: int
    presence: float
    finds: tuple[Find, ...]
    left_out: int
    least_score: float
    mask_threshold: float
    joined: bool
    profile: str
    width: int
    height: int
    stage_ms: Mapping[str, float]
    total_ms: float
    weights: Mapping[str, str] = field(default_factory=dict)
    version: str = __version__

    def to_json(self) -> str:
        """Return the report as one JSON object."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> FindReport:
        """Read what `to_json` wrote; entries that only a newer server knows are left out."""
        given: dict[str, Any] = json.loads(text)
        known = known_entries(cls, given)
        known["finds"] = tuple(
            Find(find["score"], find["area_px"], tuple(find["box"])) for find in given["finds"]
        )
        return cls(**known)


def check_phrase(phrase: str) -> str:
    """Return a phrase as SAM3 is asked for it: words of any script, single blanks between them.

    Raises:
        PawfectError: INVALID_ARG for what is no text, has no letter or digit, has control
            characters, or is over 2,048 bytes.
    """
    check_texts("PHRASE", [phrase])
    words = " ".join(phrase.split())
    control = next((letter for letter in words if unicodedata.category(letter) == "Cc"), None)
    if control is not None:
        raise invalid("PHRASE", "words", f"the control character U+{ord(control):04X}")
    if not any(letter.isalnum() for letter in words):
        raise invalid("PHRASE", "words, such as leash", repr(words) if words else "an empty text")
    return words


def check_boxes(boxes: Array, height: int, width: int) -> NDArray[np.float32]:
    """Return boxes as FP32 [B, 4].

    Args:
        boxes: numbers [B, 4]: x0, y0, x1, y1 in px of the photo, x0 < x1 and y0 < y1.
        height: the photo's, px.
        width: the photo's, px.

    Raises:
        PawfectError: INVALID_ARG for another shape, none or more than 16, what is no number, and a
            box that is empty, reversed, or not within the photo.
    """
    given = np.asarray(boxes)
    if given.ndim != 2 or given.shape[1] != 4 or given.dtype.kind not in "fiu":
        raise invalid("BOXES", "FP32 [B, 4]", f"{given.dtype} {list(given.shape)}")
    if not 1 <= len(given) <= MAX_BOXES:
        raise invalid("BOXES", f"1 to {MAX_BOXES} boxes", len(given))
    checked: NDArray[np.float32] = given.astype(np.float32)
    for x0, y0, x1, y1 in checked.tolist():
        # A comparison with NaN is false.
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            expected = f"x0 < x1 and y0 < y1 within 0 to {width} and 0 to {height} px"
            raise invalid("BOXES", expected, f"{x0:g}, {y0:g}, {x1:g}, {y1:g}")
    return checked
