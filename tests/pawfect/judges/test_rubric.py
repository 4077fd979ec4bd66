"""The rubric as data: what is asked, and what flaws cap."""

from __future__ import annotations

import itertools

import pytest

from pawfect.judges.rubric import DIFFERENCE, LIKENESS, rubric


def test_the_fatal_flaws_cap_and_never_raise_a_score():
    table = rubric()
    assert set(table.flaws) == {
        "cgi_look", "painted_look", "plastic_skin", "visible_seam", "wrong_light"
    }  # fmt: skip
    assert table.capped("realism", 9.0, ()) == 9.0
    assert table.capped("realism", 9.0, ("cgi_look",)) == 3.0
    assert table.capped("realism", 2.0, ("cgi_look",)) == 2.0
    assert table.capped("consistency", 9.0, ("wrong_light", "cgi_look")) == 4.0
    assert table.capped("identity", 9.0, ("visible_seam", "unheard_of")) == 9.0
    axes = ("consistency", "realism", "identity")
    for axis, score, seen in itertools.product(axes, (0.0, 3.5, 10.0), table.flaws):
        assert 0 <= table.capped(axis, score, (seen,)) <= score


def test_identity_is_asked_where_there_is_a_reference():
    table = rubric()
    without, asked = table.prompt(("consistency", "realism")), table.prompt(("identity",))
    assert "reference" not in without.replace("preference", "")
    assert "The third picture is a reference" in asked
    for flaw in table.flaws:
        assert f"- {flaw}: " in without


def test_the_schema_has_a_number_for_each_axis():
    schema = rubric().schema(("consistency", "identity"))
    assert schema["required"] == ["consistency", "identity", "flaws"]
    assert schema["properties"]["identity"] == {"type": "number", "minimum": 0, "maximum": 10.0}
    assert schema["properties"]["flaws"]["items"]["enum"] == list(rubric().flaws)


@pytest.mark.parametrize("key", [LIKENESS, DIFFERENCE])
def test_the_questions_of_the_cross_check_name_no_side(key):
    text = rubric().identity_prompt(key)
    assert f'{{"{key}": a number from 0 to 10}}' in text
    assert "left" not in text.lower().split("side by side")[1]
    assert "KEY" not in text
