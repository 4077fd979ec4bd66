"""Labels in a fill that its surroundings do not have."""

from __future__ import annotations

import pytest

from pawfect.scene.prompt import Label
from pawfect.scores.labels import strange_labels

GRASS, LEAVES, RUG = (
    Label("grass", 0.9, 0.8),
    Label("fallen leaves", 0.5, 0.2),
    Label("rug", 1, 0.4),
)


@pytest.mark.parametrize(
    ("inside", "around", "strange"),
    [
        ((GRASS,), (GRASS, LEAVES), ()),
        ((GRASS, RUG), (GRASS, LEAVES), ("rug",)),
        ((RUG, LEAVES), (GRASS,), ("rug",)),  # the leaves cover too little
        ((RUG,), (), ()),  # nothing is known
        ((), (GRASS,), ()),
        ((Label("rug", 1, 0.3),), (GRASS,), ("rug",)),
        ((Label("rug", 1, 0.29),), (GRASS,), ()),
    ],
)
def test_strange_is_what_covers_enough_and_is_not_around(inside, around, strange):
    assert strange_labels(inside, around, 0.3) == strange
