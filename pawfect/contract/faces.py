"""Faces: what `face_analysis` finds, what kinds of it there are, and what both face models take.

Embeddings of different kinds are never compared: `Face.like` refuses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect import __version__
from pawfect.contract.errors import invalid
from pawfect.contract.parameters import MAX_DEADLINE_MS, Parameters
from pawfect.contract.report import Fallback, entries_of, known_entries
from pawfect.contract.tables import Rule, between, multiple_of
from pawfect.contract.tensors import Array

INSIGHTFACE: Final = "insightface"
CENTERFACE: Final = "centerface"
CENTERFACE_DLIB: Final = "centerface-dlib"


@dataclass(frozen=True)
class FaceKind:
    """What is known of each face, by the networks that found it.

    Attributes:
        landmarks: P, points of LANDMARKS; 0: none.
        embedding: D, length of EMBEDDINGS; 0: none, and faces cannot be compared.
    """

    landmarks: int
    embedding: int


# By KIND. insightface: SCRFD, 106 landmarks, ArcFace (512); centerface: CenterFace; with dlib's
# network of 128.
KINDS: Final[Mapping[str, FaceKind]] = MappingProxyType(
    {
        INSIGHTFACE: FaceKind(106, 512),
        CENTERFACE: FaceKind(0, 0),
        CENTERFACE_DLIB: FaceKind(0, 128),
    }
)
# px: sides at which a photo is looked at; insightface's own is 640.
LOOKED_SIZES: Final = (64, 4096)
# Sides of a swapped face, px: the network's own, and those that it is sampled to.
PIXEL_BOOSTS: Final = (128, 256, 512)
MAX_CALLER: Final = 128
# What a caller says by `consent`, word for word. Other words are another version: consent records
# keep both.
CONSENT_TEXT: Final = "everybody whose face is seen or shown agrees"
CONSENT_VERSION: Final = 1
# What a swap asks for in every request.
CONSENT: Final = f"true, by which the caller says that {CONSENT_TEXT}"
BOOST: Final = Rule(
    lambda value: value in PIXEL_BOOSTS, f"one of {', '.join(map(str, PIXEL_BOOSTS))}"
)
CALLER: Final = Rule(
    lambda text: len(text) <= MAX_CALLER and text.isprintable(),
    f"1 to {MAX_CALLER} printable characters",
)


@dataclass(frozen=True)
class FaceParams(Parameters):
    """Parameters of `face_analysis`; None leaves the choice to the server.

    Attributes:
        least_score: 0 to 1; faces of a lower score are left out.
        size: 64 to 4,096 px, a multiple of 32; longest side at which the photo is looked at.
        deadline_ms: 1 to 600,000 ms, from when the request is taken up to its answer.
    """

    least_score: Annotated[float, between(0.0, 1.0)] = 0.5
    size: Annotated[int, between(*LOOKED_SIZES), multiple_of(32)] | None = None
    deadline_ms: Annotated[int, between(1, MAX_DEADLINE_MS)] = 30_000


@dataclass(frozen=True)
class FaceSwapParams(Parameters):
    """Parameters of `face_swap`.

    Attributes:
        consent: whether everybody whose face is seen or shown has consented; without it nothing is
            swapped.
        caller: who asks, for the server's log, at most 128 characters; None: not known.
        pixel_boost: side of the swapped face, px: 128, 256 or 512.
        deadline_ms: 1 to 600,000 ms, from when the request is taken up to its answer.
    """

    consent: bool = False
    caller: Annotated[str, CALLER] | None = None
    pixel_boost: Annotated[int, BOOST] = 256
    deadline_ms: Annotated[int, between(1, MAX_DEADLINE_MS)] = 30_000


@dataclass(frozen=True, eq=False)
class Face:
    """One face.

    Attributes:
        kind: of KINDS.
        box: FP32 [4], x0, y0, x1, y1 in px of the photo.
        score: how sure the detector is, 0 to 1.
        points: FP32 [5, 2], x and y in px of the photo: the eye on the picture's left, the other
            one, the tip of the nose, the corner of the mouth on the left, the other one.
        landmarks: FP32 [P, 2], px of the photo; of insightface its 106.
        embedding: FP32 [D], as the network gives it, not normalised.
    """

    kind: str
    box: NDArray[np.float32]
    score: float
    points: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    embedding: NDArray[np.float32]

    def like(self, other: Face) -> float:
        """Return the cosine of the two embeddings, -1 to 1.

        Raises:
            PawfectError: INVALID_ARG for faces of different kinds, or of one without embeddings.
        """
        if self.kind != other.kind or not KINDS[self.kind].embedding:
            expected = "two faces of one kind that has embeddings"
            raise invalid("faces", expected, f"{self.kind} and {other.kind}")
        norms = float(np.linalg.norm(self.embedding) * np.linalg.norm(other.embedding))
        return float(self.embedding @ other.embedding) / norms if norms else 0.0


@dataclass(frozen=True)
class FaceReport:
    """The report of one request of `face_analysis`.

    Attributes:
        kind: of KINDS.
        found: how many faces the answer has.
        left_out: faces of a score under `least_score`, as far as the detector tells of them.
        size: longest side, px, at which the photo was looked at.
        device: what the networks ran on: cpu, cuda or tensorrt.
        width: the photo's, px.
        height: the photo's, px.
        stage_ms: milliseconds per stage, in the order in which they began.
        total_ms: milliseconds from the request's arrival to its answer.
        fallbacks: networks that were to be taken first and are not here.
        weights: identity of the weights in use, by component.
        licence: of the weights, as the manifest names it.
        version: of the package.
    """

    kind: str
    found: int
    left_out: int
    size: int
    device: str
    width: int
    height: int
    stage_ms: Mapping[str, float]
    total_ms: float
    fallbacks: tuple[Fallback, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)
    licence: str | None = None
    version: str = __version__

    def to_json(self) -> str:
        """Return the report as one JSON object."""
        return json.dumps(entries_of(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> FaceReport:
        """Read what `to_json` wrote; entries that only a newer server knows are left out."""
        given: dict[str, Any] = json.loads(text)
        known = known_entries(cls, given)
        known["fallbacks"] = tuple(map(Fallback.of_json, given["fallbacks"]))
        return cls(**known)


@dataclass(frozen=True)
class FaceSwapReport:
    """The report of one request of `face_swap`.

    Attributes:
        pixel_boost: side of the swapped face, px.
        caller: who asked, as the request says.
        device: what the network ran on.
        stage_ms: milliseconds per stage, in the order in which they began.
        total_ms: milliseconds from the request's arrival to its answer.
        weights: identity of the weights in use, by component.
        licence: of the weights, as the manifest names it.
        version: of the package.
    """

    pixel_boost: int
    caller: str | None
    device: str
    stage_ms: Mapping[str, float]
    total_ms: float
    weights: Mapping[str, str] = field(default_factory=dict)
    licence: str | None = None
    version: str = __version__

    def to_json(self) -> str:
        """Return the report as one JSON object."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> FaceSwapReport:
        """Read what `to_json` wrote; entries that only a newer server knows are left out."""
        return cls(**known_entries(cls, json.loads(text)))


def check_consent(consent: bool) -> None:
    """Raise INVALID_ARG unless a request for a swap says that everybody agrees."""
    if not consent:
        raise invalid("consent", CONSENT, "false")


def read_faces(out: Mapping[str, Array]) -> tuple[Face, ...]:
    """Return what `face_analysis` answered, best first.

    Args:
        out: KIND BYTES [1], BOXES FP32 [K, 4], SCORES FP32 [K], POINTS FP32 [K, 5, 2], LANDMARKS
            FP32 [K, P, 2] and EMBEDDINGS FP32 [K, D].
    """
    kind = out["KIND"].reshape(-1)[0]
    names = ("BOXES", "SCORES", "POINTS", "LANDMARKS", "EMBEDDINGS")
    name = kind.decode() if isinstance(kind, bytes) else str(kind)
    return tuple(
        Face(name, box, float(score), points, landmarks, embedding)
        for box, score, points, landmarks, embedding in zip(
            *(np.asarray(out[one], np.float32) for one in names), strict=True
        )
    )
