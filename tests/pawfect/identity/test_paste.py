"""A drawn face laid back: nothing lost where nothing changed, all of it where all did."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest

from pawfect.identity.alignment import aligned, alignment, template, transformed
from pawfect.identity.inswapper import Swapper
from pawfect.identity.mask import face_mask, own_weight
from pawfect.identity.paste import pasted
from pawfect.identity.swap import DrawnFace, draw_face, in_scene
from tests.pawfect.identity import swappers
from tests.pawfect.identity.marked import MARKED, by_points

ONE = MARKED[-1]
EMBEDDING = np.random.default_rng(3).normal(size=512).astype(np.float32)
# The astronaut as many pixels as a photo of today: a face of 350 px, and one of 50.
SCALES = {"small": 0.55, "own": 1.0, "large": 4.0}


def scaled(name: str) -> tuple[np.ndarray, np.ndarray]:
    scale = SCALES[name]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    photo = cv2.resize(ONE.photo, None, fx=scale, fy=scale, interpolation=how)
    noise = np.random.default_rng(0).normal(0, 6, photo.shape)
    grainy = np.clip(photo + noise, 0, 255).astype(np.uint8)
    return grainy, ((ONE.face.points + 0.5) * scale - 0.5).astype(np.float32)


@pytest.fixture(scope="module")
def same(tmp_path_factory) -> Swapper:
    return Swapper.load(swappers.same(tmp_path_factory.mktemp("same")), 1)


@pytest.mark.parametrize(
    ("scale", "side"),
    [("small", 128), ("small", 256), ("own", 128), ("own", 256), ("own", 512), ("large", 128)],
)
def test_a_network_that_returns_what_it_sees_gives_the_photo_back(scale, side, same):
    photo, points = scaled(scale)
    drawn = draw_face(photo, points, EMBEDDING, same, side)
    weight, before = own_weight(photo, by_points(points))
    image, painted = pasted(photo, in_scene(drawn, before), weight)
    assert (painted == 255).sum() > 1000
    assert np.abs(image.astype(int) - photo).max() <= 1
    np.testing.assert_array_equal(image[painted == 0], photo[painted == 0])
    # Without the light's float arithmetic not a bit of it changes.
    again, _ = pasted(photo, drawn, weight)
    np.testing.assert_array_equal(again, photo)


@pytest.mark.parametrize("scale", SCALES)
def test_a_network_that_paints_anew_is_shown_in_full_strength(scale):
    photo, points = scaled(scale)
    x, y = np.meshgrid(np.arange(128), np.arange(128))
    # Edges everywhere, none where the face has them.
    picture = np.stack([128 + 90 * np.sin(x / 5), 128 + 90 * np.cos(y / 6), 0.8 * (x + y)], axis=-1)
    matrix = alignment(points, 128)
    drawn = DrawnFace(matrix, aligned(photo, matrix, 128), picture.astype(np.float32))
    image, painted = pasted(photo, drawn, np.ones(photo.shape[:2], np.float32))
    rows, columns = np.nonzero(painted == 255)
    at = transformed(matrix, np.column_stack([columns, rows]).astype(float))
    wanted = np.stack(
        [128 + 90 * np.sin(at[:, 0] / 5), 128 + 90 * np.cos(at[:, 1] / 6), 0.8 * at.sum(axis=1)],
        axis=-1,
    )
    # The analytic picture at each pixel of the photo: within what sampling 128 px leaves of it.
    off = np.abs(image[rows, columns] - wanted)
    assert off.mean() < 1.5
    assert np.percentile(off, 99) < 8


def test_a_drawn_edge_comes_to_lie_where_it_was_drawn_to_a_fraction_of_a_pixel():
    photo, points = scaled("large")
    photo[:] = 120
    matrix = alignment(points, 128)
    seen = aligned(photo, matrix, 128)
    x, y = np.meshgrid(np.arange(128), np.arange(128))
    spot = 100 * np.exp(-((x - 70.3) ** 2 + (y - 61.6) ** 2) / (2 * 9**2))
    drawn = DrawnFace(matrix, seen, seen + spot[..., None].astype(np.float32))
    image, _ = pasted(photo, drawn, np.ones(photo.shape[:2], np.float32))
    risen = image[..., 0].astype(float) - 120
    rows, columns = np.mgrid[: len(photo), : photo.shape[1]]
    middle = np.array([(risen * columns).sum(), (risen * rows).sum()]) / risen.sum()
    # A hundredth of the square's pixel; the photo has five to one.
    assert np.abs(transformed(matrix, middle[None])[0] - (70.3, 61.6)).max() < 0.02


def test_where_only_colour_changed_the_photos_own_detail_stays():
    photo, points = scaled("large")
    matrix = alignment(points, 128)
    seen = aligned(photo, matrix, 128)
    drawn = DrawnFace(matrix, seen, seen + np.array([14, -6, 3], np.float32))
    image, painted = pasted(photo, drawn, np.ones(photo.shape[:2], np.float32))
    full = (painted == 255) & (photo.min(axis=-1) > 12) & (photo.max(axis=-1) < 240)
    assert full.sum() > 100_000
    moved = image[full].astype(int) - photo[full]
    assert np.abs(moved - (14, -6, 3)).max() <= 1


def test_nothing_is_painted_outside_of_the_weight_or_the_square(same):
    drawn = draw_face(ONE.photo, ONE.face.points, EMBEDDING, same, 128)
    other = DrawnFace(drawn.matrix, drawn.seen, 255 - drawn.drawn)
    weight = face_mask(ONE.photo, [ONE.face]).weight
    image, painted = pasted(ONE.photo, other, weight)
    np.testing.assert_array_equal(painted > 0, np.rint(255 * weight) > 0)
    np.testing.assert_array_equal(image[weight == 0], ONE.photo[weight == 0])
    assert np.abs(image[weight == 1].astype(int) - ONE.photo[weight == 1]).mean() > 40
    whole, all_of_it = pasted(ONE.photo, other, np.ones_like(weight))
    corners = transformed(drawn.matrix, np.argwhere(all_of_it == 0)[:, ::-1].astype(float))
    assert ((corners < 3.1) | (corners > 123.9)).any(axis=1).all()
    np.testing.assert_array_equal(whole[all_of_it == 0], ONE.photo[all_of_it == 0])


@pytest.mark.parametrize("left", [200, 215, 235])
def test_a_face_that_the_border_cuts_is_pasted_as_far_as_it_goes(left):
    photo = np.ascontiguousarray(ONE.photo[:, left:])
    points = (ONE.face.points - (left, 0)).astype(np.float32)
    matrix = alignment(points, 256)
    seen = aligned(photo, matrix, 256)
    drawn = DrawnFace(matrix, seen, np.clip(seen + np.float32(40), 0, 255))
    weight, _ = own_weight(photo, by_points(points))
    image, painted = pasted(photo, drawn, weight)
    assert painted[120, 0] == 255
    assert (image[100:150, 0] > photo[100:150, 0]).any()


def test_a_face_that_fills_a_large_photo_takes_little_more_than_the_photo_itself():
    photo = np.full((3000, 3000, 3), 120, np.uint8)
    matrix = alignment(template(128) * np.float32(23), 128)
    seen = aligned(photo, matrix, 128)
    drawn = DrawnFace(matrix, seen, seen + np.float32(9))
    weight = np.ones(photo.shape[:2], np.float32)
    tracemalloc.start()
    try:
        image, painted = pasted(photo, drawn, weight)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (painted == 255).mean() > 0.6
    assert (image[painted == 255] == 129).all()
    # The two results, four bytes a pixel, and one band.
    assert most < 20 * painted.size


def test_points_far_outside_of_the_template_paint_nothing_where_the_photo_is_not():
    away = (template(128) + 5000).astype(np.float32)
    matrix = alignment(away, 128)
    black = np.zeros((128, 128, 3), np.uint8)
    drawn = DrawnFace(matrix, black, np.full((128, 128, 3), 255, np.float32))
    image, painted = pasted(ONE.photo, drawn, np.ones((512, 512), np.float32))
    np.testing.assert_array_equal(image, ONE.photo)
    assert not painted.any()
