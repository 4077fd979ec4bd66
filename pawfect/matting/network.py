"""A network's map of a photo: the picture prepared, the file run, its numbers checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.errors import PawfectError
from pawfect.matting.networks import BRIGHTEST, Network, View
from pawfect.onnx.session import Session, Tensor, open_session
from pawfect.picture import raster
from pawfect.stop import Stop, never
from pawfect.weights.reading import unusable

_FILTERS: Final = {
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}
# How far from 0-1 a map may be before it is another output: fp16 rounds a sigmoid by less.
_TOLERANCE: Final = 1e-2


@dataclass(frozen=True, eq=False)
class OpenNetwork:
    """A view of a network, loaded.

    Attributes:
        network: which.
        view: which of its files.
        session: the open file.
    """

    network: Network
    view: View
    session: Session

    @classmethod
    def load(
        cls, network: Network, view: View, folder: Path, threads: int, device: str
    ) -> OpenNetwork:
        """Load one view.

        Args:
            network: which.
            view: which of its files.
            folder: of its verified weights.
            threads: that one call works with on the CPU.
            device: cpu, cuda or tensorrt.

        Raises:
            PawfectError: UNAVAILABLE as `open_session` does, and for a file of another contract
                than one picture [1, 3, H, W] in floats and a map of it.
            MemoryError: there is not enough for it.
        """
        session = open_session(folder, threads, device=device, file=view.file)
        expected = f"one picture [1, 3, {view.size}, {view.size}] of floats and a map of it"
        fits = len(session.inputs) == 1 and len(session.outputs) > network.output
        if not fits or not _takes(session.inputs[0], view):
            raise unusable(folder, f"expected an ONNX file of {expected}, got another contract")
        return cls(network, view, session)

    def map(self, picture: NDArray[np.uint8], stop: Stop = never) -> NDArray[np.float32]:
        """Say how sure the network is of each pixel.

        Args:
            picture: UINT8 [h, w, 3] RGB at the size that the view sees.
            stop: ends the run.

        Returns:
            FLOAT32 [h, w], 0 to 1, not stretched.

        Raises:
            PawfectError: UNAVAILABLE for an answer of another size, or of numbers that are none;
                CANCELLED, since `stop` said so.
            MemoryError: there is not enough for it.
        """
        (tensor,) = self.session.inputs
        dtype = np.float16 if tensor.type == "tensor(float16)" else np.float32
        fed = {tensor.name: prepared(picture, self.network).astype(dtype, copy=False)}
        try:
            out = self.session.run(fed, stop, self.network.output)
        except (MemoryError, PawfectError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a graph does not compute
            raise self._useless(f"a map, got {type(error).__name__}") from None
        height, width = picture.shape[:2]
        values = np.asarray(out, np.float32)
        if values.size != height * width or values.shape[-2:] != (height, width):
            raise self._useless(f"a map {[1, 1, height, width]}, got {list(values.shape)}")
        values = values.reshape(height, width)
        if self.network.sigmoid:
            # Beyond it float32 gives 0 and 1 anyway, with a warning.
            values = 1 / (1 + np.exp(-np.clip(values, -80, 80)))
        if not (values.min() >= -_TOLERANCE and values.max() <= 1 + _TOLERANCE):
            raise self._useless("values from 0 to 1, got others")
        return np.clip(values, 0, 1)

    def _useless(self, problem: str) -> PawfectError:
        return unusable(Path(self.network.weights), f"expected {problem}")


def shrunk(photo: NDArray[np.uint8], network: Network, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a photo, UINT8 [H, W, 3], at the width and height, px, at which it is looked at."""
    if photo.shape[1::-1] == size:
        return photo
    return np.asarray(Image.fromarray(photo).resize(size, _FILTERS[network.resample]))


def prepared(picture: NDArray[np.uint8], network: Network) -> NDArray[np.float32]:
    """Return a picture, UINT8 [h, w, 3], as a network takes it: FLOAT32 [1, 3, h, w]."""
    white = max(int(picture.max()), 1) if network.white == BRIGHTEST else 255
    mean, std = (np.array(values, np.float32) for values in (network.mean, network.std))
    planes = (picture.astype(np.float32) / np.float32(white) - mean) / std
    return np.ascontiguousarray(planes.transpose(2, 0, 1)[None])


def stretched(values: NDArray[np.float32], network: Network) -> NDArray[np.float32]:
    """Return a map, FLOAT32 [h, w], as the network's own code goes on with it."""
    if not network.stretch:
        return values
    low, high = float(values.min()), float(values.max())
    return (values - low) / np.float32(max(high - low, 1e-8))


def enlarged(
    values: NDArray[np.float32], network: Network, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Return a map, FLOAT32 [h, w] 0-1, at a photo's height and width, as its own code does it."""
    height, width = size
    if network.enlarge == "lanczos":
        # In bytes, as there: at the size that is looked at their steps cannot be seen.
        small = Image.fromarray((values * 255).astype(np.uint8))
        whole = np.asarray(small.resize((width, height), _FILTERS["lanczos"]))
        return whole.astype(np.float32) / np.float32(255)
    if network.enlarge == "corners":
        return _by_corners(_by_corners(values, height, 0), width, 1)
    return raster.linear_resize(values, size)


def _by_corners(values: NDArray[np.float32], length: int, axis: int) -> NDArray[np.float32]:
    """Resize one axis linearly with its first and last values in their places."""
    last = values.shape[axis] - 1
    at = np.linspace(0, last, length)
    low = np.minimum(at.astype(np.intp), max(last - 1, 0))
    high = np.minimum(low + 1, last)
    shape = (-1, 1) if axis == 0 else (1, -1)
    part = (at - low).astype(np.float32).reshape(shape)
    mixed: NDArray[np.float32] = (
        values.take(low, axis) * (1 - part) + values.take(high, axis) * part
    )
    return mixed


def _takes(tensor: Tensor, view: View) -> bool:
    if len(tensor.shape) != 4 or tensor.type not in ("tensor(float)", "tensor(float16)"):
        return False
    batch, channels, *sides = tensor.shape
    fixed = [side for side in sides if isinstance(side, int)]
    one = not isinstance(batch, int) or batch == 1
    any_size = view.resize == "static" or not fixed
    return one and channels == 3 and any_size and all(side == view.size for side in fixed)
