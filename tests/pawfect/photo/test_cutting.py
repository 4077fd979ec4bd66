"""What is asked of a photo that is to be cut out, and what its cut-out's file holds."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from pawfect.contract.errors import ErrorKind
from pawfect.photo.cutting import check_cutout, cutout_losses, cutting, format_of
from pawfect.photo.photo import Photo, decode_photo
from pawfect.photo.saving import encode_photo
from pawfect.photo.xmp import source_type
from tests.pawfect.photo.pictures import SRGB, encoded, png, scene
from tests.refusals import refusal

SIZE = (80, 96)
PIXELS = scene()
# Left a third is subject, then an edge of a column, the rest is not.
ALPHA = np.zeros(SIZE, np.uint8)
ALPHA[:, :32], ALPHA[:, 32] = 255, 128


def photo_of(pixels=PIXELS, kind: str = "PNG", **options) -> Photo:
    return decode_photo(encoded(pixels, kind, **options))


def cut(photo: Photo, output: str = "rgba", background: Photo | None = None, ground=(9, 200, 7)):
    """Cut a photo as a server would that copies the subject's colours."""
    asked = cutting(photo, background, output)
    if output == "rgba":
        return asked.cut(ALPHA, np.dstack([asked.image, ALPHA]))
    laid = np.where(ALPHA[:, :, None] > 127, asked.image, np.array(ground, np.uint8))
    return asked.cut(ALPHA, np.dstack([laid, np.full(SIZE, 255, np.uint8)]))


def again(photo: Photo, kind: str = "PNG") -> Photo:
    return decode_photo(encode_photo(photo, kind))


@pytest.mark.parametrize(
    ("own", "output", "named", "kind"),
    [
        ("JPEG", "rgba", None, "PNG"),
        ("JPEG", "map", None, "PNG"),
        ("JPEG", "green", None, "JPEG"),
        ("HEIF", "#102030", None, "JPEG"),
        ("GIF", "blur", None, "PNG"),
        ("TIFF", "background", None, "TIFF"),
        ("JPEG", "rgba", "WEBP", "WEBP"),
    ],
)
def test_a_cut_out_is_a_png_and_what_is_laid_on_something_has_the_photos_format(
    own, output, named, kind
):
    assert format_of(own, output, named) == kind


def test_what_is_transparent_holds_nothing_of_what_was_removed():
    made = again(cut(photo_of()))
    assert np.array_equal(made.alpha, ALPHA)
    assert np.array_equal(made.pixels[:, :33], PIXELS[:, :33])
    assert not made.pixels[:, 33:].any()
    assert source_type(made.xmp) == "algorithmicallyEnhanced"


def test_orientation_profile_exif_and_resolution_are_kept():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Kamera"
    stored = np.rot90(PIXELS).copy()
    photo = photo_of(stored, "JPEG", quality=95, exif=exif, icc_profile=SRGB, dpi=(240, 240))
    assert photo.size == (96, 80)
    for kind in ("PNG", "TIFF", "WEBP", "AVIF"):
        made = again(cut(photo), kind)
        assert (made.size, made.icc_profile) == ((96, 80), SRGB)
        assert made.has_transparency
        told = Image.Exif()
        told.load(made.exif or b"")
        assert (told.get(0x0112, 1), told[0x010F]) == (1, "Kamera")
        if kind in ("PNG", "TIFF"):
            assert made.dpi == pytest.approx((240, 240), rel=1e-3)


def test_nothing_gets_less_transparent_than_it_was():
    own = np.full(SIZE, 255, np.uint8)
    own[:20], own[20:40] = 0, 100
    photo = photo_of(np.dstack([PIXELS, own]))
    asked = cutting(photo, None, "rgba")
    assert (asked.image[:20] == 255).all()
    assert np.array_equal(asked.image[40:], PIXELS[40:])
    mixed = np.rint((PIXELS[20:40] * 100.0 + 255 * 155) / 255)
    assert np.array_equal(asked.image[20:40], mixed)
    made = cut(photo)
    assert np.array_equal(made.alpha, np.rint(ALPHA * (own / 255.0)))
    # Its own colours, not those on white.
    assert np.array_equal(made.pixels[20:40, :33], PIXELS[20:40, :33])
    assert cut(photo, "map").pixels[:20].max() == 0
    assert cut(photo, "green").alpha is None


def test_16_bits_stay_where_the_subjects_colours_are_the_photos():
    rng = np.random.default_rng(1)
    deep = rng.integers(0, 65536, (*SIZE, 3)).astype(np.uint16)
    photo = decode_photo(png(deep, bits=16))
    made = cut(photo)
    assert made.deep is not None
    assert np.array_equal(made.deep[:, :33, :3], deep[:, :33])
    assert np.array_equal(made.deep[:, :, 3], ALPHA.astype(np.uint16) * 257)
    assert made.deep[:, 33:, :3].max() <= 128
    assert np.array_equal(again(made).deep, made.deep)
    laid = cut(photo, "green")
    assert np.array_equal(again(laid).deep[:, :32], deep[:, :32])
    assert cutout_losses(photo, made, "PNG", "rgba") == ()
    assert cutout_losses(photo, laid, "JPEG", "green") == ("8 of its 16 bits per channel",)
    assert cutout_losses(photo, cut(photo, "map"), "PNG", "map") == ()


def test_16_bits_with_alpha_keep_theirs_and_lose_it_on_a_ground():
    deep = np.random.default_rng(2).integers(0, 65536, (*SIZE, 4)).astype(np.uint16)
    deep[:, :, 3] = 65535
    photo = decode_photo(png(deep, bits=16))
    assert np.array_equal(cut(photo).deep[:, :32, :3], deep[:, :32, :3])
    assert cut(photo, "white").deep.shape == (*SIZE, 3)


