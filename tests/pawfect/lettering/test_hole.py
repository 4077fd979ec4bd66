"""What is filled where letters were: letters, and neither what they enclose nor what is kept."""

import numpy as np

from pawfect.lettering.hole import OldInk, hole_of, inked, unread
from pawfect.picture.mask import clean_mask
from tests.pawfect.lettering.drawn import Word, cut_of, word


def _ink(drawn: Word) -> OldInk:
    found = inked(drawn.photo, drawn.quad)
    assert found is not None
    return found


def test_what_is_cleaned_as_it_is_asked_for_is_the_letters_to_the_pixel() -> None:
    # Large enough that an O encloses some ground, small enough that a photo takes it for a pinhole.
    drawn = word("BOB", cut_of("oswald", 400), cap_px=60, size=(600, 800))
    hole = hole_of([_ink(drawn)], drawn.photo.shape)
    cleaned = clean_mask(hole.mask, hole.other, dilate_px=0, least_speck_px=0)
    assert cleaned.changes.pinholes > 0
    assert (cleaned.mask == hole.mask).all()
    assert (clean_mask(hole.mask, dilate_px=0, least_speck_px=0).mask != hole.mask).any()


def test_what_is_kept_is_neither_filled_nor_copied_from() -> None:
    drawn = word("MAX", cut_of("oswald", 600))
    kept = np.zeros(drawn.photo.shape[:2], np.bool_)
    kept[:, 210:] = True
    whole, part = (hole_of([_ink(drawn)], drawn.photo.shape, it) for it in (None, kept))
    assert whole.mask[kept].any()
    assert not part.mask[kept].any()
    assert (part.other[kept] == 255).all()
    assert (part.mask == whole.mask)[~kept].all()


def test_a_plate_and_an_empty_ground_are_no_letters() -> None:
    drawn = word("MAX", cut_of("oswald", 600))
    assert unread(drawn.photo, (130, 80, 160, 60)) is not None
    assert unread(drawn.bare, (130, 80, 160, 60)) is None
    plate = drawn.bare.copy()
    plate[80:140, 130:290] = 40
    assert unread(plate, (126, 76, 168, 68)) is None
    assert unread(drawn.photo, (200, 100, 3, 30)) is None


def test_letters_of_another_text_that_reaches_into_a_box_stay() -> None:
    drawn = word("MAX", cut_of("oswald", 600))
    box = (130, 80, 160, 60)
    assert unread(drawn.photo, box, [drawn.quad]) is None
    left = drawn.quad.copy()
    left[1:3, 0] = 205
    found = unread(drawn.photo, box, [left])
    assert found is not None
    mask = hole_of([found], drawn.photo.shape).mask > 0
    assert not mask[:, :203].any()
    assert mask[:, 207:].any()
