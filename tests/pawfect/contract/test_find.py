"""What `find_masks` accepts: phrases, boxes, parameters."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.contract.find import Find, FindMasksParams, FindReport, check_boxes, check_phrase
from tests.refusals import refusal


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("leash", "leash"),
        ("  a red\t leash \n", "a red leash"),
        ("поводок", "поводок"),
        ("リード", "リード"),
        ("dog 🐕 2", "dog 🐕 2"),
        ("x" * 2048, "x" * 2048),
    ],
)
def test_words_of_any_script_are_kept_with_single_blanks(given, words):
    assert check_phrase(given) == words


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "PHRASE: expected words, such as leash, got an empty text"),
        (" \t ", "got an empty text"),
        ("?!", "got '?!'"),
        ("lea\x00sh", "PHRASE: expected words, got the control character U+0000"),
        ("lea\x1bsh", "U+001B"),
        ("x" * 50_000, "PHRASE: expected texts of at most 2048 bytes, got 50000 bytes"),
        ("\ud800", "PHRASE: expected text that UTF-8 can carry"),
        (7, "PHRASE: expected text, got int"),
    ],
)
def test_what_are_no_words_is_said(given, said):
    assert said in refusal(ErrorKind.INVALID_ARG, check_phrase, given)


def test_boxes_are_taken_as_numbers_within_the_photo():
    boxes = check_boxes(np.array([[0, 0, 90, 80], [3, 4, 5, 6]]), 80, 90)
    assert boxes.dtype == np.float32
    assert boxes.tolist() == [[0, 0, 90, 80], [3, 4, 5, 6]]


@pytest.mark.parametrize(
    ("boxes", "said"),
    [
        (np.zeros((0, 4)), "BOXES: expected 1 to 16 boxes, got 0"),
        (np.ones((17, 4)), "BOXES: expected 1 to 16 boxes, got 17"),
        (np.zeros(4), "BOXES: expected FP32 [B, 4], got float64 [4]"),
        (np.zeros((1, 2)), "BOXES: expected FP32 [B, 4], got float64 [1, 2]"),
        (np.array([["a"] * 4]), "BOXES: expected FP32 [B, 4], got <U1 [1, 4]"),
        ([[5, 5, 5, 9]], "within 0 to 90 and 0 to 80 px, got 5, 5, 5, 9"),
        ([[9, 5, 5, 9]], "x0 < x1 and y0 < y1 within"),
        ([[-1, 5, 5, 9]], "got -1, 5, 5, 9"),
        ([[1, 5, 90.5, 9]], "got 1, 5, 90.5, 9"),
        ([[1, 5, 7, 81]], "got 1, 5, 7, 81"),
        ([[1, np.nan, 7, 8]], "got 1, nan, 7, 8"),
        ([[1, 2, np.inf, 8]], "got 1, 2, inf, 8"),
    ],
)
def test_boxes_that_are_none_are_said(boxes, said):
    assert said in refusal(ErrorKind.INVALID_ARG, check_boxes, boxes, 80, 90)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"most": 0}, "most: expected from 1 to 64, got 0"),
        ({"most": 65}, "most: expected from 1 to 64, got 65"),
        ({"least_score": 1.5}, "least_score: expected from 0.0 to 1.0, got 1.5"),
        ({"mask_threshold": float("nan")}, "mask_threshold: expected"),
        ({"joined": "true"}, "joined: expected"),
        ({"points": 1}, "points"),
    ],
)
def test_parameters_are_strict(given, said):
    assert said in refusal(ErrorKind.INVALID_ARG, FindMasksParams.parse, given)


def test_a_report_reads_back():
    report = FindReport(
        phrase="leash", boxes=0, presence=0.75, finds=(Find(0.5, 12, (1, 2, 3, 4)),), left_out=2,
        least_score=0.3, mask_threshold=0.5, joined=True, profile="tiny", width=90, height=80,
        stage_ms={"sam3": 1.5}, total_ms=2.0, weights={"sam3": "x"},
    )  # fmt: skip
    text = report.to_json()
    assert FindReport.from_json(text) == report
    assert FindReport.from_json(text.replace("{", '{"later": 1, ', 1)) == report