@pytest.mark.parametrize("deep", [False, True])
def test_grey_stays_one_channel_but_on_colours(deep):
    stored = PIXELS[:, :, 0].astype(np.uint16) * 257 + 3 if deep else PIXELS[:, :, 0]
    photo = decode_photo(png(stored, bits=16 if deep else 8))
    assert photo.grey
    for output in ("rgba", "white", "blur", "map"):
        ground = (40, 40, 40)
        assert again(cut(photo, output, ground=ground)).grey
    green = again(cut(photo, "green"))
    assert not green.grey
    assert green.pixels[0, 90].tolist() == [9, 200, 7]
    assert np.array_equal(green.pixels[:, :32], photo.pixels[:, :32])
    assert (green.deep is not None) == deep


def test_a_grey_photos_profile_is_heeded_where_it_becomes_rgb():
    linear = grey_profile(1.0)
    photo = photo_of(PIXELS[:, :, 0], "PNG", icc_profile=linear)
    assert photo.icc_profile == linear
    assert cut(photo).icc_profile == linear
    made = cut(photo, "green")
    assert made.icc_profile is None
    expected = 255 * srgb_of(PIXELS[:, :32, 0] / 255)
    assert np.abs(made.pixels[:, :32, 0] - expected).max() < 3


def srgb_of(light):
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def grey_profile(gamma: float) -> bytes:
    """A profile of grey with this gamma, ICC.1 by hand: a header and four tags."""
    curve = b"curv" + bytes(4) + (1).to_bytes(4, "big") + round(gamma * 256).to_bytes(2, "big")
    white = b"XYZ " + bytes(4) + bytes.fromhex("0000f6d6000100000000d32d")
    text = b"desc" + bytes(4) + (5).to_bytes(4, "big") + b"grey\0" + bytes(78)
    right = b"text" + bytes(4) + b"none\0"
    tags = {b"desc": text, b"cprt": right, b"wtpt": white, b"kTRC": curve}
    table, data, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        body = body.ljust(-(-len(body) // 4) * 4, b"\0")
        table += name + (at + len(data)).to_bytes(4, "big") + len(body).to_bytes(4, "big")
        data += body
    size = 128 + 4 + len(table) + len(data)
    header = size.to_bytes(4, "big") + bytes(4) + bytes.fromhex("02400000")
    header += b"mntrGRAYXYZ " + bytes(12) + b"acsp" + bytes(28)
    header += bytes.fromhex("0000f6d6000100000000d32d")
    return header.ljust(128, b"\0") + len(tags).to_bytes(4, "big") + table + data


def test_a_map_is_alpha_in_grey_without_a_colour_profile():
    photo = photo_of(PIXELS, "PNG", icc_profile=SRGB, dpi=(300, 300))
    made = again(cut(photo, "map"))
    assert made.grey
    assert np.array_equal(made.pixels[:, :, 0], ALPHA)
    assert (made.icc_profile, made.alpha) == (None, None)
    assert made.dpi == pytest.approx((300, 300), rel=1e-3)


def test_a_background_comes_in_the_photos_colours_and_is_never_transparent():
    swapped = swapped_profile()
    photo = photo_of(PIXELS, "PNG", icc_profile=swapped)
    red = np.zeros((70, 64, 4), np.uint8)
    red[:, :, 0], red[:35, :, 3] = 200, 255
    ground = cutting(photo, photo_of(red), "background").background
    assert ground is not None
    assert ground.shape == (70, 64, 3)
    # Red is the second channel there, and what was transparent is white.
    assert np.abs(ground[0, 0].astype(int) - (0, 200, 0)).max() <= 2
    assert np.abs(ground[60].astype(int) - 255).max() <= 1
    same = cutting(
        photo, photo_of(red[:35, :, :3].repeat(2, axis=0), icc_profile=swapped), "background"
    )
    assert same.background is not None
    assert same.background[0, 0].tolist() == [200, 0, 0]
    made = cut(photo, "background", photo_of(PIXELS))
    assert source_type(made.xmp) == "composite"
    assert cutting(photo, photo_of(PIXELS), "green").background is None


def swapped_profile() -> bytes:
    """An RGB profile whose first channel is sRGB's green and whose second is its red."""
    count = int.from_bytes(SRGB[128:132], "big")
    names = [SRGB[at : at + 4] for at in range(132, 132 + 12 * count, 12)]
    data = bytearray(SRGB)
    for own, other in ((b"rXYZ", b"gXYZ"), (b"gXYZ", b"rXYZ")):
        at = 132 + 12 * names.index(own)
        data[at : at + 4] = other
    assert ImageCms.ImageCmsProfile(io.BytesIO(bytes(data)))
    return bytes(data)


@pytest.mark.parametrize("kind", ["JPEG", "BMP"])
def test_what_has_no_transparency_takes_no_transparent_cut_out(kind):
    photo = photo_of()
    says = refusal(ErrorKind.INVALID_ARG, check_cutout, photo, "rgba", kind, None, "dog.jpg")
    assert says.startswith("dog.jpg: expected .png, .webp, .tif or .avif for")
    transparent = photo_of(np.dstack([PIXELS, ALPHA]))
    for output in ("map", "green", "#112233"):
        check_cutout(transparent, output, kind, None, "dog.jpg")
        assert again(cut(transparent, output), kind).format == kind


def test_the_other_frames_of_an_animation_are_told_as_lost():
    frames = [Image.fromarray(scene(seed=seed)) for seed in range(2)]
    sink = io.BytesIO()
    frames[0].save(sink, "GIF", save_all=True, append_images=frames[1:])
    photo = decode_photo(sink.getvalue())
    assert cutout_losses(photo, cut(photo), "PNG", "rgba") == ("its other frames",)
