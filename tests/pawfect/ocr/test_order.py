"""Reading order: by lines, as the text stands."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.contract.reading import ReadText
from pawfect.ocr.order import in_reading_order


def text(name: str, x: float, y: float, width: float = 80, height: float = 20) -> ReadText:
    corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
    return ReadText(np.array(corners, np.float32), name, 1.0)


PAGE = [text("a", 10, 10), text("b", 120, 14), text("c", 10, 60), text("d", 130, 55),
        text("e", 40, 120)]  # fmt: skip


@pytest.mark.parametrize("turned", range(0, 360, 15))
def test_lines_come_from_the_top_and_words_from_the_left_of_the_text_itself(turned):
    angle = np.radians(turned)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    page = [ReadText(one.quad @ turn.T + 500, one.text, one.score) for one in PAGE]
    mixed = [page[index] for index in (3, 0, 4, 2, 1)]
    assert [one.text for one in in_reading_order(mixed)] == ["a", "b", "c", "d", "e"]


def test_a_word_from_the_side_does_not_turn_the_page():
    aside = ReadText(np.array([[300, 90], [300, 10], [320, 10], [320, 90]], np.float32), "up", 1.0)
    order = [one.text for one in in_reading_order([*PAGE[::-1], aside])]
    assert [name for name in order if name != "up"] == ["a", "b", "c", "d", "e"]


def test_nothing_is_in_order():
    assert in_reading_order([]) == ()
