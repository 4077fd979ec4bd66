"""`pawfect faces`: a table for people, JSON for programs, and neither has an embedding."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from pawfect.contract.errors import TABLE, ErrorKind
from pawfect.contract.faces import Face, FaceReport
from pawfect.contract.texts import text_tensor
from pawfect_client import FacesFound
from pawfect_client.face_analysis import faces_found
from pawfect_client.faces_command import faces, print_faces
from tests.client.test_text_command import answer
from tests.pawfect.identity.photos import astronaut, boxes_by_hand, overlap
from tests.pawfect.photo.pictures import png
from tests.refusals import refusal

REPORT = FaceReport(
    kind="centerface-dlib", found=1, left_out=2, size=640, device="cpu", width=400, height=300,
    stage_ms={"find": 1.0}, total_ms=1250.0, licence="MIT",
)  # fmt: skip
FACE = Face(
    "centerface-dlib",
    np.array([10.4, 20, 60, 39.5], np.float32),
    0.934,
    np.full((5, 2), 15, np.float32),
    np.zeros((0, 2), np.float32),
    np.full(128, 0.125, np.float32),
)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "astronaut.png"
    path.write_bytes(png(astronaut()))
    return path


def run(*words: object) -> Any:
    return CliRunner().invoke(faces, [str(word) for word in words])


def printed(found: FacesFound) -> str:
    sink = io.StringIO()
    print_faces(found, Console(file=sink, width=100))
    return sink.getvalue()


def test_on_a_server_and_without_one_the_same_face_is_found(server, photo):
    there = run(photo, "--json", "--url", server.endpoints.grpc)
    here = run(photo, "--json", "--local")
    assert there.exit_code == here.exit_code == 0, there.output + here.output
    one, other = json.loads(there.stdout), json.loads(here.stdout)
    assert one["faces"] == other["faces"]
    (face,) = one["faces"]
    x, y, width, height = face["box"]
    (by_hand,) = boxes_by_hand("astronaut")
    assert overlap(np.array([x, y, x + width, y + height], float), by_hand) > 0.5
    assert np.shape(face["points"]) == (5, 2)
    assert set(face) == {"score", "box", "points", "landmarks"}, "no embedding leaves the command"
    assert one["report"]["found"] == 1
    assert "embedding" not in there.stdout.lower()


def test_people_get_a_table_with_what_was_left_out_and_the_networks_licence():
    said = printed(FacesFound((FACE,), REPORT))
    row = next(line for line in said.splitlines() if "0.93" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["0", "0.93", "10", "20", "50", "20"]
    last = "1 face in 1.2 s; 2 of too low a score left out; by centerface-dlib (licence: MIT)"
    assert said.splitlines()[-1] == last
    none = printed(FacesFound((), REPORT))
    assert none.startswith("no face; 2 of too low a score left out")


def test_it_ends_with_the_exit_code_of_what_went_wrong(tmp_path, photo):
    missing = run(tmp_path / "none.png", "--local")
    assert missing.exit_code == TABLE[ErrorKind.INVALID_ARG].exit_code
    nobody = run(photo, "--url", "127.0.0.1:9", "--timeout", "1")
    assert nobody.exit_code == TABLE[ErrorKind.UNAVAILABLE].exit_code
    odd = run(photo, "--size", "100", "--local")
    assert odd.exit_code == TABLE[ErrorKind.INVALID_ARG].exit_code
    assert "size: expected" in odd.output
    assert run(photo, "--size", "10").exit_code == 2


def test_an_answer_of_another_form_is_a_defect_that_is_named():
    good = {
        "KIND": text_tensor("centerface-dlib"),
        "BOXES": FACE.box[None],
        "SCORES": np.ones(1, np.float32),
        "POINTS": FACE.points[None],
        "LANDMARKS": FACE.landmarks[None],
        "EMBEDDINGS": FACE.embedding[None],
        "REPORT": text_tensor(REPORT.to_json()),
    }
    read = faces_found(answer(**good))
    assert read.report == REPORT
    assert read.faces[0].like(FACE) == pytest.approx(1)
    for change, says in (
        ({"KIND": text_tensor("insightface")}, "LANDMARKS of the answer: expected [1, 106, 2]"),
        ({"KIND": text_tensor("other")}, "KIND of the answer: expected one of insightface"),
        ({"SCORES": np.ones(2, np.float32)}, "SCORES of the answer: expected [1]"),
        ({"EMBEDDINGS": np.ones((1, 4), np.float32)}, "EMBEDDINGS of the answer: expected [1, 128"),
        ({"REPORT": text_tensor("{}")}, "REPORT of the answer"),
    ):
        assert says in refusal(ErrorKind.INTERNAL, faces_found, answer(**good | change))
    del good["POINTS"]
    assert "none of POINTS" in refusal(ErrorKind.INTERNAL, faces_found, answer(**good))
