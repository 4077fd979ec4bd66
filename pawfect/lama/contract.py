"""How an inpainting network's ONNX file is called: three public contracts, told by its tensors.

`masked`: big-lama with one input [1, 4, H, W], the picture 0-1 with its hole zeroed and the mask as
the fourth channel, 1 = hole. `pair`: big-lama with picture 0-1 [1, 3, H, W] and mask [1, 1, H, W]
apart, 1 = hole. `pipeline`: MI-GAN with its own pre- and post-processing, picture and mask in
bytes, 255 = keep and 0 = hole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from pawfect.onnx.session import Tensor

MASKED: Final = "masked"
PAIR: Final = "pair"
PIPELINE: Final = "pipeline"
EXPECTED: Final = (
    "inputs of an inpainting network: float [1, 4, H, W], or float or uint8 [1, 3, H, W] and "
    "[1, 1, H, W], and one picture [1, 3, H, W] as output, no side over 2048"
)
MOST_SIDE: Final = 2048  # px: four times that of published files; its floats are 48 MiB
# MI-GAN's pipeline cuts out and shrinks by itself, to this side, px.
PIPELINE_SIZE: Final = (512, 512)
_FLOATS: Final[Mapping[str, type[np.generic]]] = MappingProxyType(
    {"tensor(float)": np.float32, "tensor(float16)": np.float16}
)
_BYTES: Final = "tensor(uint8)"


@dataclass(frozen=True)
class Contract:
    """How one file is called.

    Attributes:
        kind: `masked`, `pair` or `pipeline`.
        picture: name of the input that takes the picture.
        mask: name of the input that takes the mask; None where the picture's holds it.
        dtype: of the inputs.
        size: height and width, px, of what it takes; None: any multiples of 32.
    """

    kind: str
    picture: str
    mask: str | None
    dtype: type[np.generic]
    size: tuple[int, int] | None


def contract_of(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Contract | None:
    """Return the contract that a file's tensors show; None where it is none of the three."""
    given = [*inputs, *outputs[:1]]
    if not outputs or any(not _is_picture(tensor) for tensor in given):
        return None
    by_channels = {tensor.shape[1]: tensor for tensor in inputs}
    types = {tensor.type for tensor in inputs}
    if len(types) != 1 or len(by_channels) != len(inputs) or not _gives_picture(outputs[0]):
        return None
    (dtype,) = types
    if set(by_channels) == {4} and dtype in _FLOATS and outputs[0].type in _FLOATS:
        four = by_channels[4]
        return Contract(MASKED, four.name, None, _FLOATS[dtype], _size(four))
    if set(by_channels) != {1, 3}:
        return None
    picture, mask = by_channels[3], by_channels[1]
    if dtype in _FLOATS and outputs[0].type in _FLOATS:
        return Contract(PAIR, picture.name, mask.name, _FLOATS[dtype], _size(picture))
    if dtype == outputs[0].type == _BYTES:
        return Contract(PIPELINE, picture.name, mask.name, np.uint8, PIPELINE_SIZE)
    return None


def _is_picture(tensor: Tensor) -> bool:
    if len(tensor.shape) != 4:
        return False
    fixed = [side for side in tensor.shape[2:] if isinstance(side, int)]
    one = tensor.shape[0] == 1 or not isinstance(tensor.shape[0], int)
    return one and all(1 <= side <= MOST_SIDE for side in fixed)


def _gives_picture(tensor: Tensor) -> bool:
    return tensor.shape[1] == 3 or not isinstance(tensor.shape[1], int)


def _size(tensor: Tensor) -> tuple[int, int] | None:
    height, width = tensor.shape[2:]
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None
