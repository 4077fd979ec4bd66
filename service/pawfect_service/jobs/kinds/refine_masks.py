"""The drawn masks of a refinement in one file: a label per pixel. CPU work, off the loop."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import MaskFileParams
from pawfect.contract.refine import Payload, RegionPayload
from pawfect.contract.tensors import MASK_THRESHOLD, MAX_PIXELS
from pawfect.photo.mask_file import check_same_size, decode_mask_file
from pawfect.photo.photo import PhotoSize, size_in_header
from pawfect.photo.saving import plain_png
from pawfect_service.jobs.kinds.room import DECODING

MASKS_FILE: Final = "masks.png"
# White = it, as the page draws them; what covers nearly all is meant so.
_WHITE: Final = MaskFileParams(mask_is="white")
# Of all masks of regions together: they travel to the server a byte a pixel, in one message of less
# than 2 GiB, and a worker holds both. So 16 of 27 MP, or 4 of the largest photo.
MOST_PIXELS: Final = 4 * MAX_PIXELS


def drawn_masks(files: Sequence[bytes], size: tuple[int, int], payload: Payload) -> bytes:
    """Return masks as one grey PNG: a pixel of mask k is k + 1, of none 0.

    Of regions each mask is one; what else may change is all of them together, and 1.

    Args:
        files: a PNG each, of the photo's size, white = it.
        size: (width, height) of the photo, px.
        payload: what they belong to.

    Raises:
        PawfectError: INVALID_ARG for a broken file, another size, an empty mask, masks of regions
            that share a pixel with another or with a region's box, and too many pixels of those.
    """
    labels = np.zeros(size[::-1], np.uint8)
    if not isinstance(payload, RegionPayload):
        for _, drawn in _drawn(files, size):
            labels[drawn] = 1
        return plain_png(labels)
    if len(files) * labels.size > MOST_PIXELS:
        most = MOST_PIXELS // labels.size
        raise invalid("masks", f"at most {most} of a photo of {size[0]}x{size[1]} px", len(files))
    for number, drawn in _drawn(files, size):
        if labels[drawn].any():
            raise invalid(f"masks[{number}]", "no pixel of a mask before it", "masks that overlap")
        labels[drawn] = number + 1
    _check_boxes(labels, payload)
    return plain_png(labels)


def _drawn(
    files: Sequence[bytes], size: tuple[int, int]
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    for number, data in enumerate(files):
        name = f"masks[{number}]"
        check_same_size(size_in_header(data, name).size, PhotoSize(size, size), name)
        drawn = decode_mask_file(data, None, name, _WHITE).mask >= MASK_THRESHOLD
        if not drawn.any():
            raise invalid(name, "some pixels >= 128", "none")
        yield number, drawn


def _check_boxes(labels: NDArray[np.uint8], payload: RegionPayload) -> None:
    """Raise INVALID_ARG where a region's box has a pixel of a drawn mask."""
    for place, region in enumerate(payload.masks):
        if region.bbox is None:
            continue
        x, y, wide, high = region.bbox
        if label := int(labels[y : y + high, x : x + wide].max()):
            got = f"the box of masks[{place}] and mask {label - 1} with some of both"
            raise invalid("PAYLOAD: masks", "regions that share no pixel", got)


def separate_masks(data: bytes) -> NDArray[np.uint8]:
    """Return the masks of a file that `drawn_masks` made, UINT8 [K, H, W], 255 = it.

    Raises:
        PawfectError: INVALID_ARG for another file.
    """
    labels = _labels(data)
    number = int(labels.max())
    with DECODING.taken(number * labels.size):
        masks = np.empty((number, *labels.shape), np.uint8)
        for place, mask in enumerate(masks):
            np.equal(labels, place + 1, out=mask.view(np.bool_))
            mask *= 255
    return masks


def _labels(data: bytes) -> NDArray[np.uint8]:
    try:
        image = Image.open(io.BytesIO(data))
        with DECODING.taken(image.width * image.height):
            labels = np.asarray(image)
    except (OSError, ValueError):
        raise invalid(MASKS_FILE, "a PNG", "a broken file") from None
    if labels.ndim != 2 or labels.dtype != np.uint8 or not labels.any():
        raise invalid(MASKS_FILE, "a grey PNG with masks", "another")
    return labels
