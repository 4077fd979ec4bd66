"""What a model is told that makes a swapped face photoreal, and what a broken file is refused."""

from __future__ import annotations

import pytest

from pawfect.contract.search import EDITORS
from pawfect.contract.tables import TableError
from pawfect.search.refinement import read_refinements, refinement_by

GOOD = """
[edit]
instruction = "make it real"
unwanted = "wax"
steps = 12
guidance_scale = 2.0
strength = 0.4
[klein]
instruction = "make it real"
strength = 0.5
"""


@pytest.mark.parametrize("engine", EDITORS)
def test_an_instruction_says_what_stays_and_fits_into_the_fewest_tokens(engine):
    how = refinement_by(engine)
    for word in ("picture 1", "Keep who it is", "expression", "pose", "light", "grain", "skin"):
        assert word in how.instruction
    # The fewest text tokens of a profile of full size are 256, of which templates take some.
    assert len(how.instruction.split()) < 64
    assert 0 < how.strength < 1


def test_the_published_steps_guidance_and_what_is_not_wanted_are_the_editing_models():
    how = refinement_by("edit")
    assert (how.steps, how.guidance_scale) == (12, 2.0)
    for word in ("computer graphics", "painting", "plastic skin"):
        assert word in str(how.unwanted)
    distilled = refinement_by("klein")
    assert (distilled.steps, distilled.guidance_scale, distilled.unwanted) == (None, None, None)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("strength = 0.4", "strength = 0.0", "strength"),
        ("strength = 0.4", "strength = 1.5", "strength"),
        ("strength = 0.4", "", "strength"),
        ("steps = 12", "steps = 0", "steps"),
        ("steps = 12", 'steps = "12"', "steps"),
        ('unwanted = "wax"', 'unwanted = " "', "unwanted"),
        ('unwanted = "wax"', "colour = 1", "colour"),
        ("[klein]", "[other]", "klein|other"),
    ],
)
def test_a_file_that_says_something_impossible_is_refused(old, new, says):
    read_refinements(GOOD)
    assert old in GOOD
    with pytest.raises(TableError, match=says):
        read_refinements(GOOD.replace(old, new, 1))
