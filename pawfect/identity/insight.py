"""insightface's own detector, landmarks and embedding, each run by a session of the house.

SCRFD (Guo et al., 2021, arXiv:2105.04714), 106 landmarks, ArcFace (Deng et al., 2019,
arXiv:1801.07698). insightface takes pictures as BGR, and a session where it would open its own.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Final

import numpy as np
from insightface.app.common import Face as Detected
from insightface.model_zoo.arcface_onnx import ArcFaceONNX
from insightface.model_zoo.landmark import Landmark
from insightface.model_zoo.scrfd import SCRFD
from numpy.typing import NDArray

from pawfect.clock import Stage, unmeasured
from pawfect.contract.faces import INSIGHTFACE, KINDS, Face
from pawfect.contract.tensors import Array
from pawfect.identity.finder import Found, told_from
from pawfect.onnx.session import Session, Tensor, open_session
from pawfect.stop import Stop, never
from pawfect.weights.reading import unusable

DETECTOR: Final = "det_10g.onnx"
LANDMARKS: Final = "2d106det.onnx"
EMBEDDER: Final = "w600k_r50.onnx"
# px: sides of the crops that the other two take.
LANDMARK_PX: Final = 192
EMBEDDER_PX: Final = 112
# SCRFD's outputs: scores, distances and points at three strides.
OUTPUTS: Final = 9
# px: insightface looks at a photo at this size too, where a face that fills it is found better.
SMALL: Final = 128


class Borrowed:
    """A session as insightface asks for one; `stop` ends its runs.

    Args:
        session: the open file.
        stop: says whether nobody waits any more.
    """

    def __init__(self, session: Session, stop: Stop = never) -> None:
        self._session = session
        self._stop = stop

    def get_inputs(self) -> tuple[Tensor, ...]:
        """Return what it takes."""
        return self._session.inputs

    def get_outputs(self) -> tuple[Tensor, ...]:
        """Return what it gives."""
        return self._session.outputs

    def run(self, names: Sequence[str], fed: Mapping[str, Array]) -> list[Array]:
        """Return outputs by name; errors as `Session.run`."""
        there = [output.name for output in self._session.outputs]
        return list(self._session.run_all(fed, self._stop, [there.index(name) for name in names]))


class InsightFinder:
    """The three networks, open.

    Args:
        folder: of verified weights: det_10g.onnx, 2d106det.onnx, w600k_r50.onnx.
        threads: that one call works with.
        inside: the folder in it that they lie in; empty: its own.

    Raises:
        PawfectError: UNAVAILABLE for files that are not what they should be.
        MemoryError: there is not enough for them.
    """

    kind: str = INSIGHTFACE

    def __init__(self, folder: Path, threads: int, inside: str = "") -> None:
        self._sessions = {
            file: open_session(folder, threads, file=str(PurePath(inside, file)))
            for file in (DETECTOR, LANDMARKS, EMBEDDER)
        }
        known = KINDS[INSIGHTFACE]
        _check_detector(folder, self._sessions[DETECTOR])
        for file, side, width in (
            (LANDMARKS, LANDMARK_PX, 2 * known.landmarks),
            (EMBEDDER, EMBEDDER_PX, known.embedding),
        ):
            _check_crops(folder, file, self._sessions[file], side, width)
        self.device = self._sessions[DETECTOR].device
        # Of the other two the file is read once more, for how they want pictures normalised.
        self._detector = SCRFD(session=Borrowed(self._sessions[DETECTOR]))
        self._landmarks = Landmark(
            str(folder / inside / LANDMARKS), Borrowed(self._sessions[LANDMARKS])
        )
        self._embedder = ArcFaceONNX(
            str(folder / inside / EMBEDDER), Borrowed(self._sessions[EMBEDDER])
        )

    def find(
        self,
        photo: NDArray[np.uint8],
        size: int,
        least_score: float,
        stop: Stop = never,
        stage: Stage = unmeasured,
    ) -> Found:
        """Find faces, as `Finder.find`; stages detect, landmarks, embed.

        The photo is looked at twice, as insightface does: laid into a square of `size` px, and
        again into one of 128 px.
        """
        bgr = np.ascontiguousarray(photo[..., ::-1])
        with stage("detect"):
            # Its own cache of anchors would grow with each new size.
            detector = self._of_request(DETECTOR, self._detector, stop)
            detector.center_cache = {}
            boxes, points = _detected(detector, bgr, size, told_from(least_score))
        kept = int((boxes[:, 4] >= least_score).sum())
        faces = [
            Detected(bbox=box[:4], kps=five, det_score=box[4])
            for box, five in zip(boxes[:kept], points[:kept], strict=True)
        ]
        with stage("landmarks"):
            landmarks = self._of_request(LANDMARKS, self._landmarks, stop)
            shapes = [landmarks.get(bgr, face) for face in faces]
        with stage("embed"):
            embedder = self._of_request(EMBEDDER, self._embedder, stop)
            embeddings = [embedder.get(bgr, face) for face in faces]
        return Found(
            tuple(
                _face(face, shape, embedding)
                for face, shape, embedding in zip(faces, shapes, embeddings, strict=True)
            ),
            len(boxes) - kept,
        )

    def _of_request(self, file: str, model: Any, stop: Stop) -> Any:
        """Return a model whose runs end when this request's `stop` says so."""
        own = copy.copy(model)
        own.session = Borrowed(self._sessions[file], stop)
        return own


