"""A photo as the service takes it, with everything its file needs to be written again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.errors import invalid
from pawfect.contract.search_report import INIT
from pawfect.photo.colour import colours_of, deep_colours, in_one
from pawfect.photo.deep import Deep, in_16_bits, read_deep
from pawfect.photo.exif import (
    orientation_of,
    size_as_seen,
    turn_upright,
    turned,
    upright_exif,
)
from pawfect.photo.image_file import Header, decode_file, read_file, read_header
from pawfect.photo.png_data import has_metadata
from pawfect.photo.xmp import upright_xmp, with_source_type

_JPEG: Final = b"\xff\xd8\xff"
# Resolutions that files state and that mean something, pixels per inch: JFIF's field ends there.
_DPI: Final = (1.0, 65535.0)

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo, upright.

    Attributes:
        pixels: UINT8 [H, W, 3] RGB in the colours of `icc_profile`, not premultiplied; three times
            the same where the photo is grey.
        alpha: UINT8 [H, W], 255 = opaque, or None.
        icc_profile: the profile of the file, of RGB or grey, byte for byte, or None (sRGB).
        exif: EXIF with orientation 1 and without other pictures (thumbnail, makers' notes), or
            None.
        format: one of `pawfect.photo.formats.FORMATS`, by the file's content.
        lossless: whether the file kept every pixel.
        stored_size: (width, height) in the file, before the photo was turned upright, px.
        xmp: XMP as `pawfect.photo.xmp.upright_xmp` returns it, or None.
        dpi: (across, down), pixels per inch, or None.
        grey: whether it has one channel of colour.
        deep: UINT16 [H, W, C] of a file with 16 bits per channel, as it has them: grey or RGB, with
            alpha where it has any; `pixels` and `alpha` are the same rounded. Or None.
        animated: whether it is the first frame of an animation.
    """

    pixels: Pixels
    alpha: Pixels | None
    icc_profile: bytes | None
    exif: bytes | None
    format: str
    lossless: bool
    stored_size: tuple[int, int]
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    grey: bool = False
    deep: Deep | None = None
    animated: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), px."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def has_transparency(self) -> bool:
        """Whether any part is not opaque."""
        return self.alpha is not None and bool(self.alpha.min() < 255)

    def with_pixels(self, pixels: Pixels, alpha: Pixels | None = None) -> Photo:
        """Return the photo with other pixels.

        Where they are the same as before, the 16 bits of a photo that has them stay as they were;
        where not, they are the new 8 bits scaled.

        Args:
            pixels: UINT8 [H, W, 3] RGB of its size.
            alpha: UINT8 [H, W]; None: the photo's own.

        Raises:
            PawfectError: INVALID_ARG for pixels of another size or type.
        """
        if pixels.shape != self.pixels.shape or pixels.dtype != np.uint8:
            expected = f"UINT8 {list(self.pixels.shape)}"
            raise invalid("pixels", expected, f"{pixels.dtype} {list(pixels.shape)}")
        new = self.alpha if alpha is None else alpha
        return replace(self, pixels=pixels, alpha=new, deep=self._deep_with(pixels, new))

    def _deep_with(self, pixels: Pixels, alpha: Pixels | None) -> Deep | None:
        if self.deep is None:
            return None
        deep = self.deep.copy()
        colours = 1 if self.grey else 3
        # Row by row: what is told apart takes memory.
        for row, samples in enumerate(deep):
            changed = (pixels[row] != self.pixels[row]).any(axis=1)
            if changed.any():
                new = pixels[row, changed]
                samples[changed, :colours] = in_16_bits(in_one(new[None]).T if self.grey else new)
            if alpha is not None and self.alpha is not None:
                changed = alpha[row] != self.alpha[row]
                samples[changed, colours] = in_16_bits(alpha[row, changed])
        return deep

    def changed_by(self, engine: str) -> Photo:
        """Return the photo with XMP that says what kind of change an engine's fill is.

        Args:
            engine: which filled it; INIT of `pawfect.contract.search_report`: nothing was changed.
        """
        if engine == INIT:
            return self
        return replace(self, xmp=with_source_type(self.xmp, engine))


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
    seen = size_as_seen(decoded.stored_size, decoded.orientation)
    return PhotoSize(seen, decoded.stored_size)


def size_in_header(data: bytes, name: str = "photo") -> PhotoSize:
    """Return the size that a picture's file declares.

    No pixel is decoded but of a PNG with metadata: its EXIF may stand behind the pixels.

    Raises:
        PawfectError: INVALID_ARG as `pawfect.photo.image_file.read_header` does.
    """
    header = read_header(data, name)
    return PhotoSize(_seen(header, data), header.stored_size)


def _seen(header: Header, data: bytes) -> tuple[int, int]:
    if header.format == "PNG" and not has_metadata(data):
        return header.stored_size
    return size_as_seen(header.stored_size, orientation_of(header.image))


def load_photo(path: Path | str) -> Photo:
    """Read a photo from a file of any format that is read; see `decode_photo`."""
    path = Path(path)
    return decode_photo(read_file(path, path.name), path.name)


def decode_photo(data: bytes, name: str = "photo") -> Photo:
    """Read a photo from the content of a file of any format of `pawfect.photo.formats.FORMATS`.

    Args:
        data: the file's content.
        name: what messages call it.

    Raises:
        PawfectError: INVALID_ARG as `pawfect.photo.image_file.decode_file` and
            `pawfect.photo.deep.read_deep` do.
    """
    decoded = decode_file(data, name)
    image = decoded.image
    deep = turned(read_deep(data, image, name), decoded.orientation) if decoded.deep else None
    xmp, dpi = upright_xmp(image.info.get("xmp")), _dpi(image)
    turn_upright(image)
    colours = colours_of(image) if deep is None else deep_colours(deep, image)
    return Photo(
        pixels=colours.rgb,
        alpha=colours.alpha,
        icc_profile=colours.profile,
        exif=upright_exif(image),
        format=decoded.format,
        lossless=decoded.lossless,
        stored_size=decoded.stored_size,
        xmp=xmp,
        dpi=dpi if decoded.orientation <= 4 or dpi is None else dpi[::-1],
        grey=colours.grey,
        deep=deep,
        animated=decoded.animated,
    )


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    """Return the resolution that a file states; None for none, or one that cannot be meant."""
    try:
        across, down = (float(side) for side in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    least, most = _DPI
    return (across, down) if least <= across <= most and least <= down <= most else None
