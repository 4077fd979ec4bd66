"""Photos of every format, mode and orientation become upright RGB with their alpha and profile."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from pawfect.contract.errors import PawfectError
from pawfect_client import decode_mask, decode_photo, load_photo
from tests.pawfect.photo.pictures import (
    SRGB,
    encoded,
    exif_with_thumbnail,
    linear_grey_profile,
    opened,
    png,
    png_chunk,
    scene,
)

EXTRAS = {"JPEG": {"quality": 90}, "PNG": {}, "WEBP": {"quality": 80}}


@pytest.mark.parametrize("kind", EXTRAS)
def test_pixels_and_profile_of_rgb_are_taken_as_they_are(kind):
    data = encoded(scene(), kind, icc_profile=SRGB, **EXTRAS[kind])
    photo = decode_photo(data)
    assert np.array_equal(photo.pixels, np.array(opened(data).convert("RGB")))
    assert photo.icc_profile == SRGB
    assert (photo.alpha, photo.format, photo.size) == (None, kind, (96, 80))
    assert photo.pixels.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize(
    ("kind", "options", "lossless"),
    [
        ("PNG", {}, True),
        ("JPEG", {"quality": 100}, False),
        ("WEBP", {"lossless": True}, True),
        ("WEBP", {"quality": 80}, False),
        ("WEBP", {"lossless": True, "icc_profile": SRGB}, True),
        ("WEBP", {"quality": 80, "icc_profile": SRGB}, False),
    ],
)
def test_it_is_known_whether_the_file_kept_every_pixel(kind, options, lossless):
    assert decode_photo(encoded(scene(), kind, **options)).lossless is lossless


def test_the_content_decides_the_format_and_not_the_name(tmp_path):
    path = tmp_path / "named.jpg"
    path.write_bytes(encoded(scene(), "PNG"))
    photo = load_photo(path)
    assert photo.format == "PNG"
    assert np.array_equal(photo.pixels, scene())


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_alpha_is_kept_and_not_multiplied_into_the_colours(kind):
    rgba = scene(channels=4)
    rgba[:40, :, 3] = 0
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    photo = decode_photo(encoded(rgba, kind, **options))
    assert np.array_equal(photo.pixels, rgba[:, :, :3])
    assert np.array_equal(photo.alpha, rgba[:, :, 3])


GREY, PAIR, DEEP = scene(channels=1), scene(channels=2), np.full((80, 96), 40_000, np.uint16)
DEEP[:8] = 1000
MANY = scene().astype(np.uint16) * 256 + 77
BITS = GREY > 128
INDEXED = Image.fromarray(scene()).quantize(16)
MARKED = scene()
MARKED[10:20, 10:20] = (1, 2, 3)
TRANSPARENT_GREY = png_chunk(b"tRNS", struct.pack(">H", 1000))


def in_three(channel):
    return channel[:, :, None].repeat(3, 2)


@pytest.mark.parametrize(
    ("data", "pixels", "alpha"),
    [
        (encoded(GREY, "PNG"), in_three(GREY), None),
        (png(PAIR), in_three(PAIR[:, :, 0]), PAIR[:, :, 1]),
        (encoded(Image.fromarray(BITS), "PNG"), in_three(np.where(BITS, 255, 0)), None),
        (
            encoded(INDEXED, "PNG", transparency=3),
            np.array(INDEXED.convert("RGB")),
            np.where(np.array(INDEXED) == 3, 0, 255),
        ),
        (
            encoded(MARKED, "PNG", transparency=(1, 2, 3)),
            MARKED,
            np.where((MARKED == (1, 2, 3)).all(axis=2), 0, 255),
        ),
        (
            png(DEEP, bits=16)[:33] + TRANSPARENT_GREY + png(DEEP, bits=16)[33:],
            in_three((DEEP / 257).round()),
            np.where(DEEP == 1000, 0, 255),
        ),
        (png(MANY, bits=16), (MANY / 257).round(), None),
    ],
    ids=["grey", "grey, alpha", "1 bit", "palette", "transparent colour", "deep grey", "deep RGB"],
)
def test_every_mode_becomes_rgb_and_its_alpha(data, pixels, alpha):
    photo = decode_photo(data)
    assert np.array_equal(photo.pixels, pixels)
    assert photo.alpha is None if alpha is None else np.array_equal(photo.alpha, alpha)


def test_sixteen_bit_grey_is_scaled_over_the_whole_range():
    deep = np.linspace(0, 65535, 96 * 80).reshape(80, 96).round().astype(np.uint16)
    photo = decode_photo(png(deep, bits=16))
    assert np.abs(photo.pixels[:, :, 0] - deep / 257).max() <= 0.5
    assert (photo.pixels.min(), photo.pixels.max()) == (0, 255)


def test_cmyk_is_converted_and_its_profile_is_not_kept():
    cmyk = Image.fromarray(scene()).convert("CMYK")
    profile = SRGB[:16] + b"CMYK" + SRGB[20:]
    data = encoded(cmyk, "JPEG", quality=100, subsampling=0, icc_profile=profile)
    photo = decode_photo(data)
    assert opened(data).mode == "CMYK"
    assert photo.icc_profile is None
    assert np.abs(photo.pixels.astype(int) - scene()).mean() < 2


def test_grey_samples_are_taken_as_they_are_with_a_profile_of_their_own():
    grey = np.full((80, 96), 55, np.uint8)
    photo = decode_photo(encoded(grey, "PNG", icc_profile=linear_grey_profile()))
    assert (photo.pixels == 55).all()
    assert photo.grey
    assert photo.icc_profile == linear_grey_profile()


def test_a_grey_mask_with_a_profile_of_its_own_goes_through_it_to_srgb():
    grey = np.full((80, 96), 55, np.uint8)
    mask = decode_mask(encoded(grey, "PNG", icc_profile=linear_grey_profile()))
    # Linear 55/255 = 0.2157; sRGB: 1.055 * 0.2157 ** (1 / 2.4) - 0.055 = 0.5020.
    assert np.abs(mask.astype(int) - 128).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientation_is_applied_as_pillow_does(kind, orientation):
    exif = exif_with_thumbnail(orientation, b"", b"")
    data = encoded(scene(), kind, exif=exif)
    photo = decode_photo(data)
    assert np.array_equal(photo.pixels, np.array(ImageOps.exif_transpose(opened(data))))
    assert photo.stored_size == (96, 80)
    assert photo.size == ((80, 96) if orientation >= 5 else (96, 80))


def test_alpha_turns_with_the_colours():
    rgba = scene(channels=4)
    photo = decode_photo(encoded(rgba, "PNG", exif=exif_with_thumbnail(6, b"", b"")))
    assert np.array_equal(photo.alpha, np.rot90(rgba[:, :, 3], -1))


@pytest.mark.parametrize(
    "tiff", [b"nonsense", b"II*\0\xff\xff\xff\x7f", b"II*\0\x08\0\0\0\xff\xff"]
)
def test_a_photo_with_broken_exif_loads_as_it_is_stored(tiff):
    photo = decode_photo(encoded(scene(), "PNG", exif=b"Exif\0\0" + tiff))
    assert np.array_equal(photo.pixels, scene())


def test_the_first_picture_of_a_phones_jpeg_with_several_counts():
    first, second = Image.fromarray(scene()), Image.fromarray(scene(seed=1))
    data = encoded(first, "MPO", save_all=True, append_images=[second])
    photo = decode_photo(data)
    assert opened(data).format == "MPO"
    assert photo.format == "JPEG"
    assert np.array_equal(photo.pixels, np.array(opened(data)))


@pytest.mark.parametrize("samples", [1, 3, 4])
@pytest.mark.parametrize("size", [(64, 64), (65, 71), (100, 67)])
def test_interlaced_png_loads(samples, size):
    pixels = scene(*size, channels=samples)
    photo = decode_photo(png(pixels, interlaced=True))
    shown = pixels[:, :, None] if samples == 1 else pixels[:, :, :3]
    assert (photo.pixels == shown).all()


@pytest.mark.parametrize("split", [1, 100])
def test_pixels_spread_over_several_chunks_load(split):
    data = png(scene())
    start = data.index(b"IDAT") + 4
    packed = data[start : data.index(b"IEND") - 8]
    parts = [packed[:split], packed[split:]]
    chunks = b"".join(png_chunk(b"IDAT", part) for part in parts)
    whole = data[: start - 8] + chunks + png_chunk(b"IEND", b"")
    assert zlib.decompress(packed)
    assert np.array_equal(decode_photo(whole).pixels, scene())


def test_other_pixels_must_have_the_photos_size():
    photo = decode_photo(png(scene()))
    with pytest.raises(PawfectError, match=r"UINT8 \[80, 96, 3\], got uint8 \[64, 64, 3\]"):
        photo.with_pixels(scene(64, 64))
