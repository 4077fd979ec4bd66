"""The table of creativity."""

from __future__ import annotations

from pawfect.contract.refine import CREATIVITY
from pawfect.refine.creativity import creativity


def test_the_middle_is_what_each_flow_does_by_itself():
    middle = creativity(2)
    assert (middle.strength, middle.steps, middle.guidance) == (1.0, 1.0, 1.0)


def test_more_is_never_closer_to_what_is_there():
    levels = [creativity(level) for level in range(CREATIVITY[0], CREATIVITY[1] + 1)]
    assert len({level.words for level in levels}) == 3
    assert [level.reuse for level in levels] == ["any", "most", "none"]
    assert levels[0].strength < levels[1].strength <= levels[2].strength
    assert levels[0].guidance >= levels[1].guidance > levels[2].guidance
