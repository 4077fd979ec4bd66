"""Pictures on their way in and out: uploads checked, results written. CPU work, off the loop."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.errors import invalid
from pawfect.contract.texts import check_texts
from pawfect.photo.formats import FORMATS
from pawfect.photo.mask_file import check_same_size, decode_mask
from pawfect.photo.photo import (
    Photo,
    PhotoSize,
    decode_photo,
    glance_at_jpeg,
    is_jpeg,
    size_in_header,
)
from pawfect.photo.saving import encode_photo
from pawfect_client.inputs import inpaint_tensors

EDITED_QUALITY: Final = 95
PREVIEW_QUALITY: Final = 85
PREVIEW_PX: Final = 512
_PNG: Final = b"\x89PNG\r\n\x1a\n"


# Contents of the photo (a JPEG), the mask and what must never be filled (PNGs), as they are stored.
Stored = tuple[bytes, bytes, bytes | None]


@dataclass(frozen=True, eq=False)
class Pictures:
    """What is to be filled, decoded.

    Attributes:
        photo: the photo, upright.
        mask: UINT8 [H, W], >= 128 = fill.
        protect: UINT8 [H, W], >= 128 = never filled, or None.
    """

    photo: Photo
    mask: NDArray[np.uint8]
    protect: NDArray[np.uint8] | None


def read_pictures(
    photo: bytes, mask: bytes, protect: bytes | None, prompt: str | None = None
) -> Pictures:
    """Decode the files of a session.

    Args:
        photo: content of a photo's file without transparent parts.
        mask: content of a mask's file, as `pawfect_client.decode_mask` takes them.
        protect: likewise, or None.
        prompt: text for FLUX, checked along with them, or None.

    Raises:
        PawfectError: INVALID_ARG for another format, a broken file, a size out of the limits, a
            mask of another size, and one that is empty or full.
    """
    decoded = decode_photo(photo, "photo")
    _check_opaque(decoded)
    hole = decode_mask(mask, decoded, "mask")
    guard = None if protect is None else decode_mask(protect, decoded, "protect")
    inpaint_tensors(decoded.pixels, hole, guard, (), prompt)
    return Pictures(decoded, hole, guard)


def check_upload(
    photo: bytes, mask: bytes, protect: bytes | None = None, prompt: str | None = None
) -> Stored:
    """Check the files of a request and bring them into the formats that they are stored in.

    A JPEG and PNG masks are stored byte for byte.

    Raises:
        PawfectError: INVALID_ARG as `read_pictures` does.
    """
    size = glance_at_jpeg(photo)
    if size is None:
        decoded = decode_photo(photo, "photo")
        _check_opaque(decoded)
        photo = encode_photo(decoded, "JPEG", EDITED_QUALITY)
        size = PhotoSize(decoded.size, decoded.stored_size)
    hole = decode_mask(mask, size, "mask")
    guard = None if protect is None else decode_mask(protect, size, "protect")
    # The request's other rules ask for the photo's shape alone.
    shape = np.broadcast_to(np.uint8(0), (size.size[1], size.size[0], 3))
    inpaint_tensors(shape, hole, guard, (), prompt)
    kept = None if protect is None or guard is None else _as_png(protect, guard)
    return photo, _as_png(mask, hole), kept


def check_headers(
    photo: bytes, mask: bytes, protect: bytes | None = None, prompt: str | None = None
) -> Stored:
    """Check of a request's files what their headers tell, and leave the pixels to the worker.

    Formats, sizes, and an end that is missing are found in a twentieth of the time that
    `check_upload` takes; broken pixels, and a mask that is empty or full, are not. Files that have
    to be brought into another format are decoded, and checked, all the same.

    Raises:
        PawfectError: INVALID_ARG for what is wrong with headers.
    """
    masks = [(name, data) for name, data in (("mask", mask), ("protect", protect)) if data]
    as_they_are = is_jpeg(photo) and all(data.startswith(_PNG) for _, data in masks)
    if not as_they_are or not mask:
        return check_upload(photo, mask, protect, prompt)
    size = size_in_header(photo)
    for name, data in masks:
        check_same_size(size_in_header(data, name).size, size, name)
    if prompt is not None:
        check_texts("PROMPT", [prompt])
    return photo, mask, protect


def _as_png(data: bytes, decoded: NDArray[np.uint8]) -> bytes:
    if data.startswith(_PNG):
        return data
    sink = io.BytesIO()
    Image.fromarray(decoded).save(sink, "PNG")
    return sink.getvalue()


def _check_opaque(photo: Photo) -> None:
    """Raise INVALID_ARG for a photo with transparent parts: what is filled leaves as edited.jpg."""
    if photo.has_transparency:
        expected = "a photo without transparent parts, since the result is a JPEG"
        got = f"a {FORMATS[photo.format].title} with transparent parts"
        raise invalid("photo", expected, got)


def edited_jpeg(photo: Photo, pixels: NDArray[np.uint8], engine: str) -> bytes:
    """Return the content of edited.jpg: quality 95, upright, with the original's metadata.

    Args:
        photo: the original.
        pixels: UINT8 [H, W, 3] RGB of its size.
        engine: which filled it.
    """
    filled = photo.with_pixels(pixels).changed_by(engine)
    return encode_photo(filled, "JPEG", EDITED_QUALITY)


def preview_jpeg(photo: Photo, pixels: NDArray[np.uint8]) -> bytes:
    """Return the content of preview.jpg: longest side at most 512 px, quality 85, no EXIF.

    Args:
        photo: the original; the colour profile is its own.
        pixels: UINT8 [H, W, 3] RGB of its size.
    """
    small = Image.fromarray(pixels)
    small.thumbnail((PREVIEW_PX, PREVIEW_PX), Image.Resampling.LANCZOS)
    shown = replace(photo, pixels=np.asarray(small), alpha=None, exif=None, xmp=None, deep=None)
    return encode_photo(shown, "JPEG", PREVIEW_QUALITY)
