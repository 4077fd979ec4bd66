"""`int4`: weights of 4 bits that decode to int8, so that the same int8 product computes them.

Two levels of scales, after QServe (Lin et al., 2024, https://arxiv.org/abs/2405.04532): a code and
its group's scale give an int8, the channel's scale gives the rest. The 16 levels are not evenly
spaced: rotated weights are close to normally distributed, and the levels are Lloyd's quantiser
(Max, 1960; Lloyd, 1982) of a normal distribution in groups of 16, scaled for least squared error.
The layout is the one that comfy-kitchen's `w4a8_int8_linear` reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final

import torch

from pawfect.diffusion.quantised.integer import Integer, IntegerLinear
from pawfect.diffusion.quantised.product import MOST
from pawfect.diffusion.quantised.rotation import block_size, rotated
from pawfect.diffusion.quantised.sizes import INT4_GROUP

# The upper half of the symmetric levels, over their largest.
LEVELS: Final = (0.0556, 0.1682, 0.2845, 0.4070, 0.5379, 0.6791, 0.8325, 1.0)
SCALE_DTYPE: Final = torch.float8_e4m3fn
# Rounds in which codes and scales of a group are fitted to each other; the third changed the error
# by less than a thousandth of it.
FITS: Final = 3
# Rows that are quantised or decoded at a time.
ROWS: Final = 512


class Int4Linear(IntegerLinear):
    """A linear layer of a 4-bit weight; see `IntegerLinear`.

    Attributes:
        weight: UINT8 [out_features, in_features / 2]: codes of the even columns in the low halves,
            of the odd ones in the high halves.
        group_scale: float8_e4m3fn [out_features, in_features / INT4_GROUP].
    """

    @staticmethod
    def codes(in_features: int, out_features: int) -> dict[str, torch.Tensor]:
        """See `IntegerLinear`."""
        groups = in_features // INT4_GROUP
        return {
            "weight": torch.empty(out_features, in_features // 2, dtype=torch.uint8),
            "group_scale": torch.empty(out_features, groups, dtype=SCALE_DTYPE),
        }

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return [..., out_features] of [..., in_features], in the same dtype."""
        return self.kernels.int4(self, inputs)


@dataclass(frozen=True)
class Int4(Integer):
    """The scheme; see `Integer`."""

    name: ClassVar[str] = "int4"
    layer: ClassVar[type[IntegerLinear]] = Int4Linear

    def quantise(self, weight: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the layer's tensors of a weight, floating [N, K], K whole groups."""
        size = block_size(weight.shape[1], self.rotation)
        parts = [_quantised(rotated(rows.float(), size)) for rows in torch.split(weight, ROWS)]
        names = ("weight", "group_scale", "weight_scale")
        return {
            name: torch.cat(of) for name, of in zip(names, zip(*parts, strict=True), strict=True)
        }


@lru_cache(maxsize=8)
def levels(device: str = "cpu") -> torch.Tensor:
    """Return the 16 levels, float32, rising."""
    upper = torch.tensor(LEVELS)
    return torch.cat((-upper.flip(0), upper)).to(device)


@lru_cache(maxsize=8)
def _pairs(device: str) -> torch.Tensor:
    """Return float32 [256, 2]: the two levels of each byte."""
    byte = torch.arange(256)
    return levels()[torch.stack((byte & 15, byte >> 4), dim=1)].to(device)


def decoded(weight: torch.Tensor, group_scale: torch.Tensor) -> torch.Tensor:
    """Return INT8 [N, K] of what `Int4Linear` stores; exactly what is multiplied."""
    count, width = weight.shape[0], weight.shape[1] * 2
    output = torch.empty(count, width, dtype=torch.int8, device=weight.device)
    table = _pairs(str(weight.device))
    for start in range(0, count, ROWS):
        codes = weight[start : start + ROWS]
        values = torch.nn.functional.embedding(codes.int(), table)
        grid = values.view(codes.shape[0], -1, INT4_GROUP)
        grid.mul_(group_scale[start : start + ROWS].float().unsqueeze(2))
        output[start : start + ROWS] = grid.round_().clamp_(-MOST, MOST).view(-1, width)
    return output


def _quantised(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Quantise rotated rows, float32 [n, K]; return the tensors in the layer's order."""
    groups = rows.view(rows.shape[0], -1, INT4_GROUP)
    scale = _fitted(groups)
    peak = scale.amax(dim=1)
    channel = torch.where(peak > 0, peak / MOST, torch.ones_like(peak))
    stored = (scale / channel[:, None]).to(SCALE_DTYPE)
    # The codes are chosen among what they decode to, its rounding included.
    grid = levels() * stored.float().unsqueeze(2)
    targets = groups / channel[:, None, None]
    codes = torch.zeros(groups.shape, dtype=torch.uint8)
    least = torch.full(groups.shape, torch.inf)
    for code, level in enumerate(grid.round_().clamp_(-MOST, MOST).unbind(2)):
        distance = (targets - level.unsqueeze(2)).abs_()
        codes.masked_fill_(distance < least, code)
        torch.minimum(least, distance, out=least)
    flat = codes.view(rows.shape)
    return flat[:, ::2] | flat[:, 1::2] << 4, stored, channel


def _fitted(groups: torch.Tensor) -> torch.Tensor:
    """Return the scales [n, G] under which the levels fit groups [n, G, g] with least error."""
    table = levels()
    bounds = (table[1:] + table[:-1]) / 2
    scale = groups.abs().amax(dim=2)
    for _ in range(FITS):
        safe = torch.where(scale > 0, scale, torch.ones_like(scale))
        chosen = table[torch.bucketize(groups / safe.unsqueeze(2), bounds)]
        scale = ((groups * chosen).sum(2) / (chosen * chosen).sum(2)).clamp_min(0)
    return scale
