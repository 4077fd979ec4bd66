"""What of a subject in a fill was invented, and what goes on from outside."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.scores.subject import subject_share
from tests.lawn import holes

HOLE = holes(100, 120, (40, 30, 80, 70)) > 0


def box(*edges: int) -> np.ndarray:
    return holes(100, 120, (edges[0], edges[1], edges[2], edges[3])) > 0


def test_a_subject_by_itself_in_the_fill_counts_by_its_area():
    assert subject_share(box(50, 40, 70, 60), HOLE) == pytest.approx(400 / 1600)


def test_a_pet_behind_the_whole_hole_is_no_invention():
    assert subject_share(box(20, 10, 110, 90), HOLE) == 0


def test_a_pet_that_goes_on_as_wide_as_it_comes_in_is_no_invention():
    # It covers half of the rim and half of the hole.
    assert subject_share(box(0, 0, 60, 100), HOLE) == pytest.approx(0, abs=0.02)


def test_an_arm_grown_into_the_hole_counts_beyond_what_the_rim_shows():
    pet = box(0, 0, 40, 100) | box(40, 35, 78, 65)
    assert 0.3 < subject_share(pet, HOLE) < 0.6


def test_no_subject_is_none():
    assert subject_share(np.zeros_like(HOLE), HOLE) == 0
    assert subject_share(box(0, 0, 30, 100), HOLE) == 0
