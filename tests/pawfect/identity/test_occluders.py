"""What lies before a face is kept, and nothing of a face is taken for it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pawfect.identity.mask import face_mask, own_weight
from pawfect.identity.occluders import before_face
from pawfect.identity.shape import face_shape
from tests.pawfect.identity.marked import MARKED, by_points
from tests.pawfect.identity.paws import covered


def before(photo: np.ndarray, face) -> tuple[np.ndarray, np.ndarray]:
    """What is found, and where the face is."""
    shape = face_shape(face, *photo.shape[:2])
    return before_face(photo, face, shape) & shape, shape


@pytest.mark.parametrize(("tint", "least"), [("black", 0.65), ("grey", 0.65), ("white", 0.3)])
def test_a_paw_before_a_face_is_found_and_hardly_any_of_the_face_with_it(tint, least):
    overlaps, taken = [], []
    for case in covered(tint, each=2):
        found, shape = before(case.photo, case.face)
        paw = case.paw & shape
        if paw.sum() > 0.02 * shape.sum():
            overlaps.append((found & paw).sum() / (found | paw).sum())
            taken.append((found & ~paw).sum() / shape.sum())
    assert len(overlaps) > 10
    assert np.mean(overlaps) > least
    assert np.mean(taken) < 0.03


CHANGES = {
    "as it is": lambda photo: photo,
    "dark": lambda photo: 0.4 * photo,
    "pale": lambda photo: 0.5 * photo + 0.5 * photo.mean(axis=-1, keepdims=True),
    "grey": lambda photo: np.repeat(photo.mean(axis=-1, keepdims=True), 3, axis=-1),
    "noisy": lambda photo: photo + np.random.default_rng(0).normal(0, 20, photo.shape),
    "JPEG": lambda photo: cv2.imdecode(cv2.imencode(".jpg", photo, [1, 20])[1], 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_lips_brows_eyes_shadows_and_light_are_the_faces_own(change):
    for one in MARKED:
        x0, y0, x1, y1 = one.face.box.astype(int)
        left, top = max(x0 - 100, 0), max(y0 - 100, 0)
        part = one.photo[top : y1 + 100, left : x1 + 100]
        photo = np.clip(CHANGES[change](part), 0, 255).astype(np.uint8)
        found, _ = before(photo, by_points(one.face.points - np.float32([left, top])))
        # A collar behind the chin, where an ellipse is wider than the jaw, is no face.
        own = one.by_hand[top : y1 + 100, left : x1 + 100]
        assert (found & own).sum() <= 0.005 * own.sum()


def test_a_mask_and_a_swap_leave_out_what_lies_before_the_face():
    kept = []
    for case in covered("grey", each=1):
        mask = face_mask(case.photo, [case.face])
        weight, own_before = own_weight(case.photo, case.face)
        np.testing.assert_array_equal(mask.before, own_before)
        assert not mask.weight[mask.before].any()
        assert not weight[mask.before].any()
        # It is left out of what is painted, not of where the face is.
        assert (mask.full[face_shape(case.face, *case.photo.shape[:2])] == 255).all()
        kept.append(mask.before.any())
    assert np.mean(kept) > 0.7


def test_points_that_are_no_faces_find_nothing():
    photo = MARKED[-1].photo
    for points in (np.full((5, 2), 100.0), np.full((5, 2), np.nan), MARKED[-1].face.points[::-1]):
        shape = np.zeros(photo.shape[:2], np.bool_)
        shape[80:120, 80:120] = True
        assert not before_face(photo, by_points(points), shape).any()
