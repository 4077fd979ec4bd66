"""`pawfect text`: a table for people, JSON for programs, and how it ends that fails."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console
from tritonclient.grpc import service_pb2
from tritonclient.utils import np_to_triton_dtype, serialize_byte_tensor

from pawfect.contract.errors import TABLE, ErrorKind
from pawfect.contract.reading import ReadingReport, ReadText
from pawfect.contract.texts import text_tensor
from pawfect_client import TextRead
from pawfect_client.text_command import print_texts, text
from pawfect_client.text_reading import text_read
from tests.pawfect.ocr.signs import sign
from tests.pawfect.photo.pictures import png
from tests.refusals import refusal

WORDS = ["BEWARE OF THE DOG", "Call 555-0134"]
REPORT = ReadingReport(
    found=1, left_out=2, least_score=0.5, size=2000, seen=(400, 300), device="cpu", width=400,
    height=300, stage_ms={"detect": 1.0}, total_ms=1250.0,
)  # fmt: skip
QUAD = np.array([[10.4, 20], [60, 20], [60, 39.5], [10.4, 39.5]], np.float32)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "sign.png"
    path.write_bytes(png(sign(WORDS)[0]))
    return path


def run(*words: object) -> Any:
    return CliRunner().invoke(text, [str(word) for word in words])


def printed(read: TextRead) -> str:
    sink = io.StringIO()
    print_texts(read, Console(file=sink, width=100))
    return sink.getvalue()


def test_on_a_server_and_without_one_the_same_is_said(server, photo):
    there = run(photo, "--json", "--size", 448, "--url", server.endpoints.grpc)
    here = run(photo, "--json", "--size", 448, "--local")
    assert there.exit_code == here.exit_code == 0, there.output + here.output
    one, other = json.loads(there.stdout), json.loads(here.stdout)
    assert [found["text"] for found in one["texts"]] == WORDS
    assert one["texts"] == other["texts"]
    assert one["report"]["found"] == 2
    for found in one["texts"]:
        x, y, width, height = found["box"]
        quad = np.array(found["quad"])
        assert (quad >= [x, y]).all()
        assert (quad <= [x + width, y + height]).all()


def test_people_get_a_table_with_boxes_and_what_was_left_out():
    said = printed(TextRead((ReadText(QUAD, "BEWARE [bold]\x1b[2J", 0.934),), REPORT))
    # Neither markup nor what a terminal would obey.
    assert "BEWARE [bold]\\x1b[2J" in said
    row = next(line for line in said.splitlines() if "BEWARE" in line)
    assert [cell.strip() for cell in row.split("│")[2:-1]] == ["0.93", "10", "20", "50", "20"]
    assert said.splitlines()[-1] == "1 text in 1.2 s; 2 of a score under 0.5 left out"


def test_nothing_to_read_is_said_and_no_error():
    assert printed(TextRead((), REPORT)) == ("nothing to read; 2 of a score under 0.5 left out\n")


def test_it_ends_with_the_exit_code_of_what_went_wrong(tmp_path, photo):
    missing = run(tmp_path / "none.png", "--local")
    assert missing.exit_code == TABLE[ErrorKind.INVALID_ARG].exit_code
    assert missing.stdout == ""
    nobody = run(photo, "--url", "127.0.0.1:9", "--timeout", "1")
    assert nobody.exit_code == TABLE[ErrorKind.UNAVAILABLE].exit_code
    assert run(photo, "--local", "--url", "127.0.0.1:9").exit_code == 2
    assert run(photo, "--size", "10").exit_code == 2


def answer(**outputs: np.ndarray) -> Any:
    response = service_pb2.ModelInferResponse()
    for name, array in outputs.items():
        datatype = np_to_triton_dtype(array.dtype)
        response.outputs.add(name=name, datatype=datatype, shape=array.shape)
        packed = serialize_byte_tensor(array).item() if datatype == "BYTES" else array.tobytes()
        response.raw_output_contents.append(packed)
    return response


def test_an_answer_of_another_form_is_a_defect_that_is_named():
    good = {
        "BOXES": QUAD[None],
        "TEXTS": text_tensor("Max"),
        "SCORES": np.ones(1, np.float32),
        "REPORT": text_tensor(REPORT.to_json()),
    }
    read = text_read(answer(**good))
    assert (read.texts[0].text, read.report) == ("Max", REPORT)
    np.testing.assert_array_equal(read.texts[0].quad, QUAD)
    for change, says in (
        ({"SCORES": np.ones(2, np.float32)}, "BOXES, TEXTS, SCORES of the answer: expected [K"),
        ({"BOXES": QUAD}, "got [4, 2], [1], [1]"),
        ({"REPORT": text_tensor("{}")}, "REPORT of the answer"),
    ):
        assert says in refusal(ErrorKind.INTERNAL, text_read, answer(**good | change))
    del good["TEXTS"]
    assert "all three, got fewer" in refusal(ErrorKind.INTERNAL, text_read, answer(**good))
