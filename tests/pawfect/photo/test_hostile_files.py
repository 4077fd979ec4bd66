"""Files that are cut off, lie, or are something else are refused, and the message says why."""

from __future__ import annotations

import contextlib
import os
import re
import struct
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.photo.heif_data import check_heif_items
from pawfect.photo.tiff_file import encode_tiff
from pawfect_client import decode_mask, decode_photo, load_photo
from tests.pawfect.photo.pictures import encoded, exif_with_thumbnail, png, png_chunk, scene

FILES = Path(__file__).parent / "files"
KINDS = {
    "jpeg": encoded(scene(), "JPEG"),
    "progressive": encoded(scene(), "JPEG", progressive=True),
    "jpeg-with-thumbnail": encoded(
        scene(), "JPEG", exif=exif_with_thumbnail(1, encoded(scene(64, 64), "JPEG"), b"")
    ),
    "png": encoded(scene(), "PNG"),
    "interlaced": png(scene(), interlaced=True),
    "webp": encoded(scene(), "WEBP"),
    "lossless": encoded(scene(), "WEBP", lossless=True),
    "tiff": encoded(scene(), "TIFF"),
    "tiff-lzw": encoded(scene(), "TIFF", compression="tiff_lzw"),
    "tiff-jpeg": encoded(scene(), "TIFF", compression="jpeg", quality=90),
    "deep-tiff": encode_tiff(scene().astype(np.uint16) * 200),
    "deep-png": png(scene().astype(np.uint16) * 200, bits=16),
    "avif": encoded(scene(), "AVIF"),
    "heic": (FILES / "turned.heic").read_bytes(),
    "bmp": encoded(scene(), "BMP"),
    "gif": encoded(scene(), "GIF"),
}
# Bytes at the end that are no pixels, and that a picture may lack: JPEG's end mark; GIF's end of
# the pixels' code, of the block, and of the file.
END_MARKS = {"jpeg": 2, "progressive": 2, "jpeg-with-thumbnail": 2, "gif": 4}


