"""The pictures of known alpha: made from seeds, and a user's own."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from perf.matting.pictures import GROUPS, OWN_GROUP, RECIPES, background, names, of_folder, picture
from perf.matting.scores import halo, over


def test_there_are_enough_pictures_of_every_kind():
    every = names()
    assert len(every) == len(set(every)) >= 25
    for group in GROUPS:
        least = 1 if group == "whole" else 3
        assert len(names(group)) >= least, group


@pytest.mark.parametrize("name", ["thin_cat", "several_near", "fur_similar"])
def test_a_picture_is_its_subject_over_its_background(name):
    made = picture(name)
    assert made.photo.shape == (720, 960, 3)
    assert made.alpha.shape == (720, 960)
    soft = (made.alpha > 0) & (made.alpha < 255)
    assert soft.any()
    assert 0.05 < (made.alpha >= 128).mean() < 0.5
    full = made.alpha == 255
    off = np.abs(made.photo[full].astype(int) - made.colour[full])
    # The fur set has a sensor's grain; of the others full pixels are the subject's own.
    assert np.percentile(off, 99) <= 5


def test_what_is_laid_mixes_subject_and_background_by_alpha():
    made = picture("laid_paving")
    behind = background(RECIPES["laid_paving"], 960, 720)
    again = over(made.colour, made.alpha, behind)
    assert np.abs(again.astype(int) - made.photo).max() <= 1


def test_the_same_name_gives_the_same_pixels():
    first, second = picture("thin_plant"), picture("thin_plant")
    np.testing.assert_array_equal(first.photo, second.photo)
    np.testing.assert_array_equal(first.alpha, second.alpha)


def test_where_there_is_no_subject_alpha_is_empty_and_where_it_fills_the_picture_full():
    assert not picture("none_gravel").alpha.any()
    assert (picture("whole_fur").alpha == 255).mean() > 0.99


def test_whiskers_are_thin_and_reach_beyond_the_head():
    alpha = picture("thin_cat").alpha
    inked = alpha > 60
    # What an opening of 5 px takes away is thinner than that.
    kept = Image.fromarray(alpha)
    solid = np.array(kept.resize((960 // 6, 720 // 6)).resize((960, 720))) > 200
    whiskers = inked & ~solid
    assert np.flatnonzero(whiskers.any(0)).min() < np.flatnonzero(solid.any(0)).min() - 20


def test_the_dogs_own_colour_leaves_no_halo_and_the_photos_does():
    made = picture("laid_brick")
    assert halo(made.alpha, made.colour, made.alpha, made.colour) == 0.0
    kept = halo(made.alpha, made.photo, made.alpha, made.colour)
    assert kept is not None
    assert kept > 1


def test_an_unknown_name_is_an_error():
    with pytest.raises(KeyError, match="expected one of"):
        picture("laid_moon")


def test_a_cut_out_of_ones_own_is_laid_on_a_background(tmp_path):
    pixels = np.zeros((60, 80, 4), np.uint8)
    pixels[20:40, 20:60] = (200, 40, 40, 255)
    Image.fromarray(pixels).save(tmp_path / "red.png")
    (made,) = of_folder(tmp_path)
    assert (made.name, made.group) == ("red", OWN_GROUP)
    np.testing.assert_array_equal(made.alpha, pixels[..., 3])
    assert (made.photo[30, 40] == (200, 40, 40)).all()
    assert made.photo[:10].std() > 1


def test_a_photo_with_alpha_stays_as_it_is(tmp_path):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (50, 70, 4), np.uint8)
    pixels[:25, :, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    (made,) = of_folder(tmp_path)
    np.testing.assert_array_equal(made.photo, pixels[..., :3])


def test_a_folder_without_alpha_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"expected a folder with some of \.png"):
        list(of_folder(tmp_path))
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    with pytest.raises(ValueError, match=r"plain\.png: expected a picture with alpha, got RGB"):
        list(of_folder(tmp_path))
    (tmp_path / "plain.png").write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"plain\.png: expected a picture, got Unident"):
        list(of_folder(tmp_path))
