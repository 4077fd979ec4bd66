"""`text_reading` as its callers see it: tensors, REPORT, deadline, what is refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.contract.reading import ReadingParams, ReadingReport, read_texts_of
from pawfect.ocr.serving import text_reading
from pawfect.settings import ReadingSettings
from tests.pawfect.ocr.signs import sign
from tests.refusals import refusal

SETTINGS = ReadingSettings("cpu", 1, 448)
SIGN = sign(["BEWARE OF THE DOG", "Call 555-0134"])[0]


@pytest.fixture(scope="module")
def read(networks):
    return text_reading(SETTINGS, networks)


def test_texts_come_with_corners_scores_and_how_they_came_about(read):
    out = read({"IMAGE": SIGN}, ReadingParams())
    assert [out[name].dtype for name in ("BOXES", "SCORES")] == [np.float32, np.float32]
    assert (out["BOXES"].shape, out["SCORES"].shape) == ((2, 4, 2), (2,))
    assert out["TEXTS"].tolist() == [b"BEWARE OF THE DOG", b"Call 555-0134"]
    one, other = read_texts_of(out)
    assert (one.text, other.text) == ("BEWARE OF THE DOG", "Call 555-0134")
    np.testing.assert_array_equal(other.quad, out["BOXES"][1])
    report = ReadingReport.from_json(out["REPORT"][0])
    assert (report.found, report.left_out, report.size, report.seen) == (2, 0, 448, (400, 300))
    assert (report.width, report.height, report.device) == (400, 300, "cpu")
    assert list(report.stage_ms) == ["detect", "direction", "recognise"]
    assert sum(report.stage_ms.values()) <= report.total_ms
    assert report.weights == {"reading": "rapidocr==3.10.0"}
    assert ReadingReport.from_json(report.to_json()) == report


def test_what_is_not_sure_enough_is_left_out_and_counted(read):
    out = read({"IMAGE": SIGN}, ReadingParams(least_score=1.0))
    assert out["BOXES"].shape == (0, 4, 2)
    assert (out["TEXTS"].shape, out["SCORES"].shape) == ((0,), (0,))
    assert ReadingReport.from_json(out["REPORT"][0]).left_out == 2


def test_a_request_says_at_which_size_it_is_looked_at(read):
    out = read({"IMAGE": SIGN}, ReadingParams(size=200))
    assert ReadingReport.from_json(out["REPORT"][0]).seen == (200, 150)


def test_late_is_said_with_both_times_and_cancelled_without(read):
    late = refusal(ErrorKind.DEADLINE, read, {"IMAGE": SIGN}, ReadingParams(deadline_ms=1))
    assert late.startswith("deadline_ms: expected an answer within 1 ms, got none after ")
    refusal(ErrorKind.CANCELLED, read, {"IMAGE": SIGN}, ReadingParams(), lambda: True)


@pytest.mark.parametrize("shape", [(63, 64, 3), (64, 16385, 3)])
def test_a_picture_of_another_size_than_photos_have_is_refused(shape, read):
    picture = np.broadcast_to(np.uint8(9), shape)
    message = refusal(ErrorKind.INVALID_ARG, read, {"IMAGE": picture}, ReadingParams())
    assert message.startswith("IMAGE: expected sides of 64 to 16384 px, got ")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"least_score": 1.5}, "least_score: expected"),
        ({"least_score": "high"}, "least_score: expected"),
        ({"size": 63}, "size: expected"),
        ({"size": 2000.5}, "size: expected"),
        ({"language": "en"}, "got language"),
    ],
)
def test_a_parameter_out_of_bounds_is_named(given, says):
    assert says in refusal(ErrorKind.INVALID_ARG, ReadingParams.parse, given)


def test_without_rapidocr_it_says_what_installs_it(networks, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("pawfect.ocr.", "rapidocr"))]:
        if name != "pawfect.ocr.serving":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    message = refusal(ErrorKind.UNAVAILABLE, text_reading, SETTINGS, networks)
    needs = "reading with them needs the package rapidocr: pip install --no-deps rapidocr==3.10.0"
    # The word that has a server serve the rest.
    assert message == f"weights pp-ocrv6-small: {needs}"
