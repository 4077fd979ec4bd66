"""Every format that people send is read, and what a format can hold of a photo is written."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.tensors import MAX_PIXELS, MAX_SIDE
from pawfect.photo.formats import FORMATS, WRITTEN, WRITTEN_AS
from pawfect.photo.saving import check_format, losses
from pawfect_client import decode_mask, decode_photo, encode_photo, load_photo
from tests.pawfect.photo.pictures import (
    SRGB,
    encoded,
    linear_grey_profile,
    opened,
    png,
    scene,
)
from tests.refusals import refusal

FILES = Path(__file__).parent / "files"
CASES = Path(__file__).parents[2] / "cases"
# Colours of the quarters of the pictures in FILES.
RED, GREEN, BLUE, YELLOW = (200, 40, 40), (40, 180, 60), (50, 60, 190), (220, 210, 60)
# From the metre, in which PNG counts, and from whole numbers.
DPI = pytest.approx((300, 300), abs=0.51)


def corners(pixels):
    """The colours near the corners, row by row."""
    return [tuple(map(int, pixels[y, x])) for y in (10, -10) for x in (10, -10)]


def near(colours):
    return [pytest.approx(colour, abs=3) for colour in colours]


def test_a_heic_is_read_as_it_is_seen_with_its_profile():
    photo = load_photo(FILES / "turned.heic")
    assert (photo.format, photo.size, photo.lossless) == ("HEIF", (80, 96), False)
    # Stored red, green, blue, yellow; turned a quarter to the right.
    assert corners(photo.pixels) == near([BLUE, RED, YELLOW, GREEN])
    # Behind the header, which says when it was made.
    assert photo.icc_profile[128:] == SRGB[128:]
    exif = Image.Exif()
    exif.load(photo.exif)
    assert (exif[0x0112], exif[0x010F]) == (1, "Camera of a test")


@pytest.mark.parametrize(
    ("name", "colours", "alpha", "grey"),
    [
        ("several.heic", [GREEN, BLUE, YELLOW, RED], None, False),
        ("alpha.heic", [RED, GREEN, BLUE, YELLOW], [255, 0, 255, 0], False),
        ("deep.heic", [RED, GREEN, BLUE, YELLOW], None, False),
        ("grey.heic", [(200,) * 3, (40,) * 3, (50,) * 3, (220,) * 3], None, True),
    ],
)
def test_of_a_heic_the_primary_picture_counts_in_every_mode(name, colours, alpha, grey):
    photo = load_photo(FILES / name)
    assert corners(photo.pixels) == near(colours)
    assert photo.grey is grey
    if alpha is None:
        assert photo.alpha is None
    else:
        assert [int(photo.alpha[y, x]) for y in (10, -10) for x in (10, -10)] == alpha


def test_a_heic_out_of_the_limits_is_refused():
    with pytest.raises(PawfectError, match="sides of 64 to 16384 px, got 17000x64"):
        load_photo(FILES / "wide.heic")


@pytest.mark.parametrize("size", [(64, 64), (97, 80), (4000, 4000), (12_000, 9000)])
def test_a_heic_whose_header_lies_is_refused(size):
    data = (FILES / "several.heic").read_bytes()
    parts = data.split(b"ispe")
    assert len(parts) > 1
    lie = b"ispe" + bytes(4) + struct.pack(">II", *size)
    with pytest.raises(PawfectError, match="a whole HEIC, got a truncated or broken one"):
        decode_photo(lie.join([parts[0], *(part[12:] for part in parts[1:])]))


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_a_bomb_of_3600_megapixels_is_refused_by_its_header(kind):
    heic = (FILES / "turned.heic").read_bytes()
    data = bytearray(heic if kind == "HEIF" else encoded(scene(), "AVIF"))
    at = data.index(b"ispe") + 8
    data[at : at + 8] = struct.pack(">II", 60_000, 60_000)
    with pytest.raises(PawfectError, match="expected"):
        decode_photo(bytes(data))


def test_a_heic_with_an_item_whose_type_is_no_text_is_refused():
    data = (FILES / "turned.heic").read_bytes()
    broken = data.replace(b"Exif\0", b"\xb1xif\0", 1)
    assert broken != data
    with pytest.raises(PawfectError, match="an item without a name"):
        decode_photo(broken)


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "GIF"])
def test_other_lossless_formats_are_read_as_they_are(kind):
    picture = Image.fromarray(scene()).quantize(64) if kind == "GIF" else scene()
    data = encoded(picture, kind)
    photo = decode_photo(data)
    assert photo.lossless
    assert np.array_equal(photo.pixels, np.array(opened(data).convert("RGB")))


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1"])
def test_a_tiff_of_any_packing_is_read(mode, compression):
    picture = Image.fromarray(scene()).convert(mode)
    data = encoded(picture, "TIFF", **({"compression": compression} if compression else {}))
    assert np.array_equal(decode_photo(data).pixels, np.array(picture.convert("RGB")))


def test_of_a_tiff_a_second_smaller_page_is_no_second_picture():
    small = Image.fromarray(scene(64, 64))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    data = encoded(Image.fromarray(scene()), "TIFF", save_all=True, append_images=[small])
    assert opened(data).n_frames == 2
    assert np.array_equal(decode_photo(data).pixels, scene())


def test_of_an_animated_gif_the_first_frame_counts():
    frames = [Image.fromarray(scene(seed=seed)).quantize(64) for seed in range(3)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert opened(data).n_frames == 3
    assert np.array_equal(decode_photo(data).pixels, np.array(frames[0].convert("RGB")))


def test_a_gif_whose_screen_is_a_bomb_is_refused():
    data = bytearray(encoded(scene(), "GIF"))
    data[6:10] = struct.pack("<HH", 65535, 65535)
    with pytest.raises(PawfectError, match="expected at most 110 MP"):
        decode_photo(bytes(data))


@pytest.mark.parametrize("offset", [18, 22])
def test_a_bmp_whose_header_is_a_bomb_or_lies_is_refused(offset):
    for side, said in ((2_000_000, "expected"), (MAX_SIDE, "expected a whole BMP")):
        data = bytearray(encoded(scene(), "BMP"))
        data[offset : offset + 4] = struct.pack("<i", side)
        with pytest.raises(PawfectError, match=said):
            decode_photo(bytes(data))


@pytest.mark.parametrize("tag", [256, 257])
@pytest.mark.parametrize("side", [97, 5000, 2_000_000])
def test_a_tiff_whose_header_is_a_bomb_or_lies_is_refused(tag, side):
    data = bytearray(encoded(scene(), "TIFF", tiffinfo={305: "x"}))
    at = data.index(struct.pack("<H", tag), struct.unpack_from("<I", data, 4)[0])
    data[at : at + 12] = struct.pack("<HHII", tag, 4, 1, side)
    with pytest.raises(PawfectError, match="expected"):
        decode_photo(bytes(data))


def test_a_tiff_of_floats_is_refused():
    picture = Image.fromarray(np.zeros((80, 96), np.float32))
    with pytest.raises(PawfectError, match="8 or 16 bits per channel of RGB, grey, CMYK"):
        decode_photo(encoded(picture, "TIFF"), "cat.tif")


@pytest.mark.parametrize("kind", ["AVIF", "TIFF", "BMP", "GIF"])
def test_masks_come_in_the_same_formats(kind):
    mask = np.zeros((80, 96), np.uint8)
    mask[20:50, 30:60] = 255
    read = decode_mask(encoded(Image.fromarray(mask), kind))
    assert np.array_equal(read >= 128, mask >= 128)


@pytest.mark.parametrize("kind", [kind for kind in WRITTEN if kind != "AVIF"])
def test_grey_stays_one_channel(kind):
    photo = decode_photo(encoded(scene(channels=1), "PNG"))
    again = opened(encode_photo(photo, kind))
    assert again.mode == "RGB" if kind == "WEBP" else again.mode == "L"
    if FORMATS[kind].lossless is not False:
        assert np.array_equal(np.array(again.convert("L")), scene(channels=1))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_and_alpha_stay_two_channels(kind):
    pair = scene(channels=2)
    again = opened(encode_photo(decode_photo(png(pair)), kind))
    assert np.array_equal(np.array(again), pair)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_grey_keeps_its_profile_with_its_samples(kind):
    data = encoded(scene(channels=1), "PNG", icc_profile=linear_grey_profile())
    again = opened(encode_photo(decode_photo(data), kind))
    assert again.info["icc_profile"] == linear_grey_profile()


def test_a_colour_in_the_hole_of_a_grey_photo_is_written_as_its_luma():
    photo = decode_photo(encoded(scene(channels=1), "PNG"))
    pixels = photo.pixels.copy()
    pixels[40, 40] = (255, 0, 0)
    written = np.array(opened(encode_photo(photo.with_pixels(pixels), "PNG")))
    expected = scene(channels=1)
    expected[40, 40] = 76  # 0.299 of 255
    assert np.array_equal(written, expected)


@pytest.mark.parametrize("source", ["PNG", "JPEG", "TIFF", "BMP"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_the_resolution_is_kept(source, kind):
    photo = decode_photo(encoded(scene(), source, dpi=(300, 300)))
    assert photo.dpi == DPI
    assert opened(encode_photo(photo, kind)).info["dpi"] == DPI


def test_the_case_of_300_dpi_keeps_them_to_the_pixel_per_metre():
    photo = load_photo(CASES / "dpi.png")
    chunk = struct.pack(">4sIIB", b"pHYs", 11811, 11811, 1)
    assert chunk in (CASES / "dpi.png").read_bytes()
    assert chunk in encode_photo(photo, "PNG")
    assert opened(encode_photo(photo, "JPEG")).info["dpi"] == (300, 300)


@pytest.mark.parametrize("side", [0.0, 0.001, 1e9])
def test_a_resolution_that_cannot_be_meant_is_none(side):
    image = Image.fromarray(scene())
    assert decode_photo(encoded(image, "TIFF", resolution=side)).dpi is None


@pytest.mark.parametrize(
    ("photo", "kind", "lost"),
    [
        (png(scene().astype(np.uint16) * 200, bits=16), "JPEG", ("8 of its 16 bits per channel",)),
        (png(scene().astype(np.uint16) * 200, bits=16), "TIFF", ()),
        (encoded(scene(), "PNG", icc_profile=SRGB), "BMP", ("colour profile",)),
        (encoded(scene(), "PNG", icc_profile=SRGB), "WEBP", ()),
    ],
)
def test_what_a_format_does_not_hold_is_known(photo, kind, lost):
    assert losses(decode_photo(photo), kind) == lost


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
@pytest.mark.parametrize("quality", [10, 90])
def test_the_quality_is_the_one_that_is_asked(kind, quality):
    photo = decode_photo(encoded(scene(), "PNG"))
    options = {"WEBP": {"method": 4}, "AVIF": {"subsampling": "4:4:4"}}[kind]
    assert encode_photo(photo, kind, quality) == encoded(scene(), kind, quality=quality, **options)


@pytest.mark.parametrize(
    ("kind", "quality", "said"),
    [
        ("PNG", 80, "quality: expected one of JPEG, WebP, AVIF, got PNG, which loses nothing"),
        ("JPEG", 0, "quality: expected 1 to 100, got 0"),
        ("JPEG", 101, "quality: expected 1 to 100, got 101"),
    ],
)
def test_a_quality_that_means_nothing_is_refused(kind, quality, said):
    photo = decode_photo(encoded(scene(), "PNG"))
    assert refusal(ErrorKind.INVALID_ARG, encode_photo, photo, kind, quality) == said


def test_webp_ends_below_the_largest_photo():
    photo = decode_photo(encoded(np.zeros((64, MAX_SIDE), np.uint8), "PNG"))
    said = refusal(ErrorKind.INVALID_ARG, check_format, photo, "WEBP", "cat.webp")
    assert said == (
        "cat.webp: expected sides of at most 16383 px, which is where WebP ends, got 16384x64"
    )
    check_format(photo, "JPEG", "cat.jpg")


def test_what_is_only_read_has_a_format_to_be_written_as():
    assert set(WRITTEN_AS) == set(FORMATS) - set(WRITTEN)
    assert set(WRITTEN_AS.values()) <= set(WRITTEN)


def test_the_largest_photo_is_one_of_a_phone_of_108_megapixels():
    assert MAX_PIXELS >= 12_000 * 9_000
    assert decode_photo(encoded(np.zeros((64, 12_000), np.uint8), "PNG")).size == (12_000, 64)
