"""A photo as the service takes it, with everything its file needs to be written again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.errors import invalid
from pawfect.photo.colour import rgb_and_alpha
from pawfect.photo.exif import turn_upright, turns_by_a_quarter, upright_exif
from pawfect.photo.image_file import decode_file, read_file, read_header
from pawfect.photo.png_data import has_metadata

_JPEG: Final = b"\xff\xd8\xff"


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo, upright.

    Attributes:
        pixels: UINT8 [H, W, 3] RGB in the colours of `icc_profile`, not premultiplied.
        alpha: UINT8 [H, W], 255 = opaque, or None.
        icc_profile: the RGB profile of the file, byte for byte, or None (sRGB).
        exif: EXIF with orientation 1 and without other pictures (thumbnail, makers' notes), or
            None.
        format: JPEG, PNG or WEBP, by the file's content.
        lossless: whether the file kept every pixel.
        stored_size: (width, height) in the file, before the photo was turned upright, px.
    """

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    icc_profile: bytes | None
    exif: bytes | None
    format: str
    lossless: bool
    stored_size: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), px."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def with_pixels(self, pixels: NDArray[np.uint8]) -> Photo:
        """Return the photo with other pixels UINT8 [H, W, 3] of its size, else INVALID_ARG."""
        if pixels.shape != self.pixels.shape or pixels.dtype != np.uint8:
            expected = f"UINT8 {list(self.pixels.shape)}"
            raise invalid("pixels", expected, f"{pixels.dtype} {list(pixels.shape)}")
        return replace(self, pixels=pixels)


@dataclass(frozen=True)
class PhotoSize:
    """What a glance at a photo tells.

    Attributes:
        size: (width, height), upright, px.
        stored_size: (width, height) in the file, px.
    """

    size: tuple[int, int]
    stored_size: tuple[int, int]


def is_jpeg(data: bytes) -> bool:
    """Say whether a file starts as a JPEG does."""
    return data.startswith(_JPEG)


def glance_at_jpeg(data: bytes, name: str = "photo") -> PhotoSize | None:
    """Return the size of a JPEG that `decode_photo` takes; None for another format.

    Raises:
        PawfectError: INVALID_ARG as `decode_photo` does; see `decode_file` on glances.
    """
    if not is_jpeg(data):
        return None
    decoded = decode_file(data, name, glance=True)
    return _size_as_seen(decoded.image, decoded.stored_size)


def size_in_header(data: bytes, name: str = "photo") -> PhotoSize:
    """Return the size that a JPEG, PNG or WebP file declares.

    No pixel is decoded but of a PNG with metadata: its EXIF may stand behind the pixels.

    Raises:
        PawfectError: INVALID_ARG as `pawfect.photo.image_file.read_header` does.
    """
    image = read_header(data, name)
    if image.format == "PNG" and not has_metadata(data):
        return PhotoSize(image.size, image.size)
    return _size_as_seen(image, image.size)


def _size_as_seen(image: Image.Image, stored: tuple[int, int]) -> PhotoSize:
    turned = turns_by_a_quarter(image)
    return PhotoSize((stored[1], stored[0]) if turned else stored, stored)


def load_photo(path: Path | str) -> Photo:
    """Read a photo from a JPEG, PNG or WebP file; see `decode_photo`."""
    path = Path(path)
    return decode_photo(read_file(path, path.name), path.name)


def decode_photo(data: bytes, name: str = "photo") -> Photo:
    """Read a photo from the content of a JPEG, PNG or WebP file.

    Args:
        data: the file's content.
        name: what messages call it.

    Raises:
        PawfectError: INVALID_ARG as `pawfect.photo.image_file.decode_file` does.
    """
    decoded = decode_file(data, name)
    image = decoded.image
    turn_upright(image)
    pixels, alpha, profile = rgb_and_alpha(image)
    return Photo(
        pixels=pixels,
        alpha=alpha,
        icc_profile=profile,
        exif=upright_exif(image),
        format=decoded.format,
        lossless=decoded.lossless,
        stored_size=decoded.stored_size,
    )
