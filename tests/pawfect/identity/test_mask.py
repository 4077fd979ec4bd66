"""The mask of a face: on photos marked by hand, on random landmarks, at the border, at 20 px."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pawfect.contract.tensors import MAX_SIDE
from pawfect.identity.alignment import template
from pawfect.identity.mask import face_mask, feathered
from pawfect.identity.nearest import meant_face
from pawfect.identity.shape import face_shape, hull
from pawfect.weights.store import Store
from tests.pawfect.identity.marked import MARKED, Marked, by_points

IDS = [f"{place}" for place in range(6)] + ["astronaut"]
each = pytest.mark.parametrize("one", MARKED, ids=IDS)


@pytest.fixture(scope="module")
def found(face_weights) -> list:
    """The marked faces as CenterFace finds them, in the same order."""
    from pawfect.identity.centerface import CenterFinder

    finder = CenterFinder(Store(face_weights).folder("centerface", mend="make network"), 1)
    by_photo = {
        len(one.photo): finder.find(one.photo, 1280, 0.5).faces for one in (MARKED[0], MARKED[-1])
    }
    return [
        min(by_photo[len(one.photo)], key=lambda face: np.abs(face.points - one.face.points).max())
        for one in MARKED
    ]


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


@each
def test_by_five_points_a_mask_is_the_face_and_reaches_at_most_3_px_above_the_brows(one: Marked):
    mask = face_mask(one.photo, [one.face]).full > 0
    assert one.above_brows(mask) <= 3
    assert overlap(mask, one.by_hand) > 0.65
    columns, rows = np.rint(one.face.points).astype(int).T
    assert mask[rows, columns].all()


def test_by_the_points_of_a_detector_it_is_as_good(found):
    overlaps = []
    for one, face in zip(MARKED, found, strict=True):
        mask = face_mask(one.photo, [face]).full > 0
        assert one.above_brows(mask) <= 3
        overlaps.append(overlap(mask, one.by_hand))
    assert min(overlaps) > 0.7
    assert np.mean(overlaps) > 0.78


@each
def test_by_landmarks_it_is_their_hull_and_no_more(one: Marked):
    # Landmarks of the outline begin beside the eyes.
    landmarks = np.concatenate([one.brows, one.outline[2:-2]])
    face = by_points(one.face.points, one.face.box, landmarks)
    mask = face_mask(one.photo, [face]).full > 0
    assert one.above_brows(mask) <= 1
    hull = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.rint(landmarks).astype(np.int32)), (1,))
    np.testing.assert_array_equal(mask, hull > 0)


coordinates = arrays(np.float32, (106, 2), elements=st.floats(-40, 140, width=32))


@settings(max_examples=60)
@given(
    landmarks=coordinates, points=arrays(np.float32, (5, 2), elements=st.floats(0, 99, width=32))
)
def test_before_erosion_it_covers_every_landmark_wherever_they_are(landmarks, points):
    photo = np.full((100, 100, 3), 128, np.uint8)
    mask = face_mask(photo, [by_points(points, landmarks=landmarks)])
    marks = np.rint(np.concatenate([landmarks, points])).astype(int)
    inside = ((marks >= 0) & (marks < 100)).all(axis=1)
    assert (mask.full[marks[inside, 1], marks[inside, 0]] == 255).all()
    assert ((mask.weight > 0) <= (mask.full > 0)).all()
    assert mask.weight.max() == 1


@settings(max_examples=60)
@given(
    points=arrays(np.float32, (5, 2), elements=st.floats(-60, 160, width=32)),
)
def test_any_five_points_give_a_mask_that_covers_those_in_the_photo(points):
    photo = np.full((90, 110, 3), 128, np.uint8)
    mask = face_mask(photo, [by_points(points)])
    at = np.rint(points).astype(int)
    inside = ((at >= 0) & (at < (110, 90))).all(axis=1)
    assert (mask.full[at[inside, 1], at[inside, 0]] == 255).all()
    assert np.isfinite(mask.weight).all()


def test_a_face_at_the_far_end_of_the_widest_photo_is_where_its_points_are():
    corner = np.array([MAX_SIDE - 150, 0], np.float32)
    landmarks = template(128) + corner
    there = hull(landmarks, 128, MAX_SIDE)
    np.testing.assert_array_equal(there[:, MAX_SIDE - 150 :], hull(landmarks - corner, 128, 150))
    assert not there[:, : MAX_SIDE - 150].any()


def brute_force_weight(flags: np.ndarray, erode: float, feather: float) -> np.ndarray:
    """Distances to every pixel outside, twice."""

    def depth(inside):
        outside = np.argwhere(~inside)
        return np.array(
            [
                [
                    np.sqrt(((outside - (y, x)) ** 2).sum(axis=1).min()) if inside[y, x] else 0
                    for x in range(inside.shape[1])
                ]
                for y in range(inside.shape[0])
            ]
        )

    return np.clip(depth(depth(flags) > erode) / feather, 0, 1)


def test_the_weight_rises_by_the_distance_from_the_eroded_edge():
    flags = np.zeros((60, 64), np.bool_)
    cv2_circle = (np.mgrid[:60, :64] - np.array([30, 32])[:, None, None]) ** 2
    flags[cv2_circle.sum(axis=0) < 24**2] = True
    weight, feather_px = feathered(flags)
    assert 4 < feather_px < 6
    np.testing.assert_allclose(weight, brute_force_weight(flags, 3, feather_px), atol=1e-4)


def test_a_large_mask_is_eroded_by_3_px_and_feathered_over_25():
    flags = np.zeros((400, 500), np.bool_)
    flags[50:350, 60:440] = True
    weight, feather_px = feathered(flags)
    assert feather_px == 25
    middle = weight[200]
    assert not middle[:63].any()
    np.testing.assert_allclose(middle[63:88], np.arange(1, 26) / 25, atol=1e-6)
    assert (weight[78:322, 88:412] == 1).all()
    assert not weight[~flags].any()


def test_the_photos_border_is_no_edge():
    flags = np.zeros((300, 300), np.bool_)
    flags[:250] = True
    weight, _ = feathered(flags)
    assert (weight[:200] == 1).all()
    assert (feathered(np.ones((80, 80), np.bool_))[0] == 1).all()


def test_a_face_that_the_border_cuts_keeps_its_full_weight_there():
    one = MARKED[-1]
    for left in (200, 225):
        face = by_points(one.face.points - np.float32([left, 0]))
        mask = face_mask(np.ascontiguousarray(one.photo[:, left:]), [face])
        assert (mask.weight[115:135, 0] == 1).all()


@pytest.mark.parametrize("height", [20, 12, 6])
def test_a_small_face_has_a_small_mask_that_is_painted_in_full_at_its_middle(height):
    one = MARKED[-1]
    scale = height / 108
    photo = cv2.resize(one.photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    mask = face_mask(photo, [by_points(one.face.points * scale)])
    assert 0 < (mask.full > 0).sum() < height**2
    assert mask.weight.max() == 1
    assert mask.feather_px <= max(1, height / 8)


def test_united_with_the_users_mask_and_without_what_is_protected():
    one = MARKED[-1]
    asked = np.zeros(one.photo.shape[:2], np.uint8)
    asked[100:300, 100:220] = 200
    protect = np.zeros_like(asked)
    protect[130:300, 200:240] = 255
    shape = face_shape(one.face, 512, 512)
    mask = face_mask(one.photo, [one.face], asked, protect)
    np.testing.assert_array_equal(mask.full > 0, shape | (asked > 0))
    assert not mask.weight[protect > 0].any()
    # A feather's width from it all is painted.
    assert mask.weight[110, 210] == 1
    assert mask.face == 0


def test_of_several_faces_it_is_the_one_nearest_to_the_users_mask():
    photo, faces = MARKED[0].photo, [one.face for one in MARKED[:6]]
    assert meant_face(faces, None) == 0
    assert meant_face(faces, np.zeros(photo.shape[:2], np.uint8)) == 0
    for place, face in enumerate(faces):
        x0, y0, _, y1 = face.box.astype(int)
        for rows, columns in (
            (slice(y0 + 20, y0 + 40), slice(x0 + 20, x0 + 50)),
            (slice(y1 + 5, y1 + 20), slice(x0 + 20, x0 + 50)),
        ):
            asked = np.zeros(photo.shape[:2], np.uint8)
            asked[rows, columns] = 255
            assert meant_face(faces, asked) == place
    # Of two that it touches the one that it covers more of.
    asked = np.zeros(photo.shape[:2], np.uint8)
    asked[330:380, 500:775] = 255
    assert meant_face(faces, asked) == 2


def test_another_face_that_the_users_mask_touches_is_left_alone():
    photo, faces = MARKED[0].photo, [one.face for one in MARKED[:6]]
    asked = np.zeros(photo.shape[:2], np.uint8)
    asked[300:420, 460:860] = 255
    mask = face_mask(photo, faces, asked)
    assert mask.face == 2
    other = face_shape(faces[3], *photo.shape[:2])
    assert other.any()
    assert not (mask.full[other] > 0).any()
    assert not mask.weight[other].any()


def test_without_a_face_it_is_the_users_mask_as_it_is():
    photo = np.zeros((80, 90, 3), np.uint8)
    asked = np.zeros((80, 90), np.uint8)
    asked[20:40, 30:60] = 255
    mask = face_mask(photo, [], asked)
    assert mask.face is None
    np.testing.assert_array_equal(mask.full, asked)
    np.testing.assert_array_equal(mask.weight, asked / 255)
    nothing = face_mask(photo, [])
    assert nothing.face is None
    assert not nothing.full.any()
