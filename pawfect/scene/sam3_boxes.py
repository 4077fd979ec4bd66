"""Boxes as prompts of SAM3, without torchvision."""

from __future__ import annotations

import math
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import torch
from transformers.models.sam3 import modeling_sam3
from transformers.utils.import_utils import is_torchvision_available


def roi_align(features: torch.Tensor, boxes: Iterable[torch.Tensor], side: int) -> torch.Tensor:
    """Return what lies in each box, averaged in a grid: torchvision's `roi_align`, its defaults.

    The method is that of He et al., "Mask R-CNN", 2017, with corners on pixels' corners
    (`aligned=False`) and as many samples in a cell as it is pixels wide, rounded up. Bilinear
    weights and means part into rows and columns, so that a box is two small products.

    Args:
        features: [N, C, H, W].
        boxes: for each of the N, [B, 4]: x0, y0, x1, y1 in px of the features.
        side: rows and columns of the grid.

    Returns:
        [N * B, C, side, side], of the features' dtype.
    """
    height, width = features.shape[2:]
    pooled = []
    for own, its_boxes in zip(features, boxes, strict=True):
        for x0, y0, x1, y1 in its_boxes.float().tolist():
            rows = _weights(y0, y1, height, side).to(own)
            columns = _weights(x0, x1, width, side).to(own)
            pooled.append(rows @ own @ columns.T)
    return torch.stack(pooled)


def _weights(start: float, end: float, size: int, cells: int) -> torch.Tensor:
    """Return how much each of `size` pixels counts in cells from start to end, [cells, size]."""
    length = max(end - start, 1.0)
    samples = math.ceil(length / cells)
    at = start + (torch.arange(cells * samples) + 0.5) * (length / (cells * samples))
    inside = ((at >= -1) & (at <= size)).float()
    at = at.clamp(0, size - 1)
    low = at.floor().long()
    part = at - low
    weights = torch.zeros(len(at), size)
    weights.scatter_add_(1, low[:, None], ((1 - part) * inside)[:, None])
    weights.scatter_add_(1, (low + 1).clamp(max=size - 1)[:, None], (part * inside)[:, None])
    return weights.view(cells, samples, size).mean(dim=1)


def use_own_roi_align() -> None:
    """Have SAM3's geometry encoder find `roi_align` where torchvision is not installed.

    It is all that the encoder uses of it, and there is no build of it for a CPU's torch.
    """
    if not is_torchvision_available():
        module: Any = modeling_sam3
        module.torchvision = SimpleNamespace(ops=SimpleNamespace(roi_align=roi_align))
