"""insightface's networks on the house's sessions, beside insightface's own FaceAnalysis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from insightface.app import FaceAnalysis

from pawfect.contract.faces import FaceParams, read_faces
from pawfect.identity.serving import Run
from tests.pawfect.identity.photos import PHOTOS, boxes_by_hand, overlap


@pytest.fixture(scope="session")
def theirs(face_weights: Path) -> FaceAnalysis:
    """insightface's own, with sessions that it opens itself."""
    modules = ["detection", "landmark_2d_106", "recognition"]
    own = FaceAnalysis(str(face_weights / "tiny-faces"), allowed_modules=modules)
    own.prepare(ctx_id=0, det_thresh=0.5)
    return own


@pytest.mark.parametrize("name", PHOTOS)
def test_faces_are_those_of_insightfaces_own_analysis(
    insight: Run, theirs: FaceAnalysis, name: str
) -> None:
    photo = PHOTOS[name]()
    ours = read_faces(insight({"IMAGE": photo}, FaceParams()))
    own = theirs.get(np.ascontiguousarray(photo[..., ::-1]))
    assert len(ours) == len(own) == len(boxes_by_hand(name))
    for face, other in zip(ours, own, strict=True):
        np.testing.assert_allclose(face.box, other.bbox, atol=1e-3)
        assert face.score == pytest.approx(other.det_score, abs=1e-5)
        np.testing.assert_allclose(face.points, other.kps, atol=1e-3)
        np.testing.assert_allclose(face.landmarks, other.landmark_2d_106, atol=1e-3)
        np.testing.assert_allclose(face.embedding, other.embedding, atol=1e-3)


@pytest.mark.parametrize("name", PHOTOS)
def test_each_face_boxed_by_hand_is_found_and_none_besides(insight: Run, name: str) -> None:
    faces = read_faces(insight({"IMAGE": PHOTOS[name]()}, FaceParams()))
    by_hand = boxes_by_hand(name)
    matched = [max(range(len(by_hand)), key=lambda i: overlap(f.box, by_hand[i])) for f in faces]
    assert sorted(matched) == list(range(len(by_hand)))
    assert all(overlap(f.box, by_hand[i]) > 0.5 for f, i in zip(faces, matched, strict=True))
