"""dlib's embedding of the faces that CenterFace finds, where dlib and its files are."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.contract.faces import CENTERFACE, CENTERFACE_DLIB, FaceParams, FaceReport, read_faces
from pawfect.identity.networks import DLIB
from pawfect.weights.store import weights_root
from tests.pawfect.identity.conftest import analysis
from tests.pawfect.identity.photos import astronaut, t1
from tests.refusals import refusal

INSTALL = "pip install --no-deps --require-hashes -r requirements/dlib.txt"
FETCH = f"pawfect weights fetch {DLIB}"


@pytest.fixture(scope="module")
def with_dlib(face_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("dlib", reason=f"optional: {INSTALL}")
    if not (weights_root() / DLIB).is_dir():
        pytest.skip(f"optional: {FETCH}")
    root = tmp_path_factory.mktemp("with_dlib")
    for entry in (weights_root() / DLIB, face_weights / "centerface"):
        shutil.copytree(entry, root / entry.name)
    return root


def test_with_dlib_faces_are_compared_and_kind_and_report_say_so(with_dlib: Path) -> None:
    run = analysis(with_dlib, "centerface")
    out = run({"IMAGE": t1()}, FaceParams())
    report = FaceReport.from_json(out["REPORT"][0])
    assert report.kind == CENTERFACE_DLIB
    assert report.licence == "MIT, CC0-1.0"
    assert set(report.weights) == {"faces", "embedding"}
    assert list(report.stage_ms) == ["detect", "embed"]
    assert out["EMBEDDINGS"].shape == (6, 128)
    assert out["LANDMARKS"].shape == (6, 0, 2)


def test_dlib_tells_people_apart_and_knows_one_again(with_dlib: Path) -> None:
    run = analysis(with_dlib, "centerface")
    darker = (astronaut()[:, ::-1] * 0.8).astype(np.uint8)
    (one,), (again,) = (
        read_faces(run({"IMAGE": photo}, FaceParams())) for photo in (astronaut(), darker)
    )
    others = read_faces(run({"IMAGE": t1()}, FaceParams()))
    # dlib's own threshold of its own distance.
    assert np.linalg.norm(one.embedding - again.embedding) < 0.6
    assert all(np.linalg.norm(one.embedding - face.embedding) > 0.6 for face in others)
    assert one.like(again) > max(one.like(face) for face in others)


def test_an_embedding_is_that_of_dlibs_own_call(with_dlib: Path) -> None:
    import dlib

    photo = astronaut()
    (face,) = read_faces(analysis(with_dlib, "centerface")({"IMAGE": photo}, FaceParams()))
    points = dlib.shape_predictor(str(with_dlib / DLIB / "shape_predictor_5_face_landmarks.dat"))
    file = "dlib_face_recognition_resnet_model_v1.dat"
    network = dlib.face_recognition_model_v1(str(with_dlib / DLIB / file))
    shape = points(photo, dlib.rectangle(*(round(float(side)) for side in face.box)))
    own = network.compute_face_descriptor(photo, shape)
    np.testing.assert_allclose(face.embedding, own, atol=1e-4)


def test_files_that_dlib_does_not_read_are_unavailable_by_name(tmp_path: Path) -> None:
    pytest.importorskip("dlib", reason=f"optional: {INSTALL}")
    from pawfect.identity.dlib_embedding import EMBEDDER, POINTS, DlibEmbedder

    for name in (POINTS, EMBEDDER):
        (tmp_path / name).write_bytes(b"nothing of dlib's")
    message = refusal(ErrorKind.UNAVAILABLE, DlibEmbedder, tmp_path)
    assert "expected files that dlib reads" in message
    assert str(tmp_path) not in message


def test_without_its_files_faces_are_found_and_not_compared(
    face_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: object() if name == "dlib" else find_spec(name)
    )
    # dlib is imported by what reads its files, after they are found.
    run = analysis(face_weights, "centerface")
    report = FaceReport.from_json(run({"IMAGE": astronaut()}, FaceParams())["REPORT"][0])
    assert report.kind == CENTERFACE
    (said,) = report.fallbacks
    assert (said.stage, said.instead) == ("embedding", "faces are not compared")
    assert f"run `{FETCH}`" in said.reason
