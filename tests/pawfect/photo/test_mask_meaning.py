"""What people mean by a mask: named, found out, or refused with both readings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import MaskFileParams
from pawfect.photo.mask_file import decode_mask_file
from pawfect_client import decode_mask, decode_photo, decode_protect, load_mask, load_photo
from tests.pawfect.photo.pictures import encoded, hole, png, scene
from tests.refusals import refusal

CASES = Path(__file__).parents[2] / "cases"
PHOTO = decode_photo(png(scene()))
HOLE = hole() >= 128


def read(data: bytes, photo=PHOTO, **given):
    return decode_mask_file(data, photo, "mask", MaskFileParams(**given))


def filled(data: bytes, photo=PHOTO, **given) -> np.ndarray:
    return read(data, photo, **given).mask >= 128


def layer(colour: tuple[int, int, int], opacity: int = 255, where: np.ndarray = HOLE) -> np.ndarray:
    """Strokes of one colour on a transparent layer."""
    rgba = np.zeros((80, 96, 4), np.uint8)
    rgba[where] = (*colour, opacity)
    return rgba


def the_disc(disc: np.ndarray, data: bytes, **given) -> None:
    photo = load_photo(CASES / "photo.png")
    assert np.array_equal(filled(data, photo, **given), disc)


def test_an_object_erased_from_one_colour_is_the_hole_and_that_is_said():
    disc = load_mask(CASES / "mask.png") >= 128
    black = (CASES / "erased_mask.png").read_bytes()
    white = np.array(Image.open(CASES / "erased_mask.png"))
    white[:, :, :3] = 255
    for data in (black, png(white)):
        the_disc(disc, data)
        said = read(data, None)
        assert said.mask_is == "transparent"
        assert said.note is not None
        assert "transparent part, 4.3%, is taken for the hole" in said.note
        with pytest.warns(UserWarning, match="transparent part, 4.3%"):
            decode_mask(data)
    with pytest.warns(UserWarning, match="transparent part"):
        assert np.array_equal(load_mask(CASES / "erased_mask.png") >= 128, disc)


def test_a_mask_the_wrong_way_round_is_refused_with_both_readings_until_one_is_named():
    disc = load_mask(CASES / "mask.png") >= 128
    inverted = png(np.where(disc, 0, 255).astype(np.uint8))
    message = refusal(ErrorKind.INVALID_ARG, decode_mask, inverted)
    assert message == (
        "mask: expected at most 95% of the photo to fill where mask_is does not say how the mask "
        "is meant, got 95.7% with white = fill, 4.3% the other way round (mask_is=white or "
        "mask_is=black)"
    )
    the_disc(disc, inverted, mask_is="black")
    the_disc(disc, inverted, invert_mask=True)
    the_disc(disc, inverted, mask_is="auto")
    the_disc(~disc, inverted, mask_is="white")


def test_inverting_a_good_mask_is_refused_unless_its_reading_is_named():
    good = png(hole())
    message = refusal(ErrorKind.INVALID_ARG, decode_mask, good, invert_mask=True)
    assert "with white = fill, inverted, 2.9% the other way round" in message
    assert np.array_equal(filled(good, mask_is="white", invert_mask=True), ~HOLE)


@pytest.mark.parametrize("colour", [(255, 0, 0), (255, 255, 255), (0, 0, 0), (20, 90, 200)])
@pytest.mark.parametrize("opacity", [90, 127, 128, 255])
def test_half_transparent_strokes_are_strokes(colour, opacity):
    for given in ({}, {"mask_is": "opaque"}, {"mask_is": "auto"}):
        assert np.array_equal(filled(png(layer(colour, opacity)), **given), HOLE), given


def test_strokes_of_different_opacity_are_all_strokes():
    rgba = layer((255, 0, 0), 128)
    rgba[5:9, 5:60] = (255, 0, 0, 255)
    assert np.array_equal(filled(png(rgba)), rgba[:, :, 3] > 0)


@pytest.mark.parametrize("left", [0, 60, 127])
def test_half_erased_is_erased(left):
    rgba = np.full((80, 96, 4), 255, np.uint8)
    rgba[HOLE, 3] = left
    for given in ({}, {"mask_is": "transparent"}, {"mask_is": "erased"}, {"mask_is": "auto"}):
        assert np.array_equal(filled(png(rgba), **given), HOLE), given


def test_strokes_that_are_nowhere_bright_are_strokes_and_noise_is_none():
    assert np.array_equal(filled(png(np.where(HOLE, 127, 0).astype(np.uint8))), HOLE)
    red = np.zeros((80, 96, 3), np.uint8)
    red[HOLE] = (255, 0, 0)
    assert np.array_equal(filled(png(red)), HOLE)
    assert not filled(png(np.where(HOLE, 20, 0).astype(np.uint8))).any()


@pytest.mark.parametrize(
    ("ground", "stroke"),
    [
        ((0, 0, 0), (255, 255, 255)),
        ((255, 255, 255), (0, 0, 0)),
        ((0, 0, 0), (127, 0, 0)),
        ((255, 255, 255), (255, 0, 0)),
        ((30, 30, 30), (0, 120, 30)),
    ],
)
def test_auto_takes_the_strokes_whatever_their_colour_and_ground(ground, stroke):
    pixels = np.full((80, 96, 3), ground, np.uint8)
    pixels[HOLE] = stroke
    found = read(png(pixels), mask_is="auto")
    assert np.array_equal(found.mask >= 128, HOLE)
    assert "2.9%" in found.note


@pytest.mark.parametrize("paint", [(255, 255, 255), (0, 0, 0), (255, 0, 255)])
def test_the_photo_with_the_object_painted_over_is_compared_with_the_photo(paint):
    smooth = np.asarray(Image.fromarray(scene(12, 10)).resize((192, 160), Image.Resampling.BICUBIC))
    photo = decode_photo(encoded(smooth, "JPEG", quality=92))
    over = photo.pixels.copy()
    over[60:90, 80:120] = paint
    for data in (png(over), encoded(over, "JPEG", quality=80)):
        for said in ("erased", "auto"):
            mask = filled(data, photo, mask_is=said)
            assert mask[62:88, 82:118].all()
            mask[56:94, 76:124] = False
            assert not mask.any()


def test_another_picture_is_not_the_photo_with_something_erased():
    for data, got in ((png(scene(seed=9)), "differs from it in"), (png(scene()), "in 0.0%")):
        with pytest.raises(PawfectError, match=got):
            read(data, mask_is="erased")
    with pytest.raises(PawfectError, match="no photo to compare it with"):
        decode_mask(png(scene()), mask_is="erased")


@pytest.mark.parametrize("channels", [3, 4])
def test_colour_noise_and_photos_are_no_masks(channels):
    noise = np.random.default_rng(0).integers(0, 256, (80, 96, channels)).astype(np.uint8)
    for data in (png(noise), encoded(scene(), "JPEG"), png(scene())):
        with pytest.raises(PawfectError, match=r"(many|several) colours") as caught:
            decode_mask(data)
        assert "mask_is=erased" in caught.value.message
    assert decode_mask(png(noise), mask_is="white").any()


def test_coloured_strokes_saved_as_a_small_jpeg_are_a_mask():
    pixels = np.zeros((80, 96, 3), np.uint8)
    pixels[10:60, 10:80] = (40, 255, 60)
    mask = decode_mask(encoded(pixels, "JPEG", quality=50))
    assert (mask[14:56, 14:76] >= 128).all()


@pytest.mark.parametrize("said", ["opaque", "transparent"])
def test_a_mask_without_transparency_has_no_opaque_part(said):
    with pytest.raises(PawfectError, match=f"transparency, of which mask_is={said} speaks"):
        read(png(hole()), mask_is=said)


def test_an_unknown_reading_is_answered_with_the_known_ones():
    known = "white, black, opaque, transparent, erased, auto"
    with pytest.raises(PawfectError, match=f"mask_is: expected one of {known}, got 'grey'"):
        decode_mask(png(hole()), mask_is="grey")


@pytest.mark.parametrize("size", [(96, 80), (384, 320), (77, 64), (289, 241)])
def test_a_mask_of_the_same_shape_is_fitted_where_that_is_asked_for(size):
    photo, whole = decode_photo(png(scene(192, 160))), hole(192, 160)
    data = encoded(Image.fromarray(whole).resize(size, Image.Resampling.NEAREST), "PNG")
    with pytest.raises(PawfectError, match="of the same shape, which fit_mask scales to it"):
        read(data, photo)
    found = read(data, photo, fit_mask=True)
    assert found.mask.shape == (160, 192)
    assert set(np.unique(found.mask)) == {0, 255}
    rows, columns = np.nonzero(found.mask)
    edges = rows.min(), rows.max(), columns.min(), columns.max()
    assert np.abs(np.array(edges) - (53, 79, 64, 95)).max() <= 3
    assert found.note == f"scaled from {size[0]}x{size[1]}"


def test_a_mask_of_another_shape_is_refused_though_fitting_was_asked_for():
    with pytest.raises(PawfectError, match="expected the photo's size 96x80, got 90x80"):
        read(png(hole(90, 80)), fit_mask=True)
    with pytest.raises(PawfectError, match="expected the photo's size 96x80, got 80x96"):
        read(png(hole(80, 96)), fit_mask=True)


def test_a_smaller_copy_of_the_photo_is_compared_at_its_own_size():
    photo = decode_photo(png(scene(96, 80).repeat(4, axis=0).repeat(4, axis=1)))
    over = scene(96, 80)
    over[16:32, 16:48] = (255, 0, 255)
    mask = filled(png(over), photo, mask_is="erased", fit_mask=True)
    assert mask[64:128, 64:192].all()
    mask[48:144, 48:208] = False
    assert not mask.any()


def test_nearly_all_of_a_photo_may_be_protected_and_a_silhouette_is_what_it_paints():
    nearly = np.where(HOLE, 0, 255).astype(np.uint8)
    assert np.array_equal(decode_protect(png(nearly), PHOTO) >= 128, ~HOLE)
    silhouette = layer((0, 0, 0), where=~HOLE)
    assert np.array_equal(decode_protect(png(silhouette), PHOTO) >= 128, ~HOLE)


def test_what_protects_is_fitted_too():
    photo = decode_photo(png(scene(192, 160)))
    with pytest.raises(PawfectError, match="which fit_mask scales to it"):
        decode_protect(png(hole()), photo)
    large = decode_protect(png(hole()), photo, fit_mask=True)
    np.testing.assert_array_equal(large, hole().repeat(2, axis=0).repeat(2, axis=1))


def test_a_full_and_an_empty_mask_are_left_to_the_request_itself():
    for value in (0, 255):
        assert (decode_mask(png(np.full((80, 96), value, np.uint8))) == value).all()
