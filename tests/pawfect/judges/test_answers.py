"""What counts as an answer: one JSON object with numbers from 0 to 10, and nothing else does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawfect.contract.errors import ErrorKind
from pawfect.judges.answers import MOST_TEXT, read_answer
from tests.refusals import refusal

AXES = ("consistency", "realism")
GOOD = '{"consistency": 7.5, "realism": 0, "flaws": ["seam", "strange"], "remark": "an edge"}'


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Here is what I see {{as asked}}: {GOOD} I hope {{}} that helps.",
        f'Sure. {{"note": "no scores here"}} {GOOD}',
        f"[{GOOD}]",
    ],
)
def test_one_object_counts_with_whatever_stands_around_it(text):
    answer = read_answer(text, AXES, ("seam", "paint"))
    assert answer.numbers == {"consistency": 7.5, "realism": 0.0}
    assert answer.silent == {}
    assert answer.flaws == ("seam",)
    assert answer.remark == "an edge"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7,4,6",
        "7",
        "Consistency: 7, realism: 5.0",
        "I cannot judge pictures of people.",
        "[7, 5]",
        "null",
        '{"scores": {"consistency": 7, "realism": 5}}',
        '{"quality": 7, "identity": 5}',
        '{"consistency": 7, "realism": 5',
        f"{GOOD} or rather {GOOD}",
        '{"consistency": 7} {"realism": 5}',
        "{" * 5000,
        '{"a":' * 3000,
        GOOD + " " * MOST_TEXT,
    ],
)
def test_no_such_object_or_more_than_one_is_no_answer(text):
    message = refusal(ErrorKind.INTERNAL, read_answer, text, AXES)
    assert message.startswith("answer: expected one JSON object with the numbers")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("11", "got one out of range"),
        ("-0.1", "got -0.1"),
        ("10.0001", "got 10.0001"),
        ("NaN", "got nan"),
        ("Infinity", "got inf"),
        ("1e999", "got inf"),
        ('"7"', "got a str"),
        ("true", "got a bool"),
        ("null", "got a NoneType"),
        ("[7]", "got a list"),
        ('{"score": 7}', "got a dict"),
    ],
)
def test_half_an_answer_counts_by_the_half_that_is_one(value, says):
    answer = read_answer(f'{{"consistency": {value}, "realism": 5}}', AXES)
    assert answer.numbers == {"realism": 5.0}
    assert answer.silent == {"consistency": f"consistency: expected a number from 0 to 10, {says}"}


def test_a_key_that_is_lacking_or_there_twice_is_no_number():
    answer = read_answer('{"realism": 5}', AXES)
    assert answer.silent["consistency"].endswith("got none")
    answer = read_answer('{"consistency": 3, "realism": 5, "consistency": 9}', AXES)
    assert answer.numbers == {"realism": 5.0}
    assert answer.silent["consistency"].endswith("got two")


@pytest.mark.parametrize("seen", ['"seam"', "7", '{"seam": true}', "[1, null, {}]"])
def test_flaws_that_are_no_list_of_names_are_none(seen):
    answer = read_answer(f'{{"consistency": 7, "realism": 5, "flaws": {seen}}}', AXES, ("seam",))
    assert answer.flaws == ()
    assert answer.remark == ""


@settings(max_examples=30)
@given(st.text(max_size=80) | st.recursive(st.none() | st.floats(), st.lists).map(str))
def test_prose_never_becomes_a_number(text):
    if "{" not in text:
        refusal(ErrorKind.INTERNAL, read_answer, text, AXES)


@settings(max_examples=50)
@given(st.floats(0, 10), st.floats(allow_nan=True) | st.integers() | st.text(max_size=5))
def test_what_is_read_is_what_was_said(good, other):
    answer = read_answer(json.dumps({"consistency": good, "realism": other}), AXES)
    assert answer.numbers["consistency"] == good
    if "realism" in answer.numbers:
        assert answer.numbers["realism"] == other
        assert 0 <= answer.numbers["realism"] <= 10
