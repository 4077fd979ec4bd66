"""From every mode that the formats store to RGB and alpha of 8 bits."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from pawfect.contract.errors import invalid
from pawfect.photo.deep import to_8_bits

# Where an ICC profile names the colours it is for, ICC.1:2022 table 17.
_ICC_SPACE: Final = slice(16, 20)
_ICC_RGB: Final = b"RGB "
_ICC_GREY: Final = b"GRAY"
_ICC_CMYK: Final = b"CMYK"
# Pillow's modes of one channel of colour.
_GREY: Final = frozenset({"1", "L", "LA", "La"})
_DEEP_GREY: Final = frozenset({"I;16", "I;16B", "I;16L"})
_COLOURED: Final = frozenset({"P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"})

Rgb = NDArray[np.uint8]
Plane = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Colours:
    """A picture's colours.

    Attributes:
        rgb: UINT8 [H, W, 3].
        alpha: UINT8 [H, W], 255 = opaque, or None where the picture has none.
        grey: whether the picture has one channel of colour.
        profile: the ICC profile that goes with them, byte for byte, or None (sRGB).
    """

    rgb: Rgb
    alpha: Plane | None
    grey: bool
    profile: bytes | None


def check_mode(image: Image.Image, name: str) -> None:
    """Raise INVALID_ARG for a picture that holds something else than colours, such as floats."""
    if image.mode not in _GREY | _DEEP_GREY | _COLOURED:
        expected = "8 or 16 bits per channel of RGB, grey, CMYK or a palette"
        raise invalid(name, expected, f"a picture of the kind {image.mode}")


def colours_of(image: Image.Image) -> Colours:
    """Return the colours of a loaded picture of 8 bits.

    RGB and grey samples are taken as they are, whatever their profile. CMYK goes through its own
    profile to sRGB, where it has one; that profile means nothing on RGB and is not returned.
    """
    grey = image.mode in _GREY
    if grey and not image.has_transparency_data:
        samples = np.array(image if image.mode == "L" else image.convert("L"))
        return Colours(in_three(samples), None, True, _of_space(image, _ICC_GREY))
    rgb, alpha, profile = rgb_and_alpha(image)
    return Colours(rgb, alpha, grey, _of_space(image, _ICC_GREY) if grey else profile)


def deep_colours(samples: NDArray[np.uint16], image: Image.Image) -> Colours:
    """Return in 8 bits the colours of UINT16 [H, W, C]; their file's header has the profile."""
    small = to_8_bits(samples)
    grey = samples.shape[2] < 3
    alpha = None if samples.shape[2] in (1, 3) else small[:, :, -1].copy()
    rgb = in_three(small[:, :, 0]) if grey else np.ascontiguousarray(small[:, :, :3])
    return Colours(rgb, alpha, grey, _of_space(image, _ICC_GREY if grey else _ICC_RGB))


def rgb_and_alpha(image: Image.Image) -> tuple[Rgb, Plane | None, bytes | None]:
    """Return a loaded picture as RGB, grey through its profile where it has one.

    Returns:
        UINT8 [H, W, 3] RGB; UINT8 [H, W] alpha, 255 = opaque, or None where the picture has none;
        the ICC profile that goes with it or None.
    """
    profile = _of_space(image, _ICC_RGB)
    if image.mode in _DEEP_GREY:
        grey, alpha = _from_16_bits(image)
        return in_three(grey), alpha, profile
    if image.has_transparency_data:
        rgba = np.array(image if image.mode == "RGBA" else image.convert("RGBA"))
        return np.ascontiguousarray(rgba[:, :, :3]), rgba[:, :, 3].copy(), profile
    space = {"CMYK": _ICC_CMYK, "L": _ICC_GREY}.get(image.mode)
    if space and (own := _of_space(image, space)):
        image = _through_profile(image, own, None)
    return np.array(image if image.mode == "RGB" else image.convert("RGB")), None, profile


def in_three(grey: Plane) -> Rgb:
    """Return UINT8 [H, W] as UINT8 [H, W, 3] of equal channels."""
    return np.repeat(grey[:, :, None], 3, axis=2)


def in_one(rgb: Rgb) -> Plane:
    """Return the ITU-R 601 luma, UINT8 [H, W], of UINT8 [H, W, 3]; equal channels stay as is."""
    return np.array(Image.fromarray(rgb).convert("L"))


def through_grey_profile(rgb: Rgb, profile: bytes) -> Rgb:
    """Return grey samples, UINT8 [H, W, 3] of equal channels, in sRGB through a grey profile."""
    return np.array(_through_profile(Image.fromarray(rgb[:, :, 0]), profile, None).convert("RGB"))


def converted(rgb: Rgb, own: bytes | None, target: bytes | None) -> Rgb:
    """Return colours of one RGB profile in those of another.

    Args:
        rgb: UINT8 [H, W, 3].
        own: their ICC profile; None: sRGB.
        target: the other one; None: sRGB.

    Returns:
        UINT8 [H, W, 3]; the same where the profiles are, or where one of them is broken.
    """
    if own == target:
        return rgb
    return np.array(_through_profile(Image.fromarray(rgb), own, target))


def _of_space(image: Image.Image, space: bytes) -> bytes | None:
    profile: bytes | None = image.info.get("icc_profile") or None
    return profile if profile and profile[_ICC_SPACE] == space else None


def _through_profile(
    image: Image.Image, profile: bytes | None, target: bytes | None
) -> Image.Image:
    """Return the picture in the colours of another profile, or as it is where one is broken.

    Args:
        image: of the mode that its profile is for.
        profile: its own; None: sRGB.
        target: of RGB; None: sRGB.
    """
    try:
        converted = ImageCms.profileToProfile(
            image,
            _profile(profile),
            _profile(target),
            # As Photoshop converts by default.
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError):
        return image
    return converted or image


def _profile(data: bytes | None) -> ImageCms.ImageCmsProfile:
    named = ImageCms.createProfile("sRGB") if data is None else io.BytesIO(data)
    return ImageCms.ImageCmsProfile(named)


def _from_16_bits(image: Image.Image) -> tuple[Plane, Plane | None]:
    """Return grey of 16 bits in 8, and alpha where one value is declared transparent."""
    samples = np.array(image).clip(0, 65535).astype(np.uint16)
    grey = to_8_bits(samples)
    clear = image.info.get("transparency")
    if not isinstance(clear, int):
        return grey, None
    return grey, np.where(samples == clear, 0, 255).astype(np.uint8)
