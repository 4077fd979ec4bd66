"""What a network sees of a window, and where its drawing ends up."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect.lama.view import cut, drawn_window, seen
from tests.pawfect.lama import networks
from tests.pawfect.lama.networks import RED, loaded
from tests.pawfect.patch.textures import MAGENTA, box_mask, has_magenta, hidden, stones


def flags(shape: tuple[int, ...], *box: int) -> np.ndarray:
    return box_mask(shape, *box) > 0


NOTHING = (0, 0, 0, 0)


@given(
    st.integers(1, 400), st.integers(1, 400), st.integers(0, 399), st.integers(0, 399),
    st.integers(1, 200), st.integers(1, 200), st.sampled_from([32, 64, 512]),
)  # fmt: skip
def test_the_part_that_is_seen_holds_the_hole_and_its_context(h, w, y, x, tall, wide, side):
    y, x = min(y, h - 1), min(x, w - 1)
    hole = flags((h, w), x, y, x + wide, y + tall)
    box = cut(hole, side)
    assert 0 <= box.x0 < box.x1 <= w
    assert 0 <= box.y0 < box.y1 <= h
    assert hole[box.slices].sum() == hole.sum()
    longer = max(min(tall, h - y), min(wide, w - x))
    want = max(side, 2 * longer)
    assert (box.height, box.width) == (min(want, h), min(want, w))


@pytest.mark.parametrize("side", [64, 96, 512])
def test_a_view_is_no_larger_than_asked_and_shows_nothing_of_the_hole(side):
    image = stones(300, 200)
    hole, banned = flags(image.shape, 50, 100, 131, 190), flags(image.shape, 140, 0, 200, 80)
    spoilt = hidden(hidden(image, hole * np.uint8(255)), banned * np.uint8(255))
    view = seen(spoilt, hole, banned, side)
    assert max(view.unknown.shape) <= max(side, 1)
    assert not has_magenta(np.where(view.unknown[..., None], 0, view.picture))
    # What is known of it is the photo, shrunk.
    height, width = view.unknown.shape
    part = image[view.box.slices]
    small = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
    known = ~view.unknown
    assert known.any()
    assert np.abs(view.picture[known].astype(int) - small[known]).max() <= 1


def test_where_all_else_is_protected_the_network_sees_it_nevertheless():
    image = stones(80, 80)
    hole = flags(image.shape, 20, 20, 50, 50)
    view = seen(image, hole, ~hole, 64)
    assert not view.unknown.all()


@pytest.mark.parametrize(
    "box",
    [(0, 0, 40, 30), (170, 100, 211, 157), (60, 40, 140, 110), (0, 50, 211, 80), (5, 5, 210, 150)],
    ids=["corner", "far corner", "middle", "across", "most of it"],
)
@pytest.mark.parametrize("file", ["masked", "pair", "pipeline"])
def test_a_drawing_lands_on_the_hole_at_any_place_and_size(file, box, tmp_path):
    image = stones(157, 211)
    hole = flags(image.shape, *box)
    network = loaded(getattr(networks, file)(tmp_path / "made"))
    drawing = drawn_window(network, hidden(image, hole * np.uint8(255)), hole,
                           flags(image.shape, *NOTHING), 96)  # fmt: skip
    assert drawing.shape == image.shape
    # Inside, a few px from the rim, all is the network's red; outside nothing is.
    inner = cv2.erode(hole.astype(np.uint8), np.ones((9, 9)), borderValue=1) > 0
    assert np.abs(drawing[inner].astype(int) - RED).max() <= 12
    outer = cv2.dilate(hole.astype(np.uint8), np.ones((31, 31))) == 0
    if outer.any():
        assert np.abs(drawing[outer].astype(int) - cv2.blur(image, (3, 3))[outer]).mean() < 12


def test_the_drawing_and_the_photo_round_it_are_equally_sharp(tmp_path):
    truth = stones(256, 256, size=1.0)
    hole = flags(truth.shape, 64, 64, 192, 192)
    small = cv2.resize(truth, (64, 64), interpolation=cv2.INTER_AREA)
    network = loaded(networks.knowing(tmp_path / "made", small))
    drawing = drawn_window(network, truth, hole, flags(truth.shape, *NOTHING), 64)
    detail = cv2.Laplacian(drawing.astype(np.float32), -1) ** 2
    ring = ~hole & flags(truth.shape, 20, 20, 236, 236)
    inner = flags(truth.shape, 80, 80, 176, 176)
    assert detail[inner].mean() == pytest.approx(detail[ring].mean(), rel=0.25)
    assert detail[inner].mean() < 0.2 * (cv2.Laplacian(truth.astype(np.float32), -1) ** 2).mean()


def test_protected_pixels_and_other_holes_are_never_shown(tmp_path):
    image = stones(128, 128)
    hole, banned = flags(image.shape, 40, 40, 80, 80), flags(image.shape, 80, 20, 128, 100)
    network = loaded(networks.pair(tmp_path / "made", (128, 128)))
    image[banned] = MAGENTA
    shown = seen(image, hole, banned, 128)
    assert shown.unknown[banned[shown.box.slices]].all()
    drawing = drawn_window(network, image, hole, banned, 128)
    assert (drawing[hole] == RED).all()
    other = np.where(banned[..., None], np.uint8(0), image)
    np.testing.assert_array_equal(drawn_window(network, other, hole, banned, 128), drawing)
