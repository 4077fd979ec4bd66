"""What SAM3 looks at: the photo around the ring, processed as the published processor does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pawfect.contract.tensors import MASK_THRESHOLD

# The view's side over the ring's longer one: as much again of the photo for context, since what is
# grass and what is a green rug shows in what lies around it.
CONTEXT: Final = 2.0
# PIL's number for bilinear, which the published processor resamples with.
BILINEAR: Final = 2


@dataclass(frozen=True)
class Processing:
    """The numbers of SAM3's published image processor (`Sam3ImageProcessor`).

    Attributes:
        side: height and width that every picture is resized to, px.
        mean: per channel, of values in 0-1.
        std: per channel, of values in 0-1.
        rescale: factor from 0-255 to 0-1.
    """

    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    rescale: float

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Processing:
        """Read the `image_processor` part of a checkpoint's processor_config.json.

        Raises:
            ValueError: it asks for what this processing does not do; says what was expected.
        """
        steps = [table.get(step) for step in ("do_resize", "do_rescale", "do_normalize")]
        if steps != [True] * 3 or table.get("resample", BILINEAR) != BILINEAR:
            raise ValueError("expected bilinear resizing, rescaling and normalising")
        size = table.get("size")
        if not isinstance(size, dict) or size.get("height") != size.get("width"):
            raise ValueError(f"expected equal height and width as size, got {size}")
        side, rescale = size.get("height"), table.get("rescale_factor")
        if not isinstance(side, int) or not isinstance(rescale, float) or min(side, rescale) <= 0:
            raise ValueError(f"expected a side and a rescale_factor, got {side} and {rescale}")
        return cls(side, _channels(table, "image_mean"), _channels(table, "image_std"), rescale)


def surroundings(ring: NDArray[np.uint8], side: int) -> tuple[slice, slice] | None:
    """Return the part of a photo to look at: around the ring, with context.

    It is square where the photo has room, since SAM3 squashes whatever it gets to a square. It is
    twice the ring's box, but no smaller than what SAM3 takes in without enlarging: a small hole in
    a 50 MP photo is seen at full resolution, where the whole photo would show it in a few pixels.

    Args:
        ring: UINT8 [H, W]; values >= 128 are the ring.
        side: of SAM3's input, px.

    Returns:
        Rows and columns within the photo; None where the ring is empty.
    """
    marked = ring >= MASK_THRESHOLD
    rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
    if not rows.size:
        return None
    spans = [(int(found[0]), int(found[-1]) + 1) for found in (rows, columns)]
    longest = max(end - start for start, end in spans)
    extent = max(side, round(CONTEXT * longest))
    top, left = (
        _around(start, end, min(extent, whole), whole)
        for (start, end), whole in zip(spans, ring.shape, strict=True)
    )
    return top, left


def pixel_values(image: NDArray[np.uint8], processing: Processing) -> torch.Tensor:
    """Return a picture as SAM3's published processor gives it, on the CPU.

    Args:
        image: UINT8 [H, W, 3] RGB, 0-255.
        processing: the processor's numbers.

    Returns:
        FP32 [1, 3, side, side]: resized regardless of its shape (bilinear, antialiased, rounded to
        whole levels), rescaled and normalised.
    """
    # Triton's arrays may be read-only, which torch warns of.
    pixels = torch.from_numpy(np.require(image, requirements="W")).permute(2, 0, 1)[None]
    resized = functional.interpolate(
        pixels, (processing.side, processing.side), mode="bilinear", antialias=True
    )
    scale = 1.0 / processing.rescale
    mean, std = (
        torch.tensor(values).view(1, 3, 1, 1) * scale
        for values in (processing.mean, processing.std)
    )
    return resized.to(torch.float32).sub_(mean).div_(std)


def _channels(table: Mapping[str, Any], name: str) -> tuple[float, ...]:
    values = table.get(name)
    if not isinstance(values, list) or [type(value) for value in values] != [float] * 3:
        raise ValueError(f"expected three numbers as {name}, got {values}")
    return tuple(values)


def _around(start: int, end: int, extent: int, whole: int) -> slice:
    """Return `extent` pixels centred on start to end, moved into 0 to whole."""
    first = min(max((start + end - extent) // 2, 0), whole - extent)
    return slice(first, first + extent)
