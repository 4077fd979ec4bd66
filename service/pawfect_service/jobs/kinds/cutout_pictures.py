"""The pictures of a cut-out on their way in and out. CPU work, off the loop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from pawfect.contract.errors import invalid
from pawfect.photo.cutting import Cutting
from pawfect.photo.photo import Photo, decode_photo, glance_at_jpeg, is_jpeg, size_in_header
from pawfect.photo.saving import encode_photo, plain_png
from pawfect_client.results import CutOut
from pawfect_service.jobs.kinds.pictures import EDITED_QUALITY, PREVIEW_PX


def check_photo(data: bytes, name: str, *, headers_only: bool) -> bytes:
    """Return a picture as it is stored: a JPEG byte for byte, another format as a JPEG.

    Args:
        data: content of a picture's file.
        name: what messages call it.
        headers_only: a JPEG's pixels are left to the worker.

    Raises:
        PawfectError: INVALID_ARG for another format, a broken file, a size out of the limits, and
            transparent parts, which a JPEG does not hold.
    """
    if is_jpeg(data):
        check = size_in_header if headers_only else glance_at_jpeg
        check(data, name)
        return data
    photo = decode_photo(data, name)
    if photo.has_transparency:
        expected = "a picture without transparent parts, since it is stored as a JPEG"
        raise invalid(name, expected, "one with transparent parts")
    return encode_photo(photo, "JPEG", EDITED_QUALITY)


def result_files(asked: Cutting, found: CutOut) -> dict[str, bytes]:
    """Return the content of each of a cut-out's outputs, by its name.

    Args:
        asked: what the server was asked for.
        found: its answer.
    """
    made = asked.cut(found.alpha, found.cutout)
    return {
        "cutout": encode_photo(made, "PNG"),
        "alpha": plain_png(found.alpha),
        "preview": preview_png(made),
    }


def preview_png(made: Photo) -> bytes:
    """Return the content of preview.png: longest side at most 512 px, no EXIF.

    Args:
        made: the cut-out; the colour profile is its own.
    """
    small = Image.fromarray(made.pixels)
    if made.alpha is not None:
        small.putalpha(Image.fromarray(made.alpha))
    # Pillow makes RGBA smaller premultiplied: what is transparent colours nothing.
    small.thumbnail((PREVIEW_PX, PREVIEW_PX), Image.Resampling.LANCZOS)
    samples = np.asarray(small)
    alpha = None if made.alpha is None else samples[..., 3]
    shown = replace(made, pixels=samples[..., :3], alpha=alpha, exif=None, xmp=None, deep=None)
    return encode_photo(shown, "PNG")
