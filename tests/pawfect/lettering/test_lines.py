"""Which texts a box means, and how a new text is shared out over them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect.contract.reading import ReadText
from pawfect.lettering.frame import box_quad
from pawfect.lettering.lines import lines_in, respaced, shared_out

WORDS = st.lists(st.text("ABab", min_size=1, max_size=4), min_size=1, max_size=4)


def read(text: str, x: float, y: float, w: float, h: float) -> ReadText:
    return ReadText(box_quad(x, y, w, h), text, 0.9)


def test_words_side_by_side_are_one_line_and_words_below_another() -> None:
    texts = [
        read("DOG", 140, 12, 60, 30),
        read("BEWARE", 10, 60, 190, 30),
        read("OF", 90, 10, 40, 30),
    ]
    lines = lines_in(texts, (0, 0, 220, 100))
    assert [line.text for line in lines] == ["OF DOG", "BEWARE"]
    assert lines[0].quad[:, 0].tolist() == [90, 200, 200, 90]


def test_text_outside_the_box_is_not_meant() -> None:
    texts = [read("BELLA", 10, 10, 100, 30), read("MAX", 10, 200, 100, 30)]
    assert [line.text for line in lines_in(texts, (0, 0, 130, 50))] == ["BELLA"]
    assert lines_in(texts, (300, 300, 40, 40)) == ()


def test_of_a_longer_line_only_the_words_in_the_box_are_meant() -> None:
    line = read("HAPPY BIRTHDAY MAX", 0, 0, 360, 30)
    (found,) = lines_in([line], (118, 0, 166, 30))
    assert found.text == "BIRTHDAY"
    assert 100 <= found.quad[0, 0] <= 125
    assert 275 <= found.quad[1, 0] <= 300


def test_a_cut_line_reaches_as_far_as_the_box_but_half_a_blank_at_most() -> None:
    line = read("AA BB CC", 0, 0, 80, 20)
    for low, high, left, right in (
        # Words end at 30 and 50 px; half a blank is 4 px.
        (28, 53, 28, 53),
        (20, 60, 26, 54),
        (32, 48, 30, 50),
    ):
        (found,) = lines_in([line], (low, 0, high - low, 20))
        assert found.text == "BB"
        assert found.quad[:, 0].tolist() == pytest.approx([left, right, right, left], abs=0.01)


def test_words_are_shared_out_as_the_old_lines_were_long() -> None:
    assert shared_out("BEWARE OF THE DOG", ["BEWARE", "OF DOG"]) == ("BEWARE OF", "THE DOG")
    assert shared_out("HELLO", ["GOOD", "BYE"]) == ("HELLO", "")
    assert shared_out("Two words", ["one line"]) == ("Two words",)


@given(WORDS, st.integers(1, 4))
def test_no_word_is_lost_or_turned_round(words: list[str], lines: int) -> None:
    shares = shared_out(" ".join(words), ["old"] * lines)
    assert " ".join(share for share in shares if share) == " ".join(words)
    assert len(shares) == lines


def test_blanks_that_the_reader_missed_come_back() -> None:
    assert respaced("HOME SWEATHOME", "HOME SWEET HOME") == "HOME SWEAT HOME"
    assert respaced("MAX", "GOOD BOY") == "MAX"


@given(WORDS, WORDS)
def test_blanks_change_no_letter(old: list[str], new: list[str]) -> None:
    text = respaced(" ".join(old), " ".join(new))
    assert text.replace(" ", "") == "".join(old)
    assert all(text.split(" "))
