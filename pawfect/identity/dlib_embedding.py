"""dlib's embedding of a face, where it is installed: 128 numbers.

King's ResNet (2017), on a crop that dlib's own five points align; both of dlib's authors, CC0. Its
files are its own binary format, neither pickle nor code.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

import dlib
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.faces import CENTERFACE_DLIB, KINDS
from pawfect.stop import Stop, look, never
from pawfect.weights.reading import unusable

POINTS: Final = "shape_predictor_5_face_landmarks.dat"
EMBEDDER: Final = "dlib_face_recognition_resnet_model_v1.dat"
# px of the crop, and how much of the face's size is left around it: what the network was made for.
CROP_PX: Final = 150
MARGIN: Final = 0.25


class DlibEmbedder:
    """dlib's two networks, open.

    Args:
        folder: of verified weights.

    Raises:
        PawfectError: UNAVAILABLE for files that dlib does not read.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._points = dlib.shape_predictor(str(folder / POINTS))
            self._network = dlib.face_recognition_model_v1(str(folder / EMBEDDER))
        except RuntimeError:
            # Its text may hold a path.
            raise unusable(folder, "expected files that dlib reads, got others") from None

    def embed(
        self, photo: NDArray[np.uint8], box: NDArray[np.float32], stop: Stop = never
    ) -> NDArray[np.float32]:
        """Return the embedding of a face, FP32 [128].

        Args:
            photo: UINT8 [H, W, 3] RGB, in C order.
            box: FP32 [4], x0, y0, x1, y1 in px of the photo; what lies outside is black.
            stop: asked before it begins.

        Raises:
            PawfectError: CANCELLED, since `stop` said so.
        """
        look(stop)
        rectangle = dlib.rectangle(*(int(side) for side in np.round(box)))
        shape = self._points(photo, rectangle)
        crop = dlib.get_face_chip(photo, shape, CROP_PX, MARGIN)
        # The network keeps what it computes with.
        with self._lock:
            values = np.array(self._network.compute_face_descriptor(crop), np.float32)
        assert values.shape == (KINDS[CENTERFACE_DLIB].embedding,)
        return values
