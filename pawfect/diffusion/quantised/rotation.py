"""Orthogonal rotations that spread an outlier channel over its neighbours.

QuaRot (Ashkboos et al., 2024, https://arxiv.org/abs/2404.00456) rotates the input dimension of a
linear layer by a Hadamard matrix, once in the weights and at run time in the activations: the
product is the same, and no single channel is left that sets the scale of a whole token. Here in
blocks, so that any width takes one, and with the regular Hadamard matrix (equal row sums), the one
that comfy-kitchen's kernels build, so that they compute the same.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import torch

# Largest block: an outlier is spread over this many channels, so it is 16 times smaller. All widths
# of the published models are multiples of it: 3072, 9216, 12288 and 15360 of the transformers,
# 2560, 4096 and 9728 of Qwen3-4B, 3584 and 18944 of Qwen2.5-VL-7B.
LARGEST: Final = 256
_KERNEL: Final = ((1, 1, 1, -1), (1, 1, -1, 1), (1, -1, 1, 1), (-1, 1, 1, 1))


def block_size(width: int, largest: int = LARGEST) -> int:
    """Return the largest power of four that divides a width and is at most `largest`; 1 for none.

    Args:
        width: of the layer's input, at least 1.
        largest: 1 turns rotation off.
    """
    size = 1
    while size * 4 <= largest and width % (size * 4) == 0:
        size *= 4
    return size


@lru_cache(maxsize=32)
def hadamard(size: int, device: str = "cpu", dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return the orthogonal, symmetric Hadamard matrix [size, size] of a power of four."""
    kernel = torch.tensor(_KERNEL, dtype=torch.float32)
    matrix = torch.ones(1, 1)
    while matrix.shape[0] < size:
        matrix = torch.kron(matrix, kernel)
    if matrix.shape[0] != size:
        raise ValueError(f"expected a power of four, got {size}")
    unit: torch.Tensor = matrix / size**0.5
    return unit.to(device, dtype)


def rotated(values: torch.Tensor, size: int) -> torch.Tensor:
    """Rotate the last dimension in blocks; the same again undoes it.

    Args:
        values: floating [..., K].
        size: a power of four that divides K.

    Returns:
        [..., K] in the dtype of `values`.
    """
    if size == 1:
        return values
    matrix = hadamard(size, str(values.device), values.dtype)
    blocks = values.reshape(-1, size)
    return (blocks @ matrix).reshape(values.shape)
