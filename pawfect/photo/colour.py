"""From every mode that the formats store to RGB and alpha of 8 bits."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

# Where an ICC profile names the colours it is for, ICC.1:2022 table 17.
_ICC_SPACE: Final = slice(16, 20)
_ICC_RGB: Final = b"RGB "
# The profile's own space by Pillow's mode.
_SPACE_OF_MODE: Final = {"CMYK": b"CMYK", "L": b"GRAY"}

Rgb = NDArray[np.uint8]
Plane = NDArray[np.uint8]


def rgb_and_alpha(image: Image.Image) -> tuple[Rgb, Plane | None, bytes | None]:
    """Return a loaded picture's colours, transparency, and the profile that goes with them.

    RGB samples are taken as they are, whatever their profile. CMYK and grey go through a profile of
    their own kind to sRGB, where they have one; that profile means nothing on RGB and is not
    returned. Of 16 bits the upper 8 remain (grey is rounded).

    Returns:
        UINT8 [H, W, 3] RGB; UINT8 [H, W] alpha, 255 = opaque, or None where the picture has none;
        the ICC profile or None.
    """
    profile: bytes | None = image.info.get("icc_profile") or None
    if image.mode.startswith("I"):
        grey, alpha = _from_16_bits(image)
        return np.repeat(grey[:, :, None], 3, axis=2), alpha, _if_rgb(profile)
    if image.has_transparency_data:
        rgba = np.array(image.convert("RGBA"))
        return np.ascontiguousarray(rgba[:, :, :3]), rgba[:, :, 3].copy(), _if_rgb(profile)
    if profile and profile[_ICC_SPACE] == _SPACE_OF_MODE.get(image.mode):
        image = _through_profile(image, profile)
    return np.array(image.convert("RGB")), None, _if_rgb(profile)


def _if_rgb(profile: bytes | None) -> bytes | None:
    return profile if profile and profile[_ICC_SPACE] == _ICC_RGB else None


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """Return the picture in sRGB, or as it is where the profile is broken."""
    try:
        converted = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            # As Photoshop converts by default.
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError):
        return image
    return converted or image


def _from_16_bits(image: Image.Image) -> tuple[Plane, Plane | None]:
    """Return grey of 16 bits in 8, and alpha where one value is declared transparent."""
    samples = np.array(image).astype(np.int64).clip(0, 65535)
    grey = ((samples * 255 + 32767) // 65535).astype(np.uint8)
    clear = image.info.get("transparency")
    if not isinstance(clear, int):
        return grey, None
    return grey, np.where(samples == clear, 0, 255).astype(np.uint8)
