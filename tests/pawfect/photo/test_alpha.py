"""Alpha is part of the picture: what is not there is no source, outlines are continued."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pawfect.contract.report import Report
from pawfect.local import inpaint_local
from pawfect.photo.alpha import ask_alpha, ask_colours
from pawfect_client import Inpainted, decode_photo, encode_photo, load_mask, load_photo
from pawfect_client.photos import inpaint_photo
from tests.pawfect.photo.pictures import png, scene

CASES = Path(__file__).parents[2] / "cases"
WIDTH, HEIGHT = 240, 200


class Server:
    """Fills in this process and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict] = []

    def __call__(self, image, mask, **request) -> Inpainted:
        self.asked.append({"image": image, "mask": mask, **request})
        given = {name: value for name, value in request.items() if value is not None}
        given.pop("scene_labels", None)
        result = inpaint_local(image, mask, **given)
        return Inpainted(result.image, result.report)


def cut_out(under: int = 0):
    """A textured cut-out left of a straight edge, with `under` in every transparent pixel."""
    rng = np.random.default_rng(0)
    ys, xs = np.mgrid[:HEIGHT, :WIDTH]
    rgba = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    for channel, base in enumerate((150, 110, 70)):
        waves = 25 * np.sin(xs / 5 + channel) + 15 * np.cos(ys / 4)
        rgba[:, :, channel] = base + waves + rng.normal(0, 3, xs.shape)
    edge = 120 + 0.2 * (ys - HEIGHT / 2)
    rgba[:, :, 3] = np.clip(255 * (edge - xs + 0.5), 0, 255)
    rgba[rgba[:, :, 3] == 0, :3] = under
    return rgba


def square(top: int, left: int, side: int = 36):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[top : top + side, left : left + side] = 255
    return mask


def with_object(rgba, mask):
    """The picture with an opaque red object where the mask is."""
    changed = rgba.copy()
    changed[mask > 0] = (250, 20, 20, 255)
    return decode_photo(png(changed))


def test_a_hole_on_transparent_ground_becomes_transparent():
    photo = load_photo(CASES / "alpha.png")
    mask = load_mask(CASES / "alpha_mask.png", photo)
    server = Server()
    filled, report = inpaint_photo(server, photo, mask, None, {"engine": "patch"})
    assert photo.alpha[mask >= 128].max() == 255
    assert filled.alpha[mask >= 128].max() == 0
    # Nothing of what was removed is left where nobody sees it.
    assert filled.pixels[mask >= 128].max() == 0
    outside = mask < 128
    assert np.array_equal(filled.alpha[outside], photo.alpha[outside])
    assert np.array_equal(filled.pixels[outside], photo.pixels[outside])
    assert len(server.asked) == 1, "nothing of the colours will be seen"
    assert isinstance(report, Report)


@pytest.mark.parametrize("under", [0, 255])
def test_across_an_outline_colour_and_alpha_are_both_continued(under):
    truth, mask = cut_out(under), square(80, 100)
    photo = with_object(truth, mask)
    server = Server()
    filled, _ = inpaint_photo(server, photo, mask, None, {"engine": "patch"})
    assert len(server.asked) == 2
    hole = mask >= 128
    off = np.abs(filled.alpha.astype(int) - truth[:, :, 3])[hole]
    assert (off > 64).mean() < 0.06
    seen = hole & (filled.alpha > 200) & (truth[:, :, 3] > 200)
    drift = filled.pixels[seen].mean(axis=0) - truth[seen, :3].mean(axis=0)
    assert np.abs(drift).max() < 6, "neither black nor white came in from the transparent ground"
    red = (filled.pixels[:, :, 0] > 230) & (filled.pixels[:, :, 1] < 40) & (filled.alpha > 0)
    assert not red.any()


def test_outside_of_the_hole_everything_stays_to_the_bit():
    truth, mask = cut_out(90), square(80, 100)
    photo = with_object(truth, mask)
    filled, report = inpaint_photo(Server(), photo, mask, None, {"engine": "patch"})
    far = np.ones((HEIGHT, WIDTH), bool)
    grown = 16
    far[80 - grown : 116 + grown, 100 - grown : 136 + grown] = False
    assert report.dilate_px <= grown
    again = decode_photo(encode_photo(filled, "PNG"))
    assert np.array_equal(again.pixels[far], photo.pixels[far])
    assert np.array_equal(again.alpha[far], photo.alpha[far])
    # In between, what was transparent stays so.
    ground = (photo.alpha == 0) & (mask < 128)
    assert again.alpha[ground].max() == 0
    assert np.array_equal(again.pixels[ground], photo.pixels[ground])


