"""The two tables of surfaces agree: what SAM3 names, a prompt can say."""

from __future__ import annotations

import pytest

from pawfect.scene.lexicon import table
from pawfect.scene.prompt import Label, build_prompt
from pawfect.scene.vocabulary import load_vocabulary

NAMES = [surface.name for surface in load_vocabulary()]


def test_every_surface_of_the_vocabulary_is_one_of_the_prompts_table():
    assert set(NAMES) <= set(table().surfaces)


@pytest.mark.parametrize("name", NAMES)
def test_a_label_alone_is_the_prompt(name):
    prompt = build_prompt([Label(name)])
    assert (prompt.text, prompt.source) == (name, "labels")
