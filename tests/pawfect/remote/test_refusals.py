"""Statuses as kinds of errors, and another's words as far as they may be told."""

from __future__ import annotations

import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.remote.refusals import kind_of, own_words, status_words


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (307, ErrorKind.UNAVAILABLE),
        (400, ErrorKind.INVALID_ARG),
        (401, ErrorKind.UNAVAILABLE),
        (404, ErrorKind.UNAVAILABLE),
        (408, ErrorKind.DEADLINE),
        (429, ErrorKind.QUEUE_FULL),
        (500, ErrorKind.UNAVAILABLE),
        (504, ErrorKind.DEADLINE),
    ],
)
def test_a_status_has_its_kind(status, kind):
    assert kind_of(status, refused=ErrorKind.INVALID_ARG) is kind


def test_words_are_one_printable_line_without_key_and_paths():
    said = "\x1b[1mwhat is sk-1? see /srv/app/main.py\nTraceback"
    assert own_words(said, "sk-1") == "[1mwhat is ***? see main.py"
    assert len(own_words("x" * 900, "")) == 200
    assert own_words(None, "k") == own_words({"a": 1}, "k") == own_words(" \n", "k") == ""


def test_what_comes_with_a_refused_key_is_not_told():
    assert status_words(403, "key sk-1... is wrong", "sk-1234") == "status 403"
    assert status_words(500, "busy", "sk-1234") == "status 500: busy"