def refusal(data: bytes) -> str:
    """The message with which a file is refused."""
    with pytest.raises(PawfectError) as caught:
        decode_photo(data, "PHOTO")
    assert caught.value.kind is ErrorKind.INVALID_ARG
    assert "Traceback" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_anywhere_is_refused(kind):
    data = KINDS[kind]
    step = max(len(data) // 150, 1)
    end = len(data) - END_MARKS.get(kind, 0)
    for cut in sorted({*range(0, end, step), *range(end - 40, end)}):
        assert "expected" in refusal(data[:cut])


@pytest.mark.parametrize("lacking", [1, 2])
@pytest.mark.parametrize("kind", END_MARKS)
def test_a_file_that_lacks_its_end_mark_alone_is_read(kind, lacking):
    data = KINDS[kind]
    photo = decode_photo(data[:-lacking])
    assert np.array_equal(photo.pixels, decode_photo(data).pixels)


def test_a_progressive_jpeg_cut_off_between_two_scans_is_refused():
    data = KINDS["progressive"]
    scans = [match.start() for match in re.finditer(rb"\xff\xda", data)]
    assert len(scans) > 5
    for start in scans[1:]:
        assert "expected" in refusal(data[:start])


@given(data=st.data(), kind=st.sampled_from(sorted(KINDS)))
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_loads_at_its_size_or_is_refused(data, kind):
    content = bytearray(KINDS[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PawfectError):
        photo = decode_photo(bytes(content))
        assert photo.pixels.dtype == np.uint8
        assert photo.pixels.shape[2] == 3


@pytest.mark.parametrize(
    ("declared", "limit"),
    [
        ((60_000, 60_000), "at most 110 MP, got 3600.0 MP"),
        ((10_500, 10_480), "at most 110 MP, got 110.0 MP"),
        ((17_000, 100), "sides of 64 to 16384 px, got 17000x100"),
        ((63, 80), "sides of 64 to 16384 px, got 63x80"),
    ],
)
def test_a_size_out_of_the_limits_is_refused_before_any_pixel_is_decoded(declared, limit):
    data = png(scene(), declared=declared)
    tracemalloc.start()
    started = time.monotonic()
    message = refusal(data)
    spent = time.monotonic() - started
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert limit in message
    assert spent < 0.5
    assert peak < 5e6


def test_a_webp_whose_canvas_is_a_bomb_is_refused():
    canvas = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xfe\x3f\0\xfe\x3f\0"
    picture = encoded(scene(), "WEBP")[12:]
    body = b"WEBP" + canvas + picture
    message = refusal(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert "expected at most 110 MP" in message or "broken" in message


@pytest.mark.parametrize(("kind", "frame"), [("jpeg", b"\xff\xc0"), ("progressive", b"\xff\xc2")])
@pytest.mark.parametrize("rows", [90, 200, 4000])
def test_a_jpeg_that_declares_more_rows_than_it_holds_is_refused(kind, frame, rows):
    data = bytearray(KINDS[kind])
    at = data.index(frame)
    data[at + 5 : at + 7] = struct.pack(">H", rows)
    assert "truncated or broken one (data are missing)" in refusal(bytes(data))


@pytest.mark.parametrize("share", [0.4, 0.7, 0.95])
def test_a_jpeg_cut_off_and_closed_with_an_end_mark_is_refused(share):
    data = KINDS["jpeg"]
    assert "expected" in refusal(data[: int(len(data) * share)] + b"\xff\xd9")


def test_a_jpeg_with_fill_bytes_and_a_trailer_is_whole():
    data = KINDS["jpeg"]
    photo = decode_photo(data[:-2] + b"\xff\xff\xff\xd9" + b"a maker's trailer\xff\xd9")
    assert np.array_equal(photo.pixels, decode_photo(data).pixels)


@pytest.mark.parametrize("declared", [(96, 79), (96, 81), (95, 80), (97, 80), (80, 96), (4000, 99)])
def test_a_png_that_declares_another_size_than_it_holds_is_refused(declared):
    assert "of pixels that it declares" in refusal(png(scene(), declared=declared))


def test_a_png_whose_pixels_are_a_bomb_is_refused_without_inflating_it():
    tall = np.zeros((20_000, 4000), np.uint8)
    data = png(tall, declared=(4000, 100))
    tracemalloc.start()
    message = refusal(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "got more" in message
    assert peak < 10e6


def test_a_png_with_a_wrong_checksum_is_refused():
    data = bytearray(KINDS["png"])
    data[data.index(b"IDAT") + 30] ^= 0xFF
    assert "a checksum is wrong" in refusal(bytes(data))


@pytest.mark.parametrize(
    ("chunk", "before"),
    [
        (b"zTXt", b"Comment\0\0"),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"),
        (b"iCCP", b"profile\0\0"),
    ],
)
def test_a_text_bomb_in_a_png_is_refused(chunk, before):
    bomb = before + zlib.compress(bytes(80_000_000))
    data = KINDS["png"]
    whole = data[:33] + png_chunk(chunk, bomb) + data[33:]
    assert "expected" in refusal(whole)


@pytest.mark.parametrize(
    ("kind", "got"),
    [
        ("PNG", "a still picture, got an animated PNG of 3 frames"),
        ("WEBP", "a still picture, got an animated WebP of 3 frames"),
        ("AVIF", "a still picture, got an animated AVIF of 3 frames"),
        ("TIFF", "a single picture, got a TIFF of several pages"),
    ],
)
def test_an_animation_and_a_file_of_several_pages_are_refused(kind, got):
    frames = [Image.fromarray(scene(seed=seed)) for seed in range(3)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert f"expected {got}" in refusal(data)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "an empty file"),
        (b"Just a note, saved as photo.png\n", "text"),
        (b"GIF89a" + bytes(20), "a truncated or broken GIF"),
        (b"BM" + bytes(60), "a truncated or broken BMP, or one of an unknown kind"),
        (b"II*\0" + bytes(60), "a truncated or broken TIFF, or one of an unknown kind"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a truncated or broken HEIC"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "a film"),
        (b"%PDF-1.7 \xff", "a PDF"),
        (b"\x01\x02\x03\x04" * 40, "something else"),
        (b"\xff\xd8\xff\xe0\0\x10", "a truncated or broken JPEG"),
    ],
)
def test_another_kind_of_file_is_named(data, what):
    expected = "a JPEG, PNG, WebP, TIFF, AVIF, HEIC, BMP or GIF file"
    assert refusal(data) == f"PHOTO: expected {expected}, got {what}"


def test_a_kind_that_another_program_would_draw_is_not_opened():
    # Pillow hands it to Ghostscript, which runs it.
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 96 80\n%%EndComments\nshowpage\n"
    assert refusal(postscript).endswith("got text")


def test_an_item_of_a_heic_whose_type_is_no_text_never_reaches_the_decoder():
    entry = b"infe\x02\0\0\0" + bytes(4) + b"\xff\xfe\xfd\xfc"
    with pytest.raises(PawfectError, match="an item without a name"):
        check_heif_items((len(entry) + 4).to_bytes(4, "big") + entry, "PHOTO")


@pytest.mark.parametrize("make", ["missing", "folder"])
def test_a_file_that_cannot_be_read_is_refused_by_its_name_alone(tmp_path, make):
    path = tmp_path / "cat.jpg"
    if make == "folder":
        path.mkdir()
    with pytest.raises(PawfectError) as caught:
        load_photo(path)
    reason = {"missing": "No such file or directory", "folder": "Is a directory"}[make]
    assert caught.value.message == f"cat.jpg: expected a readable file, got {reason}"


def test_a_stream_without_end_is_refused(monkeypatch):
    monkeypatch.setattr("pawfect.photo.image_file.MAX_FILE_BYTES", 2**20)
    with pytest.raises(PawfectError, match="expected a file of at most 1 MiB, got a larger one"):
        load_photo("/dev/zero")


def test_a_pipe_is_read(tmp_path):
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    child = os.fork()
    if child == 0:
        pipe.write_bytes(KINDS["png"])
        os._exit(0)
    photo = load_photo(pipe)
    os.waitpid(child, 0)
    assert np.array_equal(photo.pixels, scene())


def test_masks_are_checked_by_the_same_rules():
    with pytest.raises(PawfectError, match=r"MASK: expected at most 110 MP, got 3600\.0 MP"):
        decode_mask(png(scene(), declared=(60_000, 60_000)), None, "MASK")
