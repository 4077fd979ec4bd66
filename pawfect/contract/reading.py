"""What `text_reading` takes beside its picture, what it finds, and its REPORT."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect import __version__
from pawfect.contract.parameters import MAX_DEADLINE_MS, Parameters
from pawfect.contract.report import known_entries
from pawfect.contract.tables import between
from pawfect.contract.tensors import Array

# px: the smallest photo; and twice the longer side of a phone's, where looking takes a minute and
# more of CPU.
SIZES: Final = (64, 8192)


@dataclass(frozen=True)
class ReadingParams(Parameters):
    """Parameters of `text_reading`; None leaves the choice to the server.

    Attributes:
        least_score: 0 to 1; text of a lower score is left out.
        size: 64 to 8,192 px; longest side at which the photo is looked at. In a photo of 12 MP
            2000 finds words 12 px high for 6 s of CPU, 4000 words of 8 px for 31 s.
        deadline_ms: 1 to 600,000 ms, from when the request is taken up to its answer: requests are
            read one after the other.
    """

    least_score: Annotated[float, between(0.0, 1.0)] = 0.5
    size: Annotated[int, between(*SIZES)] | None = None
    deadline_ms: Annotated[int, between(1, MAX_DEADLINE_MS)] = 30_000


@dataclass(frozen=True, eq=False)
class ReadText:
    """One piece of text that was read, a line or part of one.

    Attributes:
        quad: FP32 [4, 2], x and y of its corners in px of the photo, clockwise from the text's own
            upper left: of text that stands on its head that is the photo's lower right.
        text: what it says.
        score: how sure the network is of its letters, 0 to 1.
    """

    quad: NDArray[np.float32]
    text: str
    score: float


@dataclass(frozen=True)
class ReadingReport:
    """The report of one request of `text_reading`.

    Attributes:
        found: how many texts the answer has.
        left_out: texts of a score under `least_score`.
        least_score: the request's.
        size: longest side, px, at which the photo was to be looked at.
        seen: width and height, px, at which it was.
        device: what the networks ran on: cpu, cuda or tensorrt.
        width: the photo's, px.
        height: the photo's, px.
        stage_ms: milliseconds per stage, in the order in which they began.
        total_ms: milliseconds from the request's arrival to its answer.
        weights: identity of the weights in use, by component.
        version: of the package.
    """

    found: int
    left_out: int
    least_score: float
    size: int
    seen: tuple[int, int]
    device: str
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
    def from_json(cls, text: str | bytes) -> ReadingReport:
        """Read what `to_json` wrote; entries that only a newer server knows are left out."""
        given: dict[str, Any] = json.loads(text)
        known = known_entries(cls, given)
        known["seen"] = tuple(given["seen"])
        return cls(**known)


def read_texts_of(out: Mapping[str, Array]) -> tuple[ReadText, ...]:
    """Return what `text_reading` answered, in reading order.

    Args:
        out: BOXES FP32 [K, 4, 2], TEXTS BYTES [K] in UTF-8 and SCORES FP32 [K].
    """
    answered = zip(out["BOXES"], out["TEXTS"].reshape(-1), out["SCORES"], strict=True)
    return tuple(
        ReadText(
            np.asarray(quad, np.float32),
            text.decode() if isinstance(text, bytes) else str(text),
            float(score),
        )
        for quad, text, score in answered
    )
