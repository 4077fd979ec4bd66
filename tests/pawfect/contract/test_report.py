"""Fallbacks in a report: their kind is read back, and old reports stay readable."""

from __future__ import annotations

import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.contract.report import Fallback


@pytest.mark.parametrize("kind", [None, *ErrorKind])
def test_a_fallback_is_read_as_it_was_written(kind):
    fallback = Fallback("sam3_labeling", "in words", "florence2", kind)
    entry = fallback.as_json()
    assert entry["kind"] == (kind.name if kind else None)
    assert Fallback.of_json(entry) == fallback


@pytest.mark.parametrize("more", [{}, {"kind": None}, {"kind": "OF_TOMORROW"}])
def test_a_fallback_without_a_kind_that_is_known_has_none(more):
    entry = {"stage": "plan", "reason": "late", "instead": "128 px"} | more
    assert Fallback.of_json(entry) == Fallback("plan", "late", "128 px")
