"""What `refine` accepts: types, payloads, letters, parameters; and its report."""

from __future__ import annotations

import json

import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.contract.refine import (
    Correction,
    GeneralPayload,
    RefineParams,
    Region,
    RegionPayload,
    SubjectPayload,
    TextPayload,
    read_payload,
)
from pawfect.contract.refine_report import (
    CorrectionReport,
    RefineReport,
    RegionReport,
    RemoteReport,
)
from pawfect.contract.report import Fallback, Report, WindowReport
from tests.refusals import refusal

WIDTH, HEIGHT = 640, 480
BOX = [10, 20, 30, 40]


def read(kind, given):
    text = given if isinstance(given, str | bytes) else json.dumps(given)
    return read_payload(kind, text, WIDTH, HEIGHT)


def corrections(*texts, **more):
    boxes = ([10, 50 * row, 30, 40] for row in range(9))
    given = [{"bbox": box, "text": text} for box, text in zip(boxes, texts, strict=False)]
    return {"corrections": given, **more}


@pytest.mark.parametrize(
    ("kind", "given", "payload"),
    [
        ("subject", {"instructions": " the same dog "}, SubjectPayload("the same dog")),
        (
            "subject",
            {"instructions": "x", "referenceFileId": "f1"},
            SubjectPayload("x", "f1"),
        ),
        (
            "text",
            {"corrections": [{"bbox": [0, 0, WIDTH, HEIGHT], "text": "REX & Söhne"}]},
            TextPayload((Correction((0, 0, WIDTH, HEIGHT), "REX & Söhne"),)),
        ),
        (
            "region",
            {"masks": [{"bbox": BOX, "prompt": "moss"}, {"mask": 2}, {"bbox": [40, 20, 5, 5]}]},
            RegionPayload(
                (
                    Region((10, 20, 30, 40), prompt="moss"),
                    Region(mask=2),
                    Region((40, 20, 5, 5)),
                )
            ),
        ),
        ("general", {"prompt": "warmer\nlight"}, GeneralPayload("warmer\nlight")),
    ],
)
def test_a_payload_is_read_as_what_its_type_has(kind, given, payload):
    assert read(kind, given) == payload


def test_markup_is_text_like_any_other():
    markup = '<img src=x onerror="alert(1)">&amp;'
    assert read("general", {"prompt": markup}) == GeneralPayload(markup)
    assert read("text", corrections(markup)).corrections[0].text == markup
    assert read("region", {"masks": [{"bbox": BOX, "prompt": markup}]}).masks[0].prompt == markup


@pytest.mark.parametrize(
    "text", ["Łódź 24", "“Ça va?” \u2013 5 €", "Straße ẞ", "Brașov", "e\u0301te\u0301", "a" * 200]
)
def test_latin_letters_with_their_marks_are_taken_composed(text):
    (correction,) = read("text", corrections(text)).corrections
    assert correction.text == text.replace("e\u0301", "é")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("שלום", "got U+05E9 (hebrew letter shin), which is written from right to left"),
        ("مرحبا", "U+0645 (arabic letter meem), which is written from right to left"),
        ("woof 🐕", "got U+1F415 (dog)"),
        ("Рекс", "expected Latin letters, digits, blanks and punctuation of one line, got U+0420"),
        ("犬", "got U+72AC"),
        ("one\ntwo", "got U+000A (a character without a name)"),
        ("a\u200db", "got U+200D (zero width joiner)"),
        ("x" * 201, "expected 1 to 200 characters, got 201 characters"),
        ("  ", "expected 1 to 200 characters, got blanks"),
        ("", "expected a text, got str ''"),
        (7, "expected a text, got int 7"),
        ("x" * 50_000, "expected texts of at most 2048 bytes, got 50000 bytes"),
        ("\ud800", "expected text that UTF-8 can carry"),
    ],
)
def test_letters_that_no_latin_font_has_are_refused_by_name(text, said):
    message = refusal(ErrorKind.INVALID_ARG, read, "text", corrections("fine", text))
    assert message.startswith("PAYLOAD: corrections[1]: text: ")
    assert said in message


