"""What a header or a glance tells of a file is what its decoding gives."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pawfect.contract.errors import PawfectError
from pawfect.photo.photo import glance_at_jpeg, size_in_header
from pawfect_client import decode_photo
from tests.pawfect.photo.pictures import encoded, png, png_chunk, scene

WIDE = Image.fromarray(scene(96, 80))
END = b"\xff\xd9"


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def verdict(read, data: bytes) -> object:
    """The sizes, or the message of the error."""
    try:
        found = read(data)
    except PawfectError as error:
        return error.message
    return found.size, found.stored_size


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize(
    ("kind", "mode"),
    [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("WEBP", "RGB")]
    + [("TIFF", "RGB"), ("AVIF", "RGB")],
)
def test_the_size_is_the_one_that_is_seen(kind, mode, orientation):
    data = encoded(WIDE.convert(mode), kind, exif=turned(orientation))
    seen = (80, 96) if 5 <= orientation <= 8 else (96, 80)
    assert size_in_header(data).size == seen
    assert verdict(size_in_header, data) == verdict(decode_photo, data)
    if kind == "JPEG":
        assert verdict(glance_at_jpeg, data) == verdict(decode_photo, data)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_a_glance_refuses_what_decoding_refuses(options):
    whole = encoded(scene(200, 136), "JPEG", quality=80, **options)
    shares = np.linspace(0.02, 1, 40)
    cut = [whole[: int(len(whole) * share)] for share in shares]
    refused = 0
    for data in [*cut, *(part + END for part in cut), whole, whole + b"more"]:
        expected = verdict(decode_photo, data)
        assert verdict(glance_at_jpeg, data) == expected
        refused += isinstance(expected, str)
    assert 60 < refused < 82


def test_a_glance_leaves_other_formats_to_others():
    assert glance_at_jpeg(encoded(scene(), "PNG")) is None
    assert glance_at_jpeg(b"") is None


def test_exif_behind_the_pixels_of_a_png_counts_too():
    plain = png(scene(96, 80))
    end = plain.index(b"IEND") - 4
    exif = png_chunk(b"eXIf", turned(6).removeprefix(b"Exif\0\0"))
    data = plain[:end] + exif + plain[end:]
    assert size_in_header(data).size == decode_photo(data).size == (80, 96)
    assert size_in_header(plain).size == (96, 80)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_what_a_header_refuses_decoding_refuses_and_most_that_is_cut_off(kind):
    whole = encoded(scene(200, 136), kind)
    refused = 0
    for share in np.linspace(0, 0.99, 40):
        data = whole[: int(len(whole) * share)]
        if isinstance(verdict(size_in_header, data), str):
            refused += 1
            assert isinstance(verdict(decode_photo, data), str)
    # A WebP says where it ends at its start alone.
    assert refused == 40 if kind != "WEBP" else refused >= 1


def test_no_pixel_is_decoded():
    header = struct.pack(">IIBBBBB", 96, 80, 8, 2, 0, 0, 0)
    short = (b"IHDR", header), (b"IDAT", zlib.compress(b"few")), (b"IEND", b"")
    data = b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in short)
    assert size_in_header(data).size == (96, 80)
    with pytest.raises(PawfectError, match="pixels that it declares"):
        decode_photo(data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "an empty file"),
        (b"GIF89a" + bytes(20), "a truncated or broken GIF"),
        (b"hello", "text"),
        (encoded(scene(32, 32), "PNG"), "sides of 64 to 16384 px, got 32x32"),
        (png(scene(64, 64), declared=(20000, 20000)), "mask: expected"),
        (encoded(WIDE, "WEBP", save_all=True, append_images=[WIDE.rotate(90)]), "animated WebP"),
    ],
)
def test_what_is_no_photo_is_refused_by_its_name(data, said):
    with pytest.raises(PawfectError, match=r"^PAWFECT_INVALID_ARG: mask: expected") as caught:
        size_in_header(data, "mask")
    assert said in str(caught.value)
