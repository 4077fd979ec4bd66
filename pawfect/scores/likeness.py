"""Identity by two faces' embeddings: how alike they are, as a score.

A curve for each kind of faces goes through the value at which its own makers take two faces for one
person's, which is a 5. No curve was calibrated: no real weights have been through any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from pawfect.contract.errors import invalid
from pawfect.contract.faces import CENTERFACE_DLIB, INSIGHTFACE, Face
from pawfect.contract.scores import BEST

# Parts of a judgement: the cosine of the two embeddings, -1 to 1, and the length of their
# difference.
SIMILARITY: Final = "similarity"
DISTANCE: Final = "distance"
UNCALIBRATED: Final = (
    "identity follows published thresholds, uncalibrated: it compares candidates, not people"
)


@dataclass(frozen=True)
class Curve:
    """How a measure becomes a score, straight between points.

    Attributes:
        measure: of the parts.
        at: values of it, rising.
        scores: 0 to 10 at those; before the first and after the last it stays.
    """

    measure: str
    at: tuple[float, ...]
    scores: tuple[float, ...]

    def score(self, value: float) -> float:
        """Return 0 to 10."""
        return float(np.interp(value, self.at, self.scores))


# By kind.
#
# insightface: 0.4 is the threshold of insightface 2.1's own comparison (gui/core/constants.py, from
# there "Same Person"); deepface's for the same network is 0.45, for its ArcFace 0.32 (threshold.py,
# 1 - distance, tuned on LFW). Different people lie around 0.13 (py-feat's report on five people by
# buffalo_l: 0.05 to 0.35). From 0.8 on nothing more is to be told: ours, as far above as that is
# below.
#
# dlib: a distance of 0.6 is its makers' threshold (dlib.net/face_recognition.py.html, 99.38 % on
# LFW). The ends are ours: a third of it, and as much above it as that is below.
CURVES: Final[Mapping[str, Curve]] = MappingProxyType(
    {
        INSIGHTFACE: Curve(SIMILARITY, (0.13, 0.4, 0.8), (0.0, BEST / 2, BEST)),
        CENTERFACE_DLIB: Curve(DISTANCE, (0.2, 0.6, 1.0), (BEST, BEST / 2, 0.0)),
    }
)


@dataclass(frozen=True)
class Likeness:
    """How alike two faces are.

    Attributes:
        score: 0 to 10.
        parts: the measures, by name.
    """

    score: float
    parts: Mapping[str, float]


def likeness(face: Face, reference: Face) -> Likeness:
    """Compare a face with the reference's.

    Args:
        face: of the result.
        reference: of the same kind.

    Raises:
        PawfectError: INVALID_ARG for faces of different kinds, or of one without embeddings.
    """
    parts = {SIMILARITY: face.like(reference)}
    curve = CURVES.get(face.kind)
    if curve is None:
        raise invalid("faces", f"of kind {' or '.join(CURVES)}", face.kind)
    if curve.measure == DISTANCE:
        away = np.linalg.norm(face.embedding.astype(np.float64) - reference.embedding)
        parts[DISTANCE] = float(away)
    if not all(map(np.isfinite, parts.values())):
        raise invalid("faces", "embeddings of finite numbers", "others")
    rounded = {name: round(value, 4) for name, value in parts.items()}
    return Likeness(round(curve.score(rounded[curve.measure]), 3), rounded)
