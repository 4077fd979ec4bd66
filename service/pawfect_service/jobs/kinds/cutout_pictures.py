"""The pictures of a cut-out on their way in and out. CPU work, off the loop."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.errors import invalid
from pawfect.photo.photo import Photo, decode_photo, glance_at_jpeg, is_jpeg, size_in_header
from pawfect.photo.saving import encode_photo
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


def cutout_png(photo: Photo, cutout: NDArray[np.uint8]) -> bytes:
    """Return the content of cutout.png: RGBA, upright, with the photo's metadata.

    Args:
        photo: the original.
        cutout: UINT8 [H, W, 4] RGBA of its size, not premultiplied.
    """
    return encode_photo(_cut(photo, cutout), "PNG")


def alpha_png(alpha: NDArray[np.uint8]) -> bytes:
    """Return the content of alpha.png: grey, 255 = subject, no metadata.

    Args:
        alpha: UINT8 [H, W].
    """
    return _png(Image.fromarray(alpha))


def preview_png(photo: Photo, cutout: NDArray[np.uint8]) -> bytes:
    """Return the content of preview.png: RGBA, longest side at most 512 px, no EXIF.

    Args:
        photo: the original; the colour profile is its own.
        cutout: UINT8 [H, W, 4] RGBA of its size.
    """
    small = Image.fromarray(cutout)
    # Pillow resizes RGBA premultiplied, so that what is transparent colours nothing.
    small.thumbnail((PREVIEW_PX, PREVIEW_PX), Image.Resampling.LANCZOS)
    shown = replace(photo, exif=None, xmp=None)
    return encode_photo(_cut(shown, np.asarray(small)), "PNG")


def _cut(photo: Photo, cutout: NDArray[np.uint8]) -> Photo:
    """Return what was cut out as a photo; what a grey photo is laid on may have colour."""
    colours = np.ascontiguousarray(cutout[..., :3])
    grey = photo.grey and bool((colours == colours[..., :1]).all())
    profile = photo.icc_profile if grey == photo.grey else None
    cut = replace(photo, pixels=colours, alpha=cutout[..., 3], deep=None)
    return replace(cut, grey=grey, icc_profile=profile)


def _png(image: Image.Image) -> bytes:
    sink = io.BytesIO()
    image.save(sink, "PNG")
    return sink.getvalue()
