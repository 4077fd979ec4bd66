"""Drawn texts are kept, but never more than a number of bytes."""

from pawfect.lettering import drawing
from pawfect.lettering.drawing import Drawn, draw
from tests.pawfect.lettering.drawn import cut_of


def test_a_text_is_drawn_once_as_bytes() -> None:
    cut = cut_of("oswald", 600)
    one = draw("REX", cut, 1.5, 0.5)
    assert draw("REX", cut, 1.5, 0.5) is one
    assert one.pixels.dtype == "uint8"
    assert one.coverage.max() == 1


def test_what_was_used_last_is_kept_within_its_bytes() -> None:
    cut = cut_of("oswald", 600)
    texts: list[Drawn] = [draw(letter, cut) for letter in "ABC"]
    most = sum(one.pixels.nbytes for one in texts[:2])
    kept = drawing._Kept(most)
    keys = [(letter, cut, 0.0, 0.0) for letter in "ABC"]
    kept.put(keys[0], texts[0])
    kept.put(keys[1], texts[1])
    assert kept.get(keys[0]) is texts[0]
    kept.put(keys[2], texts[2])
    assert kept.get(keys[1]) is None
    assert kept.get(keys[2]) is texts[2]
    assert kept.bytes <= most
