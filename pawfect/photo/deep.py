"""Pictures of 16 bits per channel, which Pillow reads as 8."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from pawfect.contract.errors import PawfectError, invalid
from pawfect.photo.tiff_data import numbers

if TYPE_CHECKING:
    from types import ModuleType

Deep = NDArray[np.uint16]

# Where a PNG's header holds the bits per sample, https://www.w3.org/TR/png-3/#11IHDR.
_PNG_DEPTH: Final = 24
# TIFF 6.0 and its supplement 1: the tags that say what samples mean.
_BITS: Final = 258
_PHOTOMETRIC: Final = 262
_SEPARATE_PLANES: Final = (284, 2)
_EXTRA_SAMPLES: Final = 338
_SAMPLE_FORMAT: Final = 339
_BLACK_IS_ZERO: Final = 1
_RGB: Final = 2
_PREMULTIPLIED: Final = 1
# How hard PNG is packed: 12 MP of 16 bits take 10 s on a core by the default 6, and by 3 take 4 s
# and 3 % more bytes.
PNG_LEVEL: Final = 3
# The largest of 16 bits over the largest of 8: 255 becomes 65,535.
_SCALE: Final = 257


def is_deep(data: bytes, image: Image.Image) -> bool:
    """Say whether a PNG or TIFF has 16 bits per channel.

    Args:
        data: the file's content.
        image: its header, as Pillow read it.
    """
    if image.format == "PNG":
        return data[_PNG_DEPTH] == 16
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return set(numbers(image, _BITS)) == {16}
    return False


def read_deep(data: bytes, image: Image.Image, name: str) -> Deep:
    """Return the samples of a file of which `is_deep` is true, as they are stored.

    Args:
        data: the file's content.
        image: its header, as Pillow read it.
        name: what messages call it.

    Returns:
        UINT16 [H, W, C]: grey, grey and alpha, RGB, or RGB and alpha; alpha is not premultiplied.

    Raises:
        PawfectError: INVALID_ARG for other samples (floats, CMYK, premultiplied alpha) and for a
            broken file.
    """
    codecs = _codecs()
    kind = str(image.format)
    separate = False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        _check_samples(image, name)
        separate = numbers(image, _SEPARATE_PLANES[0]) == _SEPARATE_PLANES[1:]
    decode = codecs.png_decode if kind == "PNG" else codecs.tiff_decode
    try:
        samples = decode(data)
    except Exception as error:  # noqa: BLE001 - decoders raise whatever a broken file leads them to
        raise invalid(name, f"a whole {kind}", f"a truncated or broken one ({error})") from None
    if samples.ndim == 2:
        samples = samples[:, :, None]
    elif separate:
        samples = np.moveaxis(samples, 0, 2)
    if samples.ndim != 3 or samples.shape[2] not in (1, 2, 3, 4) or samples.dtype != np.uint16:
        raise _other_samples(name, f"{samples.dtype} {list(samples.shape)}")
    return np.ascontiguousarray(samples)


def encode_deep_png(samples: Deep) -> bytes:
    """Return the content of a PNG without metadata of UINT16 [H, W, C]."""
    stored = samples[:, :, 0] if samples.shape[2] == 1 else samples
    encoded: bytes = _codecs().png_encode(stored, level=PNG_LEVEL)
    return encoded


def to_8_bits(samples: Deep) -> NDArray[np.uint8]:
    """Return samples of 16 bits, rounded to 8: 65,535 becomes 255."""
    return _rounded()[samples]


def in_16_bits(samples: NDArray[np.uint8]) -> Deep:
    """Return samples of 8 bits in 16: 255 becomes 65,535."""
    return samples.astype(np.uint16) * np.uint16(_SCALE)


@functools.cache
def _rounded() -> NDArray[np.uint8]:
    """Return what each 16-bit sample is in 8 bits."""
    every = np.arange(65536, dtype=np.uint32)
    return ((every + _SCALE // 2) // _SCALE).astype(np.uint8)


def _codecs() -> ModuleType:
    # 0.25 s that only those with such a picture are to pay.
    import imagecodecs

    module: ModuleType = imagecodecs
    return module


def _check_samples(image: TiffImagePlugin.TiffImageFile, name: str) -> None:
    if set(numbers(image, _SAMPLE_FORMAT)) - {1}:
        raise _other_samples(name, "signed numbers or floats")
    photometric = numbers(image, _PHOTOMETRIC)
    if photometric not in ((_BLACK_IS_ZERO,), (_RGB,)):
        raise _other_samples(name, f"photometric interpretation {photometric}")
    extra = numbers(image, _EXTRA_SAMPLES)
    if _PREMULTIPLIED in extra:
        raise _other_samples(name, "premultiplied alpha")


def _other_samples(name: str, got: str) -> PawfectError:
    expected = "16 bits per channel as unsigned grey or RGB, perhaps with plain alpha"
    return invalid(name, expected, got)
