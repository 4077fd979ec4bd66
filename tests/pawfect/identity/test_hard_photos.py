"""Photos that are hard on a face detector: what each kind of networks says of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from pawfect.contract.faces import KINDS, Face, FaceParams, FaceReport, read_faces
from pawfect.identity.serving import Run
from tests.pawfect.identity import scenes
from tests.pawfect.identity.conftest import analysis
from tests.pawfect.identity.photos import astronaut, boxes_by_hand, overlap, t1


@pytest.fixture(scope="module", params=["tiny-faces", "centerface"])
def run(request: pytest.FixtureRequest, face_weights: Path, insight: Run) -> Run:
    return insight if request.param == "tiny-faces" else analysis(face_weights, request.param)


def found(run: Run, photo: np.ndarray, **parameters: float) -> tuple[Face, ...]:
    return read_faces(run({"IMAGE": photo}, FaceParams(**parameters)))


@pytest.mark.parametrize(
    "photo",
    [
        np.full((300, 400, 3), 127, np.uint8),
        np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8),
        np.asarray(data.coffee()),
    ],
    ids=["grey", "noise", "coffee"],
)
def test_a_photo_without_a_face_gives_empty_arrays_of_the_right_shapes(
    run: Run, photo: np.ndarray
) -> None:
    out = run({"IMAGE": photo}, FaceParams())
    report = FaceReport.from_json(out["REPORT"][0])
    kind = KINDS[report.kind]
    shapes = {name: out[name].shape for name in out if name not in ("KIND", "REPORT")}
    assert shapes == {
        "BOXES": (0, 4),
        "SCORES": (0,),
        "POINTS": (0, 5, 2),
        "LANDMARKS": (0, kind.landmarks, 2),
        "EMBEDDINGS": (0, kind.embedding),
    }
    assert all(out[name].dtype == np.float32 for name in shapes)
    assert report.found == 0


def test_a_pets_face_is_no_persons(run: Run) -> None:
    # A cat that looks into the camera.
    assert found(run, np.asarray(data.chelsea())) == ()


def test_ten_faces_are_ten(run: Run) -> None:
    photo, boxes = scenes.many(10)
    faces = found(run, photo)
    best = [int(np.argmax([overlap(face.box, box) for box in boxes])) for face in faces]
    assert sorted(best) == list(range(10))
    assert all(overlap(f.box, boxes[i]) > 0.5 for f, i in zip(faces, best, strict=True))


@pytest.mark.parametrize("side", ["left", "right", "above", "below"])
def test_of_a_face_that_the_border_cuts_in_half_the_rest_is_found(run: Run, side: str) -> None:
    photo, box = scenes.cut(side)
    (face,) = found(run, photo)
    assert overlap(face.box, box) > 0.4
    assert np.isfinite(face.points).all()
    assert np.isfinite(face.embedding).all()


def test_a_face_of_20_px_is_found(run: Run) -> None:
    photo, box = scenes.far_away(20)
    (face,) = found(run, photo)
    assert overlap(face.box, box) > 0.5


def test_sunglasses_hide_nobody(run: Run) -> None:
    (face,) = found(run, scenes.in_sunglasses())
    assert overlap(face.box, boxes_by_hand("astronaut")[0]) > 0.7


@pytest.mark.parametrize("degrees", [-45, 30, 90, 180])
def test_a_turned_face_is_found(run: Run, degrees: float) -> None:
    (face,) = found(run, scenes.turned(degrees))
    x0, y0, x1, y1 = boxes_by_hand("astronaut")[0]
    middle = (face.box[:2] + face.box[2:]) / 2
    assert np.abs(middle - ((x0 + x1) / 2, (y0 + y1) / 2)).max() < 25


def test_a_face_seen_from_the_side_is_found(run: Run) -> None:
    photo, box = scenes.from_the_side()
    (face,) = found(run, photo)
    assert overlap(face.box, box) > 0.4


def test_a_photo_without_colour_is_as_good(run: Run) -> None:
    (face,) = found(run, scenes.without_colour())
    assert overlap(face.box, boxes_by_hand("astronaut")[0]) > 0.7


def test_a_photo_of_16_mp_gives_boxes_in_its_own_pixels(run: Run) -> None:
    large = cv2.resize(t1(), (4800, 3323), interpolation=cv2.INTER_LINEAR)
    faces = found(run, large)
    by_hand = boxes_by_hand("t1") * 3.75
    assert len(faces) == len(by_hand)
    assert all(max(overlap(face.box, box) for box in by_hand) > 0.5 for face in faces)


@pytest.mark.parametrize("shape", [(64, 8000), (16384, 64)])
def test_a_strip_has_no_faces_and_is_no_error(run: Run, shape: tuple[int, int]) -> None:
    assert found(run, np.zeros((*shape, 3), np.uint8)) == ()
    assert found(run, np.zeros((*shape, 3), np.uint8), size=64) == ()


def test_a_view_of_a_photo_is_read_as_the_photo_itself(run: Run) -> None:
    mirrored = astronaut()[:, ::-1]
    (view,), (copy,) = (found(run, photo) for photo in (mirrored, mirrored.copy()))
    np.testing.assert_array_equal(view.box, copy.box)
    np.testing.assert_array_equal(view.embedding, copy.embedding)


def test_what_is_left_out_by_its_score_is_counted(run: Run) -> None:
    everything = run({"IMAGE": t1()}, FaceParams(least_score=0.1))
    some = run({"IMAGE": t1()}, FaceParams(least_score=0.9))
    all_of_them = FaceReport.from_json(everything["REPORT"][0])
    few = FaceReport.from_json(some["REPORT"][0])
    assert few.found == int((everything["SCORES"] >= 0.9).sum()) < all_of_them.found
    assert few.found + few.left_out == all_of_them.found + all_of_them.left_out
    np.testing.assert_array_equal(some["BOXES"], everything["BOXES"][: few.found])


def test_any_score_is_answered(run: Run) -> None:
    out = run({"IMAGE": scenes.head()}, FaceParams(least_score=0.0, size=320))
    assert FaceReport.from_json(out["REPORT"][0]).found == len(out["SCORES"]) >= 1