def test_a_hole_far_from_what_is_transparent_takes_one_request_for_colours():
    rgba = cut_out()
    mask = square(90, 10, 20)
    photo = with_object(rgba, mask)
    photo = replace(
        photo, alpha=np.where(np.arange(WIDTH) < 150, 255, photo.alpha).astype(np.uint8)
    )
    server = Server()
    filled, _ = inpaint_photo(server, photo, mask, None, {"engine": "patch"})
    (asked,) = server.asked
    assert np.array_equal(asked["image"], photo.pixels)
    assert asked["protect"] is None
    assert np.array_equal(filled.alpha, photo.alpha)


def test_transparent_ground_is_barred_and_shows_the_colours_beside_it():
    photo = with_object(cut_out(255), square(80, 100))
    mask = square(80, 100)
    guard = square(0, 0)
    asked = ask_colours(photo, mask, guard, photo.alpha)
    barred = asked.protect >= 128
    assert barred[mask < 128][photo.alpha[mask < 128] == 0].all()
    assert barred[guard >= 128].all()
    assert not barred[(photo.alpha == 255) & (guard == 0)].any()
    visible = photo.alpha == 255
    assert np.array_equal(asked.image[visible], photo.pixels[visible])
    ground = asked.image[150:175, 170:195].reshape(-1, 3).mean(axis=0)
    assert np.abs(ground - (150, 110, 70)).max() < 20, "not the white that the file holds there"


def test_an_opaque_photo_is_asked_for_as_it_is():
    rgba = scene(WIDTH, HEIGHT, channels=4)
    rgba[:, :, 3] = 255
    for photo in (decode_photo(png(rgba)), decode_photo(png(rgba[:, :, :3]))):
        mask = square(50, 50)
        assert ask_alpha(photo, mask, None) is None
        assert np.array_equal(ask_colours(photo, mask, None, None).image, photo.pixels)


def test_parameters_that_speak_of_alpha_too_reach_both_requests():
    mask = square(80, 100)
    server = Server()
    request = {"engine": "patch", "seed": 5, "dilate_px": 4, "scene_labels": ("grass",)}
    inpaint_photo(server, with_object(cut_out(), mask), mask, None, request)
    alpha, colours = server.asked
    assert {name: alpha[name] for name in ("engine", "seed", "dilate_px")} == {
        "engine": "patch",
        "seed": 5,
        "dilate_px": 4,
    }
    assert "scene_labels" not in alpha
    assert colours["scene_labels"] == ("grass",)


def test_the_same_photo_and_seed_give_the_same_pixels():
    mask = square(80, 100)
    photo = with_object(cut_out(), mask)
    first, _ = inpaint_photo(Server(), photo, mask, None, {"engine": "patch", "seed": 3})
    second, _ = inpaint_photo(Server(), photo, mask, None, {"engine": "patch", "seed": 3})
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.alpha, second.alpha)


def test_16_bits_of_alpha_and_colour_stay_outside_the_hole():
    rng = np.random.default_rng(2)
    deep = cut_out().astype(np.uint16) * 257
    deep[:, :, :3] += rng.integers(0, 200, (HEIGHT, WIDTH, 3)).astype(np.uint16)
    mask = square(80, 100)
    photo = decode_photo(png(deep, bits=16))
    filled, _ = inpaint_photo(Server(), photo, mask, None, {"engine": "patch"})
    far = np.ones((HEIGHT, WIDTH), bool)
    far[64:132, 84:152] = False
    assert np.array_equal(filled.deep[far], deep[far])
    hole = mask >= 128
    assert np.array_equal(filled.deep[hole, 3] == 0, filled.alpha[hole] == 0)


def test_half_transparent_ground_stays_half_transparent_and_a_ramp_goes_on():
    mask = square(80, 100)
    rgba = cut_out()
    rgba[:, :, 3] = 128
    flat, _ = inpaint_photo(Server(), with_object(rgba, mask), mask, None, {"engine": "patch"})
    assert set(np.unique(flat.alpha)) == {128}
    rgba[:, :, 3] = np.linspace(0, 255, WIDTH).astype(np.uint8)
    ramp, _ = inpaint_photo(Server(), with_object(rgba, mask), mask, None, {"engine": "patch"})
    assert np.abs(ramp.alpha.astype(int) - rgba[:, :, 3]).max() <= 2


def test_where_all_that_can_be_seen_is_removed_nothing_is_left():
    rgba = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    rgba[80:120, 90:140] = (200, 30, 30, 255)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[75:125, 85:145] = 255
    filled, _ = inpaint_photo(Server(), decode_photo(png(rgba)), mask, None, {"engine": "patch"})
    assert filled.alpha.max() == 0
    assert filled.pixels.max() == 0
