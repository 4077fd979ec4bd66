"""What a model's failure leaves in the server's log."""

from __future__ import annotations

import pytest

from pawfect_triton.adapter import told

CANARY = "a text that only the request holds"


def raised(kind: type[Exception]) -> Exception:
    try:
        raise kind(CANARY)
    except Exception as error:  # noqa: BLE001
        return error


@pytest.mark.parametrize("kind", [ValueError, TypeError, KeyError, AttributeError, AssertionError])
def test_of_pythons_own_errors_the_log_has_the_class_and_the_place_and_no_word(kind):
    said = told(raised(kind))
    assert said.endswith(kind.__name__)
    assert "test_adapter.py" in said
    assert CANARY not in said


def test_a_cause_is_told_no_more_than_its_effect():
    try:
        raise RuntimeError("a card's own words") from raised(ValueError)
    except RuntimeError as error:
        said = told(error)
    assert CANARY not in said
    assert said.endswith("RuntimeError: a card's own words")
