"""Masks as editors export them, and what is refused because nobody could tell what it means."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pawfect.contract.errors import PawfectError
from pawfect.photo.colour import rgb_and_alpha
from pawfect_client import decode_mask, decode_photo, load_mask
from tests.pawfect.photo.pictures import encoded, exif_with_thumbnail, hole, png, scene

HOLE = hole()


def on_transparent(colour: tuple[int, int, int], under: tuple[int, int, int] = (0, 0, 0)):
    """Strokes of one colour with a soft edge on a transparent layer."""
    rgba = np.zeros((80, 96, 4), np.uint8)
    rgba[:, :, :3] = under
    rgba[HOLE > 0, :3] = colour
    rgba[:, :, 3] = HOLE
    rgba[25, 32:48] = (*colour, 100)
    return rgba


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_white_on_black_is_read_from_every_format(kind):
    mask = decode_mask(encoded(HOLE, kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert mask.shape == (80, 96)
    assert mask.dtype == np.uint8
    assert np.array_equal(mask >= 128, HOLE >= 128)


def test_white_on_black_is_read_from_every_mode():
    for mode in ("1", "L", "RGB", "RGBA", "P", "LA"):
        mask = decode_mask(encoded(Image.fromarray(HOLE).convert(mode), "PNG"))
        assert np.array_equal(mask, HOLE), mode
    assert np.array_equal(decode_mask(png(HOLE.astype(np.uint16) * 257, bits=16)), HOLE)


def test_colours_count_by_their_brightness():
    pixels = np.zeros((80, 96, 3), np.uint8)
    pixels[:40] = (0, 255, 0)
    pixels[40:] = (0, 0, 255)
    mask = decode_mask(png(pixels))
    assert np.array_equal(mask >= 128, np.arange(80)[:, None].repeat(96, 1) < 40)


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (255, 0, 0), (12, 200, 90)])
@pytest.mark.parametrize("under", [(0, 0, 0), (255, 255, 255)])
def test_what_one_colour_paints_on_a_transparent_ground_is_filled_soft_edges_too(colour, under):
    rgba = on_transparent(colour, under)
    assert np.array_equal(decode_mask(png(rgba)), np.where(rgba[:, :, 3] >= 64, 255, 0))


def test_black_and_white_on_a_transparent_ground_counts_by_its_brightness():
    rgba = on_transparent((255, 255, 255))
    rgba[:20] = (0, 0, 0, 255)
    assert np.array_equal(decode_mask(png(rgba)) >= 128, rgba[:, :, 3] * (rgba[:, :, 0] > 0) >= 64)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_photo_with_a_hole_cut_out_is_no_mask_unless_it_is_said(channels):
    photo = scene(channels=channels).reshape(80, 96, channels).repeat(4 - max(channels, 1), axis=2)
    rgba = np.dstack([photo[:, :, :3], 255 - HOLE])
    with pytest.raises(PawfectError, match="got several colours and transparency"):
        decode_mask(png(rgba))
    for said in ("erased", "transparent", "auto"):
        assert np.array_equal(decode_mask(png(rgba), mask_is=said), HOLE), said
    assert np.array_equal(decode_mask(png(rgba), mask_is="opaque"), 255 - HOLE)


def test_a_mask_of_another_size_than_the_photo_is_refused_with_both_sizes():
    photo = decode_photo(png(scene()))
    with pytest.raises(PawfectError, match="cat: expected the photo's size 96x80, got 80x96"):
        decode_mask(png(hole(80, 96)), photo, "cat")


def test_a_mask_for_the_photo_as_it_is_stored_is_refused_with_both_sizes():
    photo = decode_photo(encoded(scene(), "JPEG", exif=exif_with_thumbnail(6, b"", b"")))
    assert np.array_equal(decode_mask(png(hole(80, 96)), photo), hole(80, 96))
    with pytest.raises(PawfectError) as caught:
        decode_mask(png(HOLE), photo)
    assert "80x96 as it is seen, turned upright" in caught.value.message
    assert "got 96x80 as it is stored" in caught.value.message


def test_a_masks_own_orientation_is_honoured():
    exif = exif_with_thumbnail(6, b"", b"")
    photo = decode_photo(encoded(scene(), "JPEG", exif=exif))
    mask = decode_mask(encoded(HOLE, "PNG", exif=exif), photo)
    assert np.array_equal(mask, np.rot90(HOLE, -1))


def test_a_mask_is_loaded_from_its_path(tmp_path):
    (tmp_path / "mask.png").write_bytes(png(HOLE))
    assert np.array_equal(load_mask(str(tmp_path / "mask.png")), HOLE)


def test_a_grey_mask_is_read_as_by_the_way_through_rgb():
    mask = scene(channels=1)
    read = decode_mask(encoded(mask, "PNG"))
    rgb, _, _ = rgb_and_alpha(Image.fromarray(mask))
    assert np.array_equal(read, np.array(Image.fromarray(rgb).convert("L")))
    assert read.flags.owndata
