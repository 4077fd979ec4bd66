"""`face_analysis` as its callers see it: which networks, tensors, REPORT, what is refused."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import onnx
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.contract.faces import FaceParams, FaceReport, read_faces
from pawfect.contract.tensors import Array
from pawfect.identity.centerface import CenterFinder
from pawfect.identity.insight import DETECTOR, EMBEDDER, LANDMARKS, InsightFinder
from pawfect.identity.serving import Run, face_analysis
from pawfect.profile import Profile
from pawfect.serving import Function, load_function
from pawfect.settings import FacesSettings
from pawfect.weights.lock import BUILT_HERE, now
from pawfect.weights.store import Store, locked_folder
from tests.pawfect.identity.conftest import analysis
from tests.pawfect.identity.photos import astronaut, t1
from tests.refusals import refusal


def served(profile: Profile, root: Path, *networks: str) -> Function:
    """The model as a profile loads it, with other networks."""
    assert profile.faces is not None
    return load_function(
        "face_analysis",
        replace(profile, faces=replace(profile.faces, networks=networks)),
        Store(root),
    )


def report_of(out: dict[str, Array]) -> FaceReport:
    return FaceReport.from_json(out["REPORT"][0])


def test_faces_come_with_all_that_their_kind_has_and_how_they_came_about(insight: Run) -> None:
    out = insight({"IMAGE": t1()}, FaceParams())
    assert out["KIND"].tolist() == [b"insightface"]
    shapes = {name: out[name].shape for name in ("BOXES", "POINTS", "LANDMARKS", "EMBEDDINGS")}
    assert shapes == {
        "BOXES": (6, 4),
        "POINTS": (6, 5, 2),
        "LANDMARKS": (6, 106, 2),
        "EMBEDDINGS": (6, 512),
    }
    assert (np.diff(out["SCORES"]) <= 0).all()
    report = report_of(out)
    assert (report.kind, report.found, report.size) == ("insightface", 6, 640)
    assert (report.width, report.height, report.device) == (1280, 886, "cpu")
    assert list(report.stage_ms) == ["detect", "landmarks", "embed"]
    assert sum(report.stage_ms.values()) <= report.total_ms
    assert report.weights["faces"].startswith("tiny-faces@")
    assert (report.licence, report.fallbacks) == ("MIT", ())
    assert FaceReport.from_json(report.to_json()) == report
    faces = read_faces(out)
    assert faces[0].like(faces[0]) == pytest.approx(1.0)
    assert faces[0].like(faces[1]) < 0.95


def test_the_same_photo_gives_the_same_faces(insight: Run) -> None:
    one, other = (insight({"IMAGE": astronaut()}, FaceParams()) for _ in range(2))
    for name in one.keys() - {"REPORT"}:
        np.testing.assert_array_equal(one[name], other[name])


def test_late_is_said_with_both_times_and_cancelled_without(insight: Run) -> None:
    given = {"IMAGE": t1()}
    late = refusal(ErrorKind.DEADLINE, insight, given, FaceParams(deadline_ms=1))
    assert late.startswith("deadline_ms: expected an answer within 1 ms, got none after ")
    refusal(ErrorKind.CANCELLED, insight, given, FaceParams(), lambda: True)


@pytest.mark.parametrize("network", ["tiny-faces", "centerface"])
def test_a_request_stops_while_its_detector_runs(face_weights: Path, network: str) -> None:
    # Asked before the run, then while it runs or after it.
    answers = chain([False], repeat(True))
    run = analysis(face_weights, network)
    refusal(ErrorKind.CANCELLED, run, {"IMAGE": t1()}, FaceParams(), lambda: next(answers))


def test_a_request_stops_between_one_network_and_the_next(face_weights: Path) -> None:
    begun: list[str] = []

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        begun.append(name)
        yield

    finder = InsightFinder(face_weights / "tiny-faces", 1)
    given = (astronaut(), 320, 0.5, lambda: "landmarks" in begun, stage)
    refusal(ErrorKind.CANCELLED, finder.find, *given)
    assert begun == ["detect", "landmarks"]


@pytest.mark.parametrize("shape", [(63, 64, 3), (64, 16385, 3)])
def test_a_picture_of_another_size_than_photos_have_is_refused(
    insight: Run, shape: tuple[int, ...]
) -> None:
    picture = np.broadcast_to(np.uint8(9), shape)
    message = refusal(ErrorKind.INVALID_ARG, insight, {"IMAGE": picture}, FaceParams())
    assert message.startswith("IMAGE: expected sides of 64 to 16384 px, got ")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"least_score": 1.5}, "least_score: expected"),
        ({"least_score": "high"}, "least_score: expected"),
        ({"size": 650}, "size: expected"),
        ({"size": 32}, "size: expected"),
        ({"deadline_ms": 0}, "deadline_ms: expected"),
        ({"faces": 1}, "got faces"),
    ],
)
def test_a_parameter_out_of_bounds_is_named(given: dict[str, object], says: str) -> None:
    assert says in refusal(ErrorKind.INVALID_ARG, FaceParams.parse, given)


def test_networks_that_are_missing_are_passed_over_and_the_report_says_so(
    face_weights: Path, embedded: Profile
) -> None:
    run = served(embedded, face_weights, "buffalo_l", "centerface")
    report = report_of(run({"IMAGE": astronaut()}, {}))
    assert report.kind == "centerface"
    said = [one for one in report.fallbacks if one.stage == "networks"]
    assert [(one.instead, one.kind) for one in said] == [
        ("faces are found by centerface", ErrorKind.UNAVAILABLE)
    ]
    assert "run `pawfect weights fetch buffalo_l`" in said[0].reason


def test_what_may_not_be_sold_is_passed_over_where_the_profile_is_for_that(
    face_weights: Path, embedded: Profile
) -> None:
    sold = replace(embedded, allow_noncommercial=False)
    run = served(sold, face_weights, "buffalo_l", "centerface")
    (said, *_) = report_of(run({"IMAGE": astronaut()}, {})).fallbacks
    assert "is for commercial use, InsightFace non-commercial research is not" in said.reason


def test_without_any_of_its_networks_it_is_unavailable_with_what_mends_each(
    tmp_path: Path, embedded: Profile
) -> None:
    message = refusal(ErrorKind.UNAVAILABLE, served, embedded, tmp_path, "buffalo_l", "centerface")
    assert "run `pawfect weights fetch buffalo_l`" in message
    assert "run `pawfect weights fetch centerface`" in message
    assert str(tmp_path) not in message


def test_a_name_that_is_no_network_of_faces_is_refused(
    face_weights: Path, embedded: Profile
) -> None:
    message = refusal(ErrorKind.INVALID_ARG, served, embedded, face_weights, "u2netp")
    assert message.startswith("networks: expected some of buffalo_l, tiny-faces, centerface")


def test_without_insightface_it_says_what_installs_it_or_takes_the_next(
    face_weights: Path, embedded: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "insightface"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "pawfect.identity.insight")
    monkeypatch.setitem(sys.modules, "insightface", None)
    message = refusal(ErrorKind.UNAVAILABLE, served, embedded, face_weights, "tiny-faces")
    assert "needs the package insightface: pip install --no-deps insightface==2.1" in message
    run = served(embedded, face_weights, "tiny-faces", "centerface")
    assert report_of(run({"IMAGE": astronaut()}, {})).kind == "centerface"


def rewritten(file: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load(str(file))
    change(model)
    file.write_bytes(model.SerializeToString())


def fixed_sides(model: onnx.ModelProto) -> None:
    for axis, size in ((2, 320), (3, 320)):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size


def without_points(model: onnx.ModelProto) -> None:
    del model.graph.output[6:]


FOREIGN = {
    "another network as the detector": (DETECTOR, LANDMARKS, None),
    "another network as the landmarks": (LANDMARKS, EMBEDDER, None),
    "another network as the embedder": (EMBEDDER, DETECTOR, None),
    "a detector of one size": (DETECTOR, None, fixed_sides),
    "a detector without points": (DETECTOR, None, without_points),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_another_networks_file_is_unavailable_by_name(
    case: str, face_weights: Path, tmp_path: Path
) -> None:
    name, other, change = FOREIGN[case]
    folder = tmp_path / "tiny-faces"
    shutil.copytree(face_weights / "tiny-faces", folder)
    if other:
        shutil.copy(folder / other, folder / name)
    if change:
        rewritten(folder / name, change)
    message = refusal(ErrorKind.UNAVAILABLE, InsightFinder, folder, 1)
    assert message.startswith(f"weights tiny-faces: {name}: expected ")
    assert str(tmp_path) not in message


def test_another_networks_file_as_centerface_is_unavailable_by_name(
    face_weights: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "centerface"
    folder.mkdir()
    for other in (LANDMARKS, DETECTOR):
        shutil.copy(face_weights / "tiny-faces" / other, folder / "centerface.onnx")
        message = refusal(ErrorKind.UNAVAILABLE, CenterFinder, folder, 1)
        assert message.startswith("weights centerface: centerface.onnx: expected CenterFace")
    (folder / "centerface.onnx").write_bytes(b"no network at all")
    message = refusal(ErrorKind.UNAVAILABLE, CenterFinder, folder, 1)
    assert "expected an ONNX file that onnxruntime loads" in message


def test_a_foreign_file_that_was_recorded_is_said_with_what_mends_it(
    face_weights: Path, tmp_path: Path
) -> None:
    for entry in ("tiny-faces", "centerface"):
        shutil.copytree(face_weights / entry, tmp_path / entry)
    shutil.copy(tmp_path / "tiny-faces" / LANDMARKS, tmp_path / "tiny-faces" / EMBEDDER)
    store = Store(tmp_path)
    # As `pawfect weights add --unverified` takes a file that nobody knows.
    store.lock.put("tiny-faces", locked_folder(tmp_path / "tiny-faces", BUILT_HERE, now()))
    settings = FacesSettings("cpu", 1, ("tiny-faces",), 640, 5000)
    message = refusal(
        ErrorKind.UNAVAILABLE, face_analysis, settings, lambda name: store.folder(name, mend="-")
    )
    assert message.endswith("run `pawfect weights fetch tiny-faces --fresh`")


def test_a_file_that_was_changed_is_unavailable_with_what_mends_it(
    face_weights: Path, tmp_path: Path, embedded: Profile
) -> None:
    root = tmp_path / "root"
    shutil.copytree(face_weights, root)
    (root / "tiny-faces" / EMBEDDER).write_bytes(b"damaged")
    message = refusal(ErrorKind.UNAVAILABLE, served, embedded, root, "tiny-faces")
    assert "run `pawfect weights fetch tiny-faces`" in message
