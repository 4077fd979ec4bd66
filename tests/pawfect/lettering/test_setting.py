"""New letters: cut out of the old text or drawn, in their place and within their room."""

from itertools import pairwise

import numpy as np
import pytest

from pawfect.contract.reading import ReadText
from pawfect.lettering.cutting import arranged, cut_letters
from pawfect.lettering.hole import letters_mask, neighbourhood
from pawfect.lettering.old import Attempt, set_in_place, studied
from pawfect.lettering.setting import laid_out
from tests.pawfect.lettering.drawn import cut_of, word


def test_swapped_letters_are_set_right_out_of_the_old_ones() -> None:
    cut = cut_of("jost", 500)
    wrong, right = word("BELAL", cut, angle=4), word("BELLA", cut, angle=4)
    line = studied(wrong.photo, ReadText(wrong.quad, "BELAL", 1.0), "BELLA")
    assert line is not None
    letters = cut_letters(line.ink, "BELAL", "BELLA", line.style.match)
    assert "".join(one.letter for one in letters) == "BELAL"
    done = set_in_place(wrong.photo, wrong.bare, line, "BELLA", Attempt(reuse="most"))
    assert done.reused == "BELLA"
    assert done.fits
    # As it would look had it been right from the start: letters lie within half a pixel or so.
    wanted = right.cover[done.window.slices]
    assert np.corrcoef(done.cover.ravel(), wanted.ravel())[0, 1] > 0.95
    apart = np.abs(done.image.astype(int) - right.photo)
    assert apart[right.cover > 0].mean() < 12
    near = neighbourhood(line.frame, wrong.photo.shape)
    assert (done.image == wrong.bare)[~near].all()


def test_the_mask_of_old_letters_is_letters_and_not_their_box() -> None:
    drawn = word("HOME", cut_of("oswald", 500))
    line = studied(drawn.photo, ReadText(drawn.quad, "HOME", 1.0), "HOME")
    assert line is not None
    mask = letters_mask(line, drawn.photo.shape) > 0
    assert mask[drawn.cover > 0.1].all()
    assert mask.sum() < 3.2 * (drawn.cover > 0.1).sum()


def test_longer_text_is_condensed_then_smaller_then_reported() -> None:
    drawn = word("MAX", cut_of("open-sans", 600))
    line = studied(drawn.photo, ReadText(drawn.quad, "MAX", 1.0), "MAX")
    assert line is not None
    box, room = line.ink.box, (float(line.ink.box.x0), float(line.ink.box.x1))
    same, longer, far_too_long = (
        laid_out(text, line.style, box, room) for text in ("MAX", "MAXI", "MAXIMILIAN THE GREAT")
    )
    assert same.condensed > 0.97
    assert same.fits
    assert longer.condensed < 1
    assert longer.fits
    assert far_too_long.scale < longer.scale
    assert not far_too_long.fits


@pytest.mark.slow
def test_letters_that_stood_side_by_side_stay_as_far_apart() -> None:
    drawn = word("KEEP OUT", cut_of("arimo"))
    line = studied(drawn.photo, ReadText(drawn.quad, "KEEP OUT", 1.0), "KEEP")
    assert line is not None
    cut = cut_letters(line.ink, "KEEP OUT", "KEEP", line.style.match)
    placed = arranged("KEEP OUT", "KEEP", line.style.match, cut)
    gaps = [b.left - a.right for a, b in pairwise(placed)]
    old = [b.left - a.right for a, b in pairwise(cut[:4])]
    assert np.allclose(gaps, [old[0], old[1], old[2]], atol=3)
