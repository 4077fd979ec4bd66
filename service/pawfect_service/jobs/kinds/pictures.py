"""Pictures on their way in and out: uploads checked, results written. CPU work, off the loop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.errors import invalid
from pawfect.contract.parameters import MaskFileParams
from pawfect.contract.texts import check_texts
from pawfect.photo.formats import FORMATS
from pawfect.photo.image_file import read_header
from pawfect.photo.mask_file import (
    MaskFile,
    check_same_size,
    decode_mask_file,
    decode_protect,
)
from pawfect.photo.photo import (
    Photo,
    PhotoSize,
    decode_photo,
    glance_at_jpeg,
    is_jpeg,
    size_in_header,
)
from pawfect.photo.saving import encode_photo, plain_png
from pawfect_client.inputs import inpaint_tensors

EDITED_QUALITY: Final = 95
PREVIEW_QUALITY: Final = 85
PREVIEW_PX: Final = 512
# Of a mask of which nothing was said, and of one that has been understood already.
UNSAID: Final = MaskFileParams()
UNDERSTOOD: Final = MaskFileParams(mask_is="white")
_PNG: Final = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Stored:
    """Contents of a request's files as they are stored.

    Attributes:
        photo: a JPEG.
        mask: a PNG.
        protect: what must never be filled, a PNG, or None.
        note: how the mask's file was read, where that had to be found out.
    """

    photo: bytes
    mask: bytes
    protect: bytes | None = None
    note: str | None = None


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
    photo: bytes,
    mask: bytes,
    protect: bytes | None,
    prompt: str | None = None,
    reading: MaskFileParams = UNSAID,
) -> Pictures:
    """Decode the files of a session.

    Args:
        photo: content of a photo's file without transparent parts.
        mask: content of a mask's file, as `pawfect_client.decode_mask` takes them.
        protect: content of a file as `pawfect_client.decode_protect` takes them, or None.
        prompt: what to fill with, checked along with them, or None.
        reading: how the mask's file is read; UNDERSTOOD where the upload was read by more.

    Raises:
        PawfectError: INVALID_ARG for another format, a broken file, a size out of the limits, a
            mask of another size, and one that is empty or full.
    """
    decoded = decode_photo(photo, "photo")
    _check_opaque(decoded)
    hole = decode_mask_file(mask, decoded, "mask", reading).mask
    guard = None if protect is None else decode_protect(protect, decoded)
    inpaint_tensors(decoded.pixels, hole, guard, (), prompt)
    return Pictures(decoded, hole, guard)


def check_upload(
    photo: bytes,
    mask: bytes,
    protect: bytes | None = None,
    prompt: str | None = None,
    reading: MaskFileParams = UNSAID,
    *,
    kept: bool = False,
) -> Stored:
    """Check the files of a request and bring them into the formats that they are stored in.

    A JPEG, and PNG masks whose own brightness is the mask, are stored byte for byte; any other mask
    as it was understood, white = fill.

    Args:
        photo: content of a photo's file without transparent parts.
        mask: content of a mask's file.
        protect: content of a mask's file, or None.
        prompt: what to fill with, or None.
        reading: how the masks' files are read.
        kept: whether the photo is stored already, as whatever it is.

    Raises:
        PawfectError: INVALID_ARG as `read_pictures` does.
    """
    known: Photo | PhotoSize | None = size_of_stored(photo) if kept else glance_at_jpeg(photo)
    if known is None or reading.mask_is in ("erased", "auto"):
        known = decoded = decode_photo(photo, "photo")
        _check_opaque(decoded)
        if not (kept or is_jpeg(photo)):
            photo = encode_photo(decoded, "JPEG", EDITED_QUALITY)
    hole = decode_mask_file(mask, known, "mask", reading)
    guard = None
    if protect is not None:
        guard = decode_protect(protect, known, fit_mask=reading.fit_mask)
    # The request's other rules ask for the photo's shape alone.
    shape = np.broadcast_to(np.uint8(0), (known.size[1], known.size[0], 3))
    inpaint_tensors(shape, hole.mask, guard, (), prompt)
    stored = Stored(photo, _stored_mask(mask, hole), note=hole.note)
    if protect is None or guard is None:
        return stored
    as_it_is = reading == UNSAID and _is_plain_png(protect, "protect")
    return replace(stored, protect=protect if as_it_is else plain_png(guard))


def check_headers(
    photo: bytes,
    mask: bytes,
    protect: bytes | None = None,
    prompt: str | None = None,
    reading: MaskFileParams = UNSAID,
    *,
    kept: bool = False,
) -> Stored:
    """Check of a request's files what their headers tell, and leave the pixels to the worker.

    Its arguments are those of `check_upload`.

    Formats, sizes, and an end that is missing are found in a twentieth of the time that
    `check_upload` takes; broken pixels, and a mask that is empty, full or nearly so, are not. Files
    that have to be brought into another format, or whose meaning their pixels tell, are decoded,
    and checked, all the same.

    Raises:
        PawfectError: INVALID_ARG for what is wrong with headers.
    """
    masks = [(name, data) for name, data in (("mask", mask), ("protect", protect)) if data]
    as_they_are = (kept or is_jpeg(photo)) and all(data.startswith(_PNG) for _, data in masks)
    if not as_they_are or not mask or reading != UNSAID:
        return check_upload(photo, mask, protect, prompt, reading, kept=kept)
    size = size_of_stored(photo) if kept else size_in_header(photo)
    for name, data in masks:
        check_same_size(size_in_header(data, name).size, size, name)
    if not all(_is_plain_png(data, name) for name, data in masks):
        return check_upload(photo, mask, protect, prompt, reading, kept=kept)
    if prompt is not None:
        check_texts("PROMPT", [prompt])
    return Stored(photo, mask, protect)


def size_of_stored(data: bytes) -> PhotoSize:
    """Return the size of a picture that is stored.

    What is no JPEG is this service's own and upright: unlike another PNG's, its pixels need not be
    decoded to find an orientation behind them.
    """
    if is_jpeg(data):
        return size_in_header(data)
    size = read_header(data, "base").stored_size
    return PhotoSize(size, size)


def _is_plain_png(data: bytes, name: str) -> bool:
    """Say whether a file is a PNG without transparency: its brightness is the mask."""
    return data.startswith(_PNG) and not read_header(data, name).image.has_transparency_data


def _stored_mask(data: bytes, hole: MaskFile) -> bytes:
    return data if data.startswith(_PNG) and hole.as_stored else plain_png(hole.mask)


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


def preview_jpeg(photo: Photo, pixels: NDArray[np.uint8], engine: str | None = None) -> bytes:
    """Return the content of preview.jpg: longest side at most 512 px, quality 85, no EXIF.

    Args:
        photo: the original; the colour profile is its own.
        pixels: UINT8 [H, W, 3] RGB of its size.
        engine: what changed it, where small pictures say so too; None: they do not.
    """
    small = Image.fromarray(pixels)
    small.thumbnail((PREVIEW_PX, PREVIEW_PX), Image.Resampling.LANCZOS)
    return shown_jpeg(photo, np.asarray(small), engine)


def shown_jpeg(photo: Photo, pixels: NDArray[np.uint8], engine: str | None = None) -> bytes:
    """Return a JPEG for the screen, quality 85: of the photo's own it has the colours alone.

    Args:
        photo: the original.
        pixels: UINT8 [h, w, 3] RGB in its colours, of any size.
        engine: as in `preview_jpeg`.
    """
    shown = replace(photo, pixels=pixels, alpha=None, exif=None, xmp=None, deep=None)
    if engine is not None:
        shown = shown.changed_by(engine)
    return encode_photo(shown, "JPEG", PREVIEW_QUALITY)
