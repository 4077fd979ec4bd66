"""The network that draws a face anew, inswapper's contract: a square and a latent in, a square out.

As `insightface.model_zoo.inswapper.INSwapper` calls it: `target` [1, 3, 128, 128] 0-1 RGB, `source`
[1, 512]; the latent is the normalised embedding of ArcFace times a map [512, 512], the last
initializer of the file's graph, normalised again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import PawfectError, invalid
from pawfect.contract.faces import INSIGHTFACE, KINDS
from pawfect.identity.alignment import NETWORK_PX
from pawfect.onnx.initializers import last_initializer
from pawfect.onnx.session import Session, Tensor, open_session
from pawfect.stop import Stop, never
from pawfect.weights.reading import unusable

_WIDTH: Final = KINDS[INSIGHTFACE].embedding
_FACE: Final = (3, NETWORK_PX, NETWORK_PX)
_EXPECTED: Final = (
    f"inputs of inswapper: a face float [1, 3, {NETWORK_PX}, {NETWORK_PX}] and a latent float "
    f"[1, {_WIDTH}], and one face as output"
)
_FLOATS: Final[Mapping[str, type[np.generic]]] = MappingProxyType(
    {"tensor(float)": np.float32, "tensor(float16)": np.float16}
)


@dataclass(frozen=True, eq=False)
class Swapper:
    """A loaded network.

    Attributes:
        device: what it runs on.
    """

    device: str
    _session: Session
    _target: Tensor
    _source: Tensor
    _map: NDArray[np.float32]
    _name: str

    @classmethod
    def load(cls, folder: Path, threads: int, device: str = "cpu") -> Swapper:
        """Load the network of a folder.

        Args:
            folder: of verified weights, with one ONNX file.
            threads: that one call works with on the CPU.
            device: cpu or cuda.

        Raises:
            PawfectError: UNAVAILABLE for a file that is damaged, that is no inswapper, or has no
                map of embeddings; and as `open_session`.
            MemoryError: there is not enough for it.
        """
        session = open_session(folder, threads, device=device)
        by_rank = {len(tensor.shape): tensor for tensor in session.inputs}
        target, source = by_rank.get(4), by_rank.get(2)
        if (
            len(session.inputs) != 2
            or len(session.outputs) != 1
            or target is None
            or source is None
            or not (_fits(target, _FACE) and _fits(source, (_WIDTH,)))
            or not _fits(session.outputs[0], _FACE)
        ):
            given = (*session.inputs, *session.outputs)
            got = ", ".join(f"{t.name} {t.type} {list(t.shape)}" for t in given)
            raise unusable(folder, f"expected {_EXPECTED}; got {got}")
        return cls(session.device, session, target, source, _read_map(folder), folder.name)

    def latent(self, embedding: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the network takes of a face's embedding, FP32 [1, 512], of length 1.

        Args:
            embedding: FP32 [512] of ArcFace, not normalised or so.

        Raises:
            PawfectError: INVALID_ARG for one that is not finite, or without any length.
        """
        with np.errstate(all="ignore"):
            normed = (embedding / np.linalg.norm(embedding)).reshape(1, -1)
            latent = np.dot(normed, self._map)
            latent /= np.linalg.norm(latent)
        if not np.isfinite(latent).all():
            raise invalid("EMBEDDING", "finite numbers, not all 0", "others")
        return np.asarray(latent, np.float32)

    def draw(
        self, square: NDArray[np.uint8], latent: NDArray[np.float32], stop: Stop = never
    ) -> NDArray[np.float32]:
        """Draw a face anew.

        Args:
            square: UINT8 [128, 128, 3] RGB, aligned.
            latent: FP32 [1, 512].
            stop: ends the run.

        Returns:
            FP32 [128, 128, 3] RGB, 0-255, neither rounded nor clipped.

        Raises:
            PawfectError: UNAVAILABLE where it gives no face or numbers that are none; CANCELLED,
                since `stop` said so.
            MemoryError: there is not enough for it.
        """
        blob = cv2.dnn.blobFromImage(square, 1.0 / 255.0, (NETWORK_PX, NETWORK_PX), (0, 0, 0))
        fed = {
            tensor.name: np.ascontiguousarray(values, _FLOATS[tensor.type])
            for tensor, values in ((self._target, blob), (self._source, latent))
        }
        try:
            out = np.asarray(self._session.run(fed, stop), np.float32)
        except (MemoryError, PawfectError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a graph of the user's does not compute
            raise self._useless(f"a face, got {type(error).__name__}") from None
        if out.shape != (1, *_FACE):
            raise self._useless(f"a face {[1, *_FACE]}, got {list(out.shape)}")
        if not np.isfinite(out).all():
            raise self._useless("finite numbers, got some that are not")
        return np.ascontiguousarray(255 * out[0].transpose(1, 2, 0))

    def _useless(self, problem: str) -> PawfectError:
        return unusable(Path(self._name), f"expected {problem}")


def _fits(tensor: Tensor, shape: tuple[int, ...]) -> bool:
    """Say whether a tensor takes one of a shape; sizes that are left open fit any."""
    fixed = zip(tensor.shape, (1, *shape), strict=False)
    return (
        tensor.type in _FLOATS
        and len(tensor.shape) == len(shape) + 1
        and all(given == wanted for given, wanted in fixed if isinstance(given, int))
    )


def _read_map(folder: Path) -> NDArray[np.float32]:
    (path,) = folder.glob("*.onnx")
    expected = f"a map of embeddings, [{_WIDTH}, {_WIDTH}], as the graph's last initializer"
    try:
        read = last_initializer(path)
    except (OSError, ValueError) as error:
        problem = error if isinstance(error, ValueError) else type(error).__name__
        raise unusable(folder, f"expected {expected}, got {problem}") from None
    if read.shape != (_WIDTH, _WIDTH):
        raise unusable(folder, f"expected {expected}, got {list(read.shape)}")
    if not np.isfinite(read).all():
        raise unusable(folder, f"expected {expected}, got numbers that are not finite")
    return read
