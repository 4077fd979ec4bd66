"""A photo is written whole, with its profile, alpha and EXIF, and without other pictures of it."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.photo.saving import check_writable, output_format, plain_png, write_atomically
from pawfect_client import decode_photo, encode_photo, load_photo, save_photo
from tests.pawfect.photo.pictures import SRGB, encoded, exif_with_thumbnail, opened, png, scene
from tests.refusals import refusal

THUMBNAIL = encoded(scene(64, 48, seed=5), "JPEG")
NOTE = b"maker's note with a preview" * 3
KINDS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")


def phone_file() -> bytes:
    exif = exif_with_thumbnail(6, THUMBNAIL, NOTE)
    return encoded(scene(), "JPEG", exif=exif, icc_profile=SRGB)


@pytest.mark.parametrize("kind", KINDS)
def test_profile_and_exif_survive_upright_and_thumbnail_and_makers_note_are_gone(kind):
    source = phone_file()
    photo = decode_photo(source)
    data = encode_photo(photo, kind)
    saved = opened(data)
    exif = saved.getexif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    assert saved.info["icc_profile"] == SRGB
    # AVIF says it by what it does not hold.
    assert exif.get(ExifTags.Base.Orientation) == (None if kind == "AVIF" else 1)
    assert exif[ExifTags.Base.Make] == "Camera of a test"
    assert (gps[1], [float(part) for part in gps[2]]) == ("N", [48.0, 8.0, 30.0])
    assert (details[0xA002], details[0xA003]) == saved.size == (80, 96)

    assert THUMBNAIL in source
    assert NOTE in source
    assert THUMBNAIL[:100] not in data
    assert NOTE[:20] not in data
    assert exif.get_ifd(ExifTags.IFD.IFD1) == {}
    again = decode_photo(data)
    assert again.size == photo.size
    assert np.abs(again.pixels.astype(int) - photo.pixels).mean() < 4


def test_a_photo_without_exif_gets_none():
    photo = decode_photo(png(scene()))
    assert photo.exif is None
    assert "exif" not in opened(encode_photo(photo, "JPEG")).info


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_a_lossless_source_stays_bit_identical(kind):
    rgba = scene(channels=4)
    rgba[:40, :, 3] = 0
    again = decode_photo(encode_photo(decode_photo(png(rgba)), kind))
    assert np.array_equal(again.pixels, rgba[:, :, :3])
    assert np.array_equal(again.alpha, rgba[:, :, 3])
    assert again.lossless


def test_webp_of_a_lossy_source_is_lossy():
    photo = decode_photo(encoded(scene(), "JPEG"))
    assert not decode_photo(encode_photo(photo, "WEBP")).lossless


def test_jpeg_is_written_with_full_chroma_and_close_to_the_pixels():
    photo = decode_photo(png(scene()))
    saved = opened(encode_photo(photo, "JPEG"))
    assert [layer[1:3] for layer in saved.layer] == [(1, 1)] * 3
    assert np.abs(np.array(saved).astype(int) - photo.pixels).mean() < 4


@pytest.mark.parametrize("quality", [50, 85, 95])
def test_a_jpeg_is_written_at_the_quality_that_is_asked(quality):
    photo = decode_photo(encoded(scene(), "PNG"))
    expected = opened(encoded(scene(), "JPEG", quality=quality)).quantization
    assert opened(encode_photo(photo, "JPEG", quality)).quantization == expected


def test_a_photo_with_transparent_parts_is_not_flattened_into_jpeg(tmp_path):
    photo = decode_photo(png(scene(channels=4)))
    message = refusal(ErrorKind.INVALID_ARG, save_photo, photo, tmp_path / "cat.jpg")
    able = ".png, .webp, .tif or .avif"
    expected = f"expected {able} for a photo with transparent parts, got JPEG, which has no"
    assert expected in message
    assert list(tmp_path.iterdir()) == []


def test_alpha_that_is_opaque_throughout_does_not_hinder_jpeg():
    rgba = scene(channels=4)
    rgba[:, :, 3] = 255
    assert opened(encode_photo(decode_photo(png(rgba)), "JPEG")).mode == "RGB"


def test_exif_too_long_for_jpeg_is_left_out_of_jpeg_alone():
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "x" * 70_000
    photo = decode_photo(encoded(scene(), "PNG", exif=exif))
    assert "exif" not in opened(encode_photo(photo, "JPEG")).info
    assert len(opened(encode_photo(photo, "PNG")).info["exif"]) > 70_000


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jpg", "JPEG"),
        ("a.JPEG", "JPEG"),
        ("a.b.png", "PNG"),
        ("a.WebP", "WEBP"),
        ("a.TIFF", "TIFF"),
        ("a.avif", "AVIF"),
        ("a.bmp", "BMP"),
    ],
)
def test_the_ending_of_the_name_chooses_the_format(name, kind, tmp_path):
    save_photo(decode_photo(png(scene())), tmp_path / name)
    assert output_format(name) == kind
    assert load_photo(tmp_path / name).format == kind


@pytest.mark.parametrize("name", ["a", "a.gif", "a.heic", "jpg", ".png", "a.png.part"])
def test_another_ending_is_refused(name):
    with pytest.raises(PawfectError, match=r"a name ending in \.jpg, \.jpeg, \.png, \.webp"):
        output_format(name)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_files_mode_follows_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "a.png", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o666 & ~mask


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PawfectError, match=r"a\.png: expected .*, got No space left on device"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_an_interrupt_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def interrupted(_: Path, __: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"old"]


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.png"
    link.symlink_to(tmp_path / "real" / "a.png")
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "real" / "a.png").read_bytes() == b"new"


def test_a_place_that_cannot_be_written_to_is_noticed_before_any_work(tmp_path):
    for path, reason in (
        (tmp_path / "none" / "a.png", "got no folder none"),
        (tmp_path, "got a folder"),
    ):
        with pytest.raises(PawfectError, match=re.escape(reason)):
            check_writable(path)
    check_writable(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_of_a_tiffs_own_tags_those_that_describe_the_picture_are_kept(kind):
    layers = b"Adobe Photoshop Document Data Block" * 4
    tags = {0x010F: "Camera of a test", 0x010E: "a lawn", 0x8649: layers, 37724: layers}
    source = encoded(scene(), "TIFF", tiffinfo=tags)
    assert source.count(layers) == 2
    data = encode_photo(decode_photo(source), kind)
    exif = opened(data).getexif()
    assert (exif[0x010F], exif[0x010E]) == ("Camera of a test", "a lawn")
    assert layers not in data
    if kind != "TIFF":
        assert set(exif) == {0x010F, 0x010E, 0x0112}
    again = decode_photo(data)
    assert again.size == (96, 80)


@pytest.mark.parametrize("pixels", [scene(70, 64), scene(70, 64)[:, :, 0]], ids=["rgb", "grey"])
def test_a_plane_is_written_as_it_is_and_nothing_beside_it(pixels):
    read = opened(plain_png(pixels))
    assert (read.format, read.info) == ("PNG", {})
    assert np.array_equal(np.asarray(read), pixels)