def _detected(
    detector: SCRFD, bgr: NDArray[np.uint8], size: int, least: float
) -> tuple[Array, Array]:
    """Return boxes with scores [K, 5] and points [K, 5, 2], the surest first."""
    share = min(bgr.shape[:2]) / max(bgr.shape[:2])
    # Of a strip nothing would be left, which OpenCV refuses.
    sides = [side for side in sorted({min(SMALL, size), size}) if int(side * share) >= 1]
    if not sides:
        return np.empty((0, 5), np.float32), np.empty((0, 5, 2), np.float32)
    boxes, points = detector.detect(bgr, [(side, side) for side in sides], det_thresh=least)
    # No crop can be cut out of a box without area.
    some = (boxes[:, 2:4] > boxes[:, :2]).all(axis=1)
    return boxes[some], points[some]


def _face(face: Any, landmarks: Array, embedding: Array) -> Face:
    box, points = np.asarray(face.bbox, np.float32), np.asarray(face.kps, np.float32)
    shape = np.asarray(landmarks, np.float32)
    return Face(
        INSIGHTFACE, box, float(face.det_score), points, shape, np.asarray(embedding, np.float32)
    )


def _check_detector(folder: Path, session: Session) -> None:
    """Raise UNAVAILABLE for a file that is not SCRFD with points."""
    shapes = [tensor.shape for tensor in session.inputs]
    open_sides = len(shapes) == 1 and len(shapes[0]) == 4 and shapes[0][1] == 3
    widths = [output.shape[-1] if output.shape else None for output in session.outputs]
    wanted = [1, 1, 1, 4, 4, 4, 10, 10, 10]
    if not open_sides or any(isinstance(side, int) for side in shapes[0][2:]) or widths != wanted:
        expected = f"SCRFD, which takes pictures of any size and gives {OUTPUTS} outputs"
        raise _foreign(folder, DETECTOR, expected, session)


def _check_crops(folder: Path, file: str, session: Session, side: int, width: int) -> None:
    """Raise UNAVAILABLE for a file that does not take square crops and give so many numbers."""
    taken = [tensor.shape[1:] for tensor in session.inputs]
    given = [output.shape[-1:] for output in session.outputs]
    if taken != [(3, side, side)] or given != [(width,)]:
        expected = f"a network that takes crops of {side} px and gives {width} numbers"
        raise _foreign(folder, file, expected, session)


def _foreign(folder: Path, file: str, expected: str, session: Session) -> Exception:
    inputs = ", ".join(str(list(tensor.shape)) for tensor in session.inputs)
    got = f"one that takes {inputs} and gives {len(session.outputs)} outputs"
    return unusable(folder, f"{file}: expected {expected}, got {got}")
