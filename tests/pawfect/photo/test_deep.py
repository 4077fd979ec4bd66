"""16 bits per channel stay 16: outside a hole bit for bit, inside as the fill's 8 bits scaled."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from pawfect.contract.errors import PawfectError
from pawfect.photo.deep import in_16_bits, to_8_bits
from pawfect_client import decode_photo, encode_photo, load_photo
from tests.pawfect.photo.pictures import (
    SRGB,
    encoded,
    exif_with_thumbnail,
    opened,
    png,
    png_chunk,
    scene,
)

CASES = Path(__file__).parents[2] / "cases"


def deep(channels: int):
    """UINT16 [80, 96, channels], every bit in use."""
    rng = np.random.default_rng(channels)
    return rng.integers(0, 65536, (80, 96, channels)).astype(np.uint16)


def tiff(samples, **options) -> bytes:
    sink = io.BytesIO()
    colour = "rgb" if samples.shape[2] >= 3 else "minisblack"
    extra = {"extrasamples": ["unassalpha"]} if samples.shape[2] in (2, 4) else {}
    squeezed = samples[:, :, 0] if samples.shape[2] == 1 else samples
    tifffile.imwrite(sink, squeezed, photometric=colour, **extra, **options)
    return sink.getvalue()


def read_back(data: bytes, kind: str):
    decode = imagecodecs.png_decode if kind == "PNG" else imagecodecs.tiff_decode
    found = decode(data)
    return found if found.ndim == 3 else found[:, :, None]


def test_rounding_to_8_bits_is_to_the_nearest_and_back_is_exact():
    every = np.arange(65536, dtype=np.uint16)
    assert np.array_equal(to_8_bits(every), np.round(every / 257).astype(np.uint8))
    shallow = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_8_bits(in_16_bits(shallow)), shallow)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(
    ("source", "channels"),
    [
        *((source, channels) for source in ("png", "interlaced") for channels in (1, 2, 3, 4)),
        # Pillow knows no TIFF of grey and alpha.
        *((f"tiff{kind}", channels) for kind in ("", "-be", "-tiles") for channels in (1, 3, 4)),
    ],
)
def test_16_bits_in_are_16_bits_out(source, kind, channels):
    samples = deep(channels)
    files = {
        "png": lambda: png(samples, bits=16),
        "interlaced": lambda: png(samples, bits=16, interlaced=True),
        "tiff": lambda: tiff(samples),
        "tiff-be": lambda: tiff(samples, byteorder=">"),
        "tiff-tiles": lambda: tiff(samples, tile=(32, 32)),
    }
    photo = decode_photo(files[source]())
    assert np.array_equal(photo.deep, samples)
    assert photo.grey is (channels < 3)
    assert np.array_equal(photo.pixels[:, :, 0], to_8_bits(samples[:, :, 0]))
    assert np.array_equal(read_back(encode_photo(photo, kind), kind), samples)


@pytest.mark.parametrize("packing", [{"compression": "lzw"}, {"compression": "zlib"}])
@pytest.mark.parametrize("predictor", [True, False])
def test_a_packed_tiff_of_16_bits_is_read(packing, predictor):
    samples = deep(3)
    assert np.array_equal(decode_photo(tiff(samples, predictor=predictor, **packing)).deep, samples)


def test_a_tiff_with_a_plane_per_channel_is_read():
    samples, planes = deep(3), np.moveaxis(deep(3), 2, 0)
    data = tiff(np.ascontiguousarray(planes), planarconfig="separate")
    assert np.array_equal(decode_photo(data).deep, samples)


def test_only_what_the_fill_changed_changes_and_that_is_scaled():
    photo = load_photo(CASES / "deep16.png")
    before = photo.deep.copy()
    pixels = photo.pixels.copy()
    pixels[50:60, 70:90] = (10, 200, 30)
    filled = photo.with_pixels(pixels)
    changed = np.zeros(before.shape[:2], bool)
    changed[50:60, 70:90] = True
    assert np.array_equal(filled.deep[~changed], before[~changed])
    assert (filled.deep[changed] == np.array([10, 200, 30], np.uint16) * 257).all()
    assert np.array_equal(photo.deep, before)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_colour_and_alpha_are_each_changed_alone(channels):
    photo = decode_photo(png(deep(channels), bits=16))
    pixels = photo.pixels.copy()
    pixels[10:20, 10:20] ^= 255
    alpha = None if photo.alpha is None else photo.alpha.copy()
    if alpha is not None:
        alpha[40:50, 40:50] ^= 255
    filled = photo.with_pixels(pixels, alpha).deep
    expected = deep(channels)
    colours = 1 if channels < 3 else 3
    luma = pixels if colours == 3 else pixels[:, :, :1]
    expected[10:20, 10:20, :colours] = luma[10:20, 10:20].astype(np.uint16) * 257
    if alpha is not None:
        expected[40:50, 40:50, colours] = alpha[40:50, 40:50].astype(np.uint16) * 257
    assert np.array_equal(filled, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_they_are_turned_upright_as_the_8_bits_are(orientation):
    samples = deep(3)
    exif = png_chunk(b"eXIf", exif_with_thumbnail(orientation, b"", b"")[6:])
    data = png(samples, bits=16)
    photo = decode_photo(data[:33] + exif + data[33:])
    small = decode_photo(encoded(to_8_bits(samples), "PNG", exif=b"Exif\0\0" + exif[8:-4]))
    assert np.array_equal(photo.pixels, small.pixels)
    assert np.array_equal(to_8_bits(photo.deep), photo.pixels)


def test_a_tiff_of_16_bits_is_turned_once():
    samples = deep(3)
    photo = decode_photo(tiff(samples, extratags=[(274, 3, 1, 6, True)]))
    assert np.array_equal(photo.deep, np.rot90(samples, -1))
    assert np.array_equal(photo.pixels, to_8_bits(photo.deep))
    assert opened(encode_photo(photo, "TIFF")).getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_metadata_go_along(kind):
    photo = decode_photo(
        encoded(
            scene(), "JPEG", dpi=(300, 300), icc_profile=SRGB, exif=exif_with_thumbnail(1, b"", b"")
        )
    )
    samples = deep(3)
    again = opened(encode_photo(_with_deep(photo, samples), kind))
    assert np.array_equal(read_back(encode_photo(_with_deep(photo, samples), kind), kind), samples)
    assert again.info["icc_profile"] == SRGB
    assert again.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    assert again.getexif()[0x010F] == "Camera of a test"


def _with_deep(photo, samples):
    return replace(photo, deep=samples)


@pytest.mark.parametrize("kind", [np.int16, np.float16])
def test_other_samples_of_16_bits_are_refused(kind):
    with pytest.raises(PawfectError, match=r"^PAWFECT_INVALID_ARG: cat\.tif: expected"):
        decode_photo(tiff(deep(3).view(kind)), "cat.tif")


def test_premultiplied_alpha_of_16_bits_is_refused():
    sink = io.BytesIO()
    tifffile.imwrite(sink, deep(4), photometric="rgb", extrasamples=["assocalpha"])
    with pytest.raises(PawfectError, match="plain alpha, got premultiplied alpha"):
        decode_photo(sink.getvalue())
