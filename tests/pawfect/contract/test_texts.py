"""Texts in tensors: how many, how long, and what stands in them."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.contract.texts import check_prompt, read_texts, text_tensor
from tests.refusals import refusal


def test_at_most_64_texts_of_2048_bytes_are_read():
    most = text_tensor(*["x" * 2048] * 64)
    assert read_texts("LABELS", most) == ("x" * 2048,) * 64
    more = refusal(ErrorKind.INVALID_ARG, read_texts, "LABELS", text_tensor(*["x"] * 65))
    assert more == "LABELS: expected at most 64 texts, got 65"
    longer = refusal(ErrorKind.INVALID_ARG, read_texts, "LABELS", text_tensor("ü" * 1025))
    assert longer == "LABELS: expected texts of at most 2048 bytes, got 2050 bytes"


def test_bytes_that_are_no_text_are_refused_by_their_place():
    tensor = np.array([b"dog\xff"], np.object_)
    said = refusal(ErrorKind.INVALID_ARG, read_texts, "LABELS", tensor)
    assert said == "LABELS: expected UTF-8, got byte 0xff at 3"


@pytest.mark.parametrize("letter", ["\0", "\x1b", "\x07", "\x7f", "\x9b"])
def test_a_prompt_holds_no_control_character_but_lines_and_tabs(letter):
    said = refusal(ErrorKind.INVALID_ARG, check_prompt, "PROMPT", f"grass{letter}leaves")
    assert said.endswith(f"got the control character U+{ord(letter):04X}")
    assert check_prompt("PROMPT", " grass\n\tleaves ") == "grass\n\tleaves"