@pytest.mark.parametrize(
    ("box", "got"),
    [
        ([0, 0, 0, 5], "[0, 0, 0, 5]"),
        ([5, 5, -1, 5], "[5, 5, -1, 5]"),
        ([-1, 0, 5, 5], "[-1, 0, 5, 5]"),
        ([WIDTH - 4, 0, 5, 5], "[636, 0, 5, 5]"),
        ([0, HEIGHT, 5, 5], "[0, 480, 5, 5]"),
        ([0, 0, 10**40, 5], "[0, 0, 1"),
    ],
)
@pytest.mark.parametrize("kind", ["text", "region"])
def test_boxes_that_are_empty_or_leave_the_photo_are_refused(kind, box, got):
    given = {"bbox": box, "text": "a"} if kind == "text" else {"bbox": box}
    name = "corrections" if kind == "text" else "masks"
    message = refusal(ErrorKind.INVALID_ARG, read, kind, {name: [given]})
    expected = "expected [x, y, width, height], not empty, within the photo's 640x480 px, got"
    assert message.startswith(f"PAYLOAD: {name}[0]: bbox: {expected} {got}")


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ([1, 2, 3], "corrections[0]: bbox: expected four integers [x, y, width, height]"),
        ([1, 2, 3, 4.5], "corrections[0]: bbox[3]: expected an integer, got float 4.5"),
        ([1, 2, 3, "4"], "corrections[0]: bbox[3]: expected an integer, got str '4'"),
        ([1, 2, 3, True], "corrections[0]: bbox[3]: expected an integer, got bool True"),
        ("1234", "corrections[0]: bbox: expected four integers"),
        (None, "corrections[0]: bbox: expected four integers"),
    ],
)
def test_what_is_no_box_is_said(box, said):
    given = {"corrections": [{"bbox": box, "text": "a"}]}
    assert said in refusal(ErrorKind.INVALID_ARG, read, "text", given)


def test_boxes_that_share_a_pixel_are_refused_and_neighbours_are_not():
    beside = [[0, 0, 10, 10], [10, 0, 10, 10], [0, 10, 20, 5]]
    given = {"masks": [{"bbox": box} for box in beside]}
    assert len(read("region", given).masks) == 3
    given["masks"][2]["bbox"] = [0, 9, 20, 5]
    assert refusal(ErrorKind.INVALID_ARG, read, "region", given) == (
        "PAYLOAD: masks: expected boxes that share no pixel, "
        "got masks[0] [0, 0, 10, 10] and masks[2] [0, 9, 20, 5]"
    )
    same = {"corrections": [{"bbox": BOX, "text": "a"}, {"bbox": BOX, "text": "b"}]}
    assert "boxes that share no pixel" in refusal(ErrorKind.INVALID_ARG, read, "text", same)


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("face", {}, "TYPE: expected one of subject, text, region, general, got 'face'"),
        ("general", "{", "PAYLOAD: expected a JSON object in UTF-8"),
        ("general", b"\xff", "PAYLOAD: expected a JSON object in UTF-8"),
        ("general", "[" * 60_000, "PAYLOAD: expected a JSON object in UTF-8"),
        ("general", [], "PAYLOAD: expected a table, got list []"),
        ("general", '{"prompt": "a", "prompt": "b"}', "each key once"),
        ("general", {}, "PAYLOAD: expected prompt, got nothing"),
        ("general", {"prompt": "x", "size": 1}, "PAYLOAD: expected some of prompt, got size"),
        ("general", {"prompt": " \n"}, "PAYLOAD: prompt: expected words, got blanks"),
        ("general", {"prompt": "a\0b"}, "got the control character U+0000"),
        (
            "general",
            {"prompt": "x" * 50_000},
            "prompt: expected texts of at most 2048 bytes, got 50000",
        ),
        ("general", {"prompt": "é" * 2000}, "texts of at most 2048 bytes, got 4000 bytes"),
        ("general", {"prompt": "x" * 70_000}, "PAYLOAD: expected at most 65536 bytes, got 70014"),
        ("subject", {"instructions": 5}, "PAYLOAD: instructions: expected a text, got int 5"),
        ("subject", {"referenceFileId": "a"}, "PAYLOAD: expected instructions"),
        ("text", {"corrections": []}, "PAYLOAD: corrections: expected at least one"),
        ("text", {"corrections": {}}, "PAYLOAD: corrections: expected at least one"),
        (
            "text",
            {"corrections": [{"bbox": BOX, "text": "a"}] * 33},
            "PAYLOAD: corrections: expected at most 32, got 33",
        ),
        ("region", {"masks": []}, "PAYLOAD: masks: expected at least one"),
        ("region", {"masks": [{"mask": k} for k in range(17)]}, "from 0 to 15, got 16"),
        ("region", {"masks": [{"bbox": BOX}] * 17}, "PAYLOAD: masks: expected at most 16, got 17"),
        ("region", {"masks": [{}]}, "PAYLOAD: masks[0]: expected either bbox or mask, got neither"),
        ("region", {"masks": [{"bbox": BOX, "mask": 0}]}, "either bbox or mask, got both"),
        ("region", {"masks": [{"mask": 0}, {"mask": 0}]}, "expected each mask once, got 0, 0"),
        ("region", {"masks": [{"mask": -1}]}, "PAYLOAD: masks[0]: mask: expected from 0 to 15"),
    ],
)
def test_other_payloads_are_refused_with_the_fields_path(kind, given, said):
    message = refusal(ErrorKind.INVALID_ARG, read, kind, given)
    assert said in message
    assert len(message) < 400


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"creativity": 0}, "creativity: expected from 1 to 3, got 0"),
        ({"creativity": 4}, "creativity: expected from 1 to 3, got 4"),
        ({"remote": "true"}, "remote: expected true or false"),
        ({"engine": "openai"}, "engine: expected one of"),
        ({"steps": 4}, "steps"),
    ],
)
def test_parameters_are_strict(given, said):
    assert said in refusal(ErrorKind.INVALID_ARG, RefineParams.parse, given)


