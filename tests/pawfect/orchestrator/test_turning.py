"""A task in each of the eight symmetries of the square."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pawfect.contract.search import SearchParams, search_plan
from pawfect.orchestrator.turning import Symmetry
from pawfect.picture.box import Box
from pawfect.search.tries import MIRRORED, TURNED, global_tries

EIGHT = [Symmetry(*each) for each in itertools.product((False, True), range(4))]


@pytest.mark.parametrize("symmetry", EIGHT, ids=str)
def test_what_is_seen_is_restored_and_a_box_goes_where_its_pixels_go(symmetry):
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (5, 9, 3), np.uint8)
    np.testing.assert_array_equal(symmetry.restored(symmetry.seen(picture)), picture)
    plane = np.zeros((5, 9), np.uint8)
    box = Box(1, 2, 4, 3)
    plane[box.slices] = 255
    seen = symmetry.seen(plane)
    moved = symmetry.box(box, 5, 9)
    assert (seen[moved.slices] == 255).all()
    assert np.count_nonzero(seen) == moved.area


def test_the_eight_symmetries_differ():
    picture = np.arange(9, dtype=np.uint8).reshape(3, 3)
    assert len({one.seen(picture).tobytes() for one in EIGHT}) == 8


def test_eight_tries_by_patches_are_the_eight_symmetries():
    plan = search_plan(SearchParams(k_global=8))
    first, *others = global_tries(plan, "patch", 0)
    seen = [
        Symmetry(one.variation.name == MIRRORED, int(one.variation.settings["quarters"]))
        for one in others
    ]
    assert first.variation.name == "undiffused"
    assert {one.variation.name for one in others} == {MIRRORED, TURNED}
    assert {Symmetry(False, 0), *seen} == set(EIGHT)
