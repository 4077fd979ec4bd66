"""Integer matrix products: int8 activations by token, int8 weights by channel, int32 sums."""

from __future__ import annotations

from typing import Final

import torch
from torch.nn.functional import pad

from pawfect.diffusion.quantised.rotation import rotated

# Largest magnitude of a symmetric int8.
MOST: Final = 127
# Rows that are multiplied at a time: of FLUX's widest layer (12288) the int32 sums and their fp32
# copies then take 100 MB, not 400.
ROWS: Final = 1024
# cuBLASLt's int8 product wants more than 16 rows and multiples of 8 on other sides; on sm_75 it
# also refuses some narrow outputs that are no multiple of 32.
CUDA_MULTIPLE: Final = 32


def quantised_rows(rows: torch.Tensor, rotation: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rotate activations and quantise each token by its own scale.

    In float16 a token is brought to 1 at most before it is rotated: whatever it holds, nothing
    overflows (a block of 256 can grow by 16).

    Args:
        rows: floating [T, K].
        rotation: block size, as `rotated` takes it.

    Returns:
        INT8 [T, K], and float32 [T, 1], what one unit of each token stands for.
    """
    # Half precision has no fast product on a CPU.
    values = rows.float() if rows.device.type == "cpu" else rows
    peak = values.abs().amax(dim=1, keepdim=True)
    peak = torch.where(peak == 0, torch.ones_like(peak), peak)
    turned = rotated(values / peak, rotation)
    unit = turned.abs().amax(dim=1, keepdim=True).float() / MOST
    unit = torch.where(unit == 0, torch.ones_like(unit), unit)
    codes = (turned / unit).round_().clamp_(-MOST, MOST).to(torch.int8)
    return codes, unit * peak.float()


def integer_product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return `left @ right.T` exactly.

    Args:
        left: INT8 [T, K].
        right: INT8 [N, K].

    Returns:
        INT32 [T, N].
    """
    (count, width), outputs = left.shape, right.shape[0]
    rows, columns, inner = (-size % CUDA_MULTIPLE for size in (count, outputs, width))
    if left.device.type == "cpu":
        # Any shape but one: of a single column torch 2.13 returns what was in the memory before.
        rows, columns, inner = 0, 0, int(width == 1)
    if rows or inner:
        left = pad(left, (0, inner, 0, rows))
    if columns or inner:
        right = pad(right, (0, inner, 0, columns))
    return torch._int_mm(left, right.t())[:count, :outputs]


def int8_linear(
    inputs: torch.Tensor,
    weight: torch.Tensor,
    weight_scale: torch.Tensor,
    bias: torch.Tensor | None,
    rotation: int,
) -> torch.Tensor:
    """Return a linear layer's output, computed in integers.

    Args:
        inputs: floating [..., K].
        weight: INT8 [N, K], rotated.
        weight_scale: float32 [N].
        bias: floating [N], or None.
        rotation: block size of the weight's rotation.

    Returns:
        [..., N] in the dtype of `inputs`; in float16 what is too large for it is its largest
        value, as diffusers clips FLUX's hidden states.
    """
    rows = inputs.reshape(-1, inputs.shape[-1])
    output = rows.new_empty(rows.shape[0], weight.shape[0])
    most = torch.finfo(inputs.dtype).max
    for start in range(0, rows.shape[0], ROWS):
        codes, unit = quantised_rows(rows[start : start + ROWS], rotation)
        values = integer_product(codes, weight).float()
        values.mul_(unit).mul_(weight_scale)
        if bias is not None:
            values.add_(bias)
        output[start : start + ROWS] = values.clamp_(-most, most)
    return output.reshape(*inputs.shape[:-1], weight.shape[0])