def test_a_picture_stays_on_the_machine_unless_the_request_says_otherwise():
    assert RefineParams.parse({}).remote is False


def test_a_report_reads_back():
    fallback = Fallback("protect", "busy", "nothing is protected", ErrorKind.QUEUE_FULL)
    inpaint = Report(
        engine="patch", engine_reason="chosen", profile="embedded", seed=7, deadline_ms=9,
        width=90, height=80, hole_px=4, dilate_px=8.0, specks=0, pinholes=0, labels=(),
        labels_source="none", strength=1.0, windows=(WindowReport((0, 0, 9, 9), (1, 1, 2, 2), 9,
        "search"),), stage_ms={"fill": 1.0}, total_ms=2.0, fallbacks=(fallback,),
    )  # fmt: skip
    report = RefineReport(
        type="region", payload={"masks": [{"mask": 0}]}, engine="inpaint", creativity=2, seed=7,
        deadline_ms=9, profile="embedded", width=90, height=80, changed_px=4,
        stage_ms={"region 1": 1.5}, total_ms=2.0, notes=("the prompt is not read",),
        corrections=(CorrectionReport((1, 2, 3, 4), "a", None, "a", True, "Inter", 9.0, 1),),
        regions=(RegionReport((1, 2, 3, 4), 0, "moss", False, inpaint),),
        remote=RemoteReport("gpt-image-1", (9, 8), (9, 8), False, 3.0, 4),
        fallbacks=(fallback,), weights={"u2netp": "x"},
    )  # fmt: skip
    text = report.to_json()
    assert RefineReport.from_json(text) == report
    assert RefineReport.from_json(text.replace("{", '{"later": 1, ', 1)) == report


@pytest.mark.parametrize("nested", ["[" * 30_000, '{"a":' * 12_000])
def test_a_payload_nested_without_bottom_is_refused(nested):
    said = refusal(ErrorKind.INVALID_ARG, read_payload, "general", nested, 640, 480)
    assert said.startswith("PAYLOAD: expected a JSON object in UTF-8, got ")
