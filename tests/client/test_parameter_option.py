"""`--param KEY=VALUE`: numbers and truth come through, and whatever else is typed is said."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect_client.parameter_option import read_parameters


@given(st.integers(), st.floats(allow_nan=False), st.sampled_from(["true", "false"]))
def test_numbers_and_truth_survive_the_command_line(seed, strength, match):
    options = [f"seed={seed}", f"strength={strength!r}", f"match_colour={match}"]
    expected = {"seed": seed, "strength": strength, "match_colour": match == "true"}
    assert read_parameters(options) == expected


@given(st.text())
def test_any_text_is_a_parameter_or_a_usage_error(text):
    try:
        ((key, value),) = read_parameters([text]).items()
    except click.UsageError as error:
        assert "expected" in error.message
    else:
        assert text.startswith(f"{key}=")
        assert isinstance(value, int | float | str)


@given(st.lists(st.tuples(st.sampled_from(["seed", "steps"]), st.integers())))
def test_each_parameter_is_given_once(pairs):
    options = [f"{key}={value}" for key, value in pairs]
    if len(dict(pairs)) == len(pairs):
        assert read_parameters(options) == dict(pairs)
    else:
        with pytest.raises(click.UsageError, match="expected once, got twice"):
            read_parameters(options)
