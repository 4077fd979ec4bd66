"""Sixty pictures of ten formats and every mode: each is filled, or refused with the reason."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.local import inpaint_local
from pawfect.photo.formats import FORMATS, WRITTEN_AS
from pawfect_client import Inpainted, decode_photo, encode_photo
from pawfect_client.photos import inpaint_photo
from tests.pawfect.photo.pictures import SRGB, encoded, exif_with_thumbnail, png, scene

FILES = Path(__file__).parent / "files"
RGB = Image.fromarray(scene())
RGBA = Image.fromarray(scene(channels=4))
GREY = Image.fromarray(scene(channels=1))
PALETTE = RGB.quantize(64)
FRAMES = [Image.fromarray(scene(seed=seed)) for seed in range(3)]
DEEP = {
    channels: scene(channels=channels or 1).astype(np.uint16) * 257 + 3 for channels in (1, 3, 4)
}
PAIR = scene(channels=2)


def moving(kind: str, frames=FRAMES) -> bytes:
    # Pillow writes its options into the pictures that it is given.
    first, *others = (frame.copy() for frame in frames)
    return encoded(first, kind, save_all=True, append_images=others)


def tiff(samples, **options) -> bytes:
    sink = io.BytesIO()
    colour = "rgb" if samples.ndim == 3 else "minisblack"
    extra = {"extrasamples": ["unassalpha"]} if samples.shape[-1] == 4 else {}
    tifffile.imwrite(sink, samples, photometric=colour, **extra, **options)
    return sink.getvalue()


FILLED: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: encoded(RGB, "JPEG", quality=90),
    "jpeg grey": lambda: encoded(GREY, "JPEG"),
    "jpeg cmyk": lambda: encoded(RGB.convert("CMYK"), "JPEG"),
    "jpeg progressive": lambda: encoded(RGB, "JPEG", progressive=True),
    "jpeg 4:4:4 with profile": lambda: encoded(RGB, "JPEG", subsampling=0, icc_profile=SRGB),
    "jpeg turned": lambda: encoded(RGB, "JPEG", exif=exif_with_thumbnail(6, b"", b"")),
    "jpeg of several": lambda: moving("MPO"),
    "jpeg without end mark": lambda: encoded(RGB, "JPEG")[:-2],
    "png": lambda: encoded(RGB, "PNG"),
    "png bits": lambda: encoded(GREY.convert("1"), "PNG"),
    "png grey": lambda: encoded(GREY, "PNG"),
    "png grey, alpha": lambda: png(PAIR),
    "png palette": lambda: encoded(PALETTE, "PNG"),
    "png palette, alpha": lambda: encoded(PALETTE, "PNG", transparency=3),
    "png alpha": lambda: encoded(RGBA, "PNG"),
    "png clear colour": lambda: encoded(RGB, "PNG", transparency=tuple(map(int, scene()[0, 0]))),
    "png interlaced": lambda: png(scene(), interlaced=True),
    "png turned": lambda: encoded(RGB, "PNG", exif=exif_with_thumbnail(3, b"", b"")),
    "png 16 grey": lambda: png(DEEP[1], bits=16),
    "png 16": lambda: png(DEEP[3], bits=16),
    "png 16 alpha": lambda: png(DEEP[4], bits=16),
    "webp": lambda: encoded(RGB, "WEBP"),
    "webp alpha": lambda: encoded(RGBA, "WEBP"),
    "webp lossless": lambda: encoded(RGB, "WEBP", lossless=True),
    "webp lossless alpha": lambda: encoded(RGBA, "WEBP", lossless=True, exact=True),
    "tiff": lambda: encoded(RGB, "TIFF"),
    "tiff bits": lambda: encoded(GREY.convert("1"), "TIFF"),
    "tiff grey": lambda: encoded(GREY, "TIFF"),
    "tiff grey, alpha": lambda: encoded(Image.fromarray(PAIR, "LA"), "TIFF"),
    "tiff palette": lambda: encoded(PALETTE, "TIFF"),
    "tiff alpha": lambda: encoded(RGBA, "TIFF"),
    "tiff cmyk": lambda: encoded(RGB.convert("CMYK"), "TIFF"),
    "tiff lzw": lambda: encoded(RGB, "TIFF", compression="tiff_lzw"),
    "tiff jpeg": lambda: encoded(RGB, "TIFF", compression="jpeg"),
    "tiff 16 grey": lambda: tiff(DEEP[1]),
    "tiff 16": lambda: tiff(DEEP[3], compression="lzw", predictor=True),
    "tiff 16 alpha": lambda: tiff(DEEP[4], byteorder=">"),
    "tiff 16 tiles": lambda: tiff(DEEP[3], tile=(32, 32)),
    "avif": lambda: encoded(RGB, "AVIF"),
    "avif alpha": lambda: encoded(RGBA, "AVIF"),
    "avif grey": lambda: encoded(GREY, "AVIF"),
    "bmp": lambda: encoded(RGB, "BMP"),
    "bmp grey": lambda: encoded(GREY, "BMP"),
    "bmp palette": lambda: encoded(PALETTE, "BMP"),
    "gif": lambda: encoded(PALETTE, "GIF"),
    "gif moving": lambda: moving("GIF", [PALETTE, *FRAMES]),
    "heic": lambda: (FILES / "turned.heic").read_bytes(),
    "heic of several": lambda: (FILES / "several.heic").read_bytes(),
    "heic grey": lambda: (FILES / "grey.heic").read_bytes(),
    "heic 10 bits": lambda: (FILES / "deep.heic").read_bytes(),
}
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "webp moving": (lambda: moving("WEBP"), "a still picture, got an animated WebP of 3"),
    "png moving": (lambda: moving("PNG"), "a still picture, got an animated PNG of 3"),
    "avif moving": (lambda: moving("AVIF"), "a still picture, got an animated AVIF of 3"),
    "tiff pages": (lambda: moving("TIFF"), "a single picture, got a TIFF of several pages"),
    "tiff floats": (lambda: encoded(GREY.convert("F"), "TIFF"), "8 or 16 bits per channel"),
    "tiff 32 bits": (lambda: encoded(GREY.convert("I"), "TIFF"), "8 or 16 bits per channel"),
    "jpeg cut off": (lambda: FILLED["jpeg"]()[:-200], "with all the pixels that it declares"),
    "png cut off": (lambda: FILLED["png"]()[:-200], "a truncated or broken one"),
    "heic too wide": (lambda: (FILES / "wide.heic").read_bytes(), "got 17000x64"),
    "a note": (lambda: b"a note\n", "got text"),
}


def fill(image, mask, **request) -> Inpainted:
    given = {name: value for name, value in request.items() if value is not None}
    result = inpaint_local(image, mask, **given)
    return Inpainted(result.image, result.report)


def test_there_are_sixty():
    assert len(FILLED) + len(REFUSED) == 60
    assert {name.split()[0] for name in FILLED} == {row.title.lower() for row in FORMATS.values()}


# One of each format here, the others with all tests.
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if " " in name else ()) for name in FILLED],
)
def test_a_picture_is_filled_and_stays_outside_its_hole(name):
    photo = decode_photo(FILLED[name](), name)
    width, height = photo.size
    mask = np.zeros((height, width), np.uint8)
    mask[36:44, 40:52] = 255
    filled, report = inpaint_photo(fill, photo, mask, None, {"engine": "patch", "dilate_px": 2})
    assert report.hole_px >= 96
    kind = WRITTEN_AS.get(photo.format, photo.format)
    if kind == "BMP":
        assert photo.alpha is None
    again = decode_photo(encode_photo(filled, kind), name)
    assert again.size == photo.size
    assert (again.alpha is None) is (photo.alpha is None)
    assert (again.deep is None) is (photo.deep is None)
    # WebP and AVIF know no grey, GIF's palette none either.
    assert again.grey is photo.grey or kind in ("WEBP", "AVIF")
    outside = np.ones((height, width), bool)
    outside[30:50, 34:58] = False
    if again.lossless:
        assert np.array_equal(again.pixels[outside], photo.pixels[outside])
        if photo.alpha is not None:
            assert np.array_equal(again.alpha[outside], photo.alpha[outside])
        if photo.deep is not None:
            assert np.array_equal(again.deep[outside], photo.deep[outside])
    else:
        drift = np.abs(again.pixels.astype(int) - photo.pixels)[outside]
        assert drift.mean() < 4


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_photo_is_refused_with_the_reason(name):
    make, reason = REFUSED[name]
    with pytest.raises(PawfectError) as caught:
        decode_photo(make(), "cat")
    assert caught.value.kind is ErrorKind.INVALID_ARG
    assert caught.value.message.startswith("cat: expected")
    assert reason in caught.value.message
