"""The fur set, and what edge steps reach on pictures of it that nothing was chosen on."""

from __future__ import annotations

import numpy as np
import pytest

from perf.matting import fur
from perf.matting.backgrounds import BACKGROUNDS
from perf.matting.fur_goals import MAX_GRADIENT, MAX_HALO, MIN_SHARPNESS, PHONE, measure, ratio

SMALL = (240, 320)


def test_a_seed_gives_the_same_picture_and_another_seed_another():
    first, again, other = (fur.make(seed, SMALL) for seed in (3, 3, 4))
    assert np.array_equal(first.photo, again.photo)
    assert np.array_equal(first.alpha, again.alpha)
    assert not np.array_equal(first.alpha, other.alpha)


def test_any_six_in_a_row_have_each_background():
    assert {fur.make(seed, (60, 80)).background for seed in range(7, 13)} == set(BACKGROUNDS)


@pytest.mark.parametrize("seed", range(6))
def test_where_alpha_is_one_the_photo_is_the_subject_but_for_grain(seed: int):
    picture = fur.make(seed, SMALL)
    assert picture.alpha.min() >= 0
    assert picture.alpha.max() <= 1
    assert ((picture.alpha > 0.02) & (picture.alpha < 0.98)).mean() > 0.01
    inside = picture.alpha == 1
    assert np.abs(picture.photo[inside] - picture.foreground[inside]).mean() < 2


def test_a_network_sees_less_than_there_is():
    picture = fur.make(1, SMALL)
    seen = fur.as_a_network_sees(picture.alpha, 64)
    assert seen.shape == (64, 64)
    assert 0 <= seen.min() < seen.max() <= 1


@pytest.mark.parametrize("mode", ["guided", "matting"])
def test_edge_steps_reach_their_goals_on_a_small_picture_but_for_halo(mode: str):
    found = measure((200, 202), 160, (mode,), (600, 800))
    assert ratio(found[mode], found["raw"], "gradient") <= MAX_GRADIENT
    assert ratio(found[mode], found["raw"], "sharpness") >= MIN_SHARPNESS
    # Hairs there are under half a pixel wide.
    assert ratio(found[mode], found["raw"], "halo") <= 0.75


@pytest.mark.slow
@pytest.mark.parametrize("side", [320, 1024])
def test_guided_reaches_its_goals_at_a_phones_size(side: int):
    found = measure(range(200, 206), side, ("guided",), PHONE)
    guided, raw = found["guided"], found["raw"]
    assert {one.background for one in guided} == set(BACKGROUNDS)
    assert ratio(guided, raw, "gradient") <= MAX_GRADIENT
    assert ratio(guided, raw, "sharpness") >= MIN_SHARPNESS
    assert ratio(guided, raw, "halo") <= MAX_HALO
    # Of each picture: about half; on a ground of the colour of the fur far more is left.
    for mine, before in zip(guided, raw, strict=True):
        most = 0.78 if mine.background == "similar" else 0.52
        assert ratio([mine], [before], "halo") <= most, mine
        assert ratio([mine], [before], "gradient") <= MAX_GRADIENT, mine
