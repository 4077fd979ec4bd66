"""What a model is told that replaces a character: templates, and what a broken file is refused."""

from __future__ import annotations

import pytest

from pawfect.contract.search import HAIR, MAX_NAME
from pawfect.contract.tables import TableError
from pawfect.search.replacement import read_templates, replacement_instruction

GOOD = """
[who]
named = "{name}"
unnamed = "it"
[instruction]
keep = "put {who} there"
character = "put {who} with its hair there"
"""


@pytest.mark.parametrize("hair", HAIR)
@pytest.mark.parametrize("name", [None, "Käthe", "K" * MAX_NAME])
def test_an_instruction_names_both_pictures_and_what_stays(name, hair):
    told = replacement_instruction(name, hair)
    for word in ("picture 1", "picture 2", "pose", "light", "framing", "background", "hair"):
        assert word in told
    assert "{" not in told
    assert (name or "the character in picture 2") in told
    assert "\n" not in told
    # The fewest text tokens of a profile of full size.
    assert len(told.split()) < 64


def test_the_hair_is_the_pictures_own_or_the_characters():
    keep, take = (replacement_instruction("Rex", hair) for hair in HAIR)
    assert "Keep the hair" in keep
    assert "Keep the hair" not in take
    assert "hair included" in take


def test_a_name_with_braces_is_a_name():
    assert "with {who} {0}, the" in replacement_instruction("{who} {0}", "keep")


def test_a_whole_file_is_read():
    assert read_templates(GOOD).instruction.keep == "put {who} there"


@pytest.mark.parametrize(
    ("was", "broken", "says"),
    [
        ('keep = "put {who} there"', "", "replacement.toml: instruction: expected"),
        ("[who]", '[whom]\nname = "x"\n[who]', "replacement.toml: expected some of"),
        ("put {who} there", "put it there", "instruction: keep: expected a text with {who}"),
        ("put {who} there", "put {who} {there}", "instruction: keep: expected a text with {who}"),
        ("put {who} there", "put {who!r} there", "instruction: keep: expected a text with {who}"),
        ("put {who} there", "put {who there", "instruction: keep: expected a text with {who}"),
        ('"it"', '"{name}"', "who: unnamed: expected a text with no placeholder"),
        ('"it"', "3", "who: unnamed: expected a text with no placeholder"),
    ],
)
def test_a_broken_template_is_refused(was, broken, says):
    assert was in GOOD
    with pytest.raises(TableError) as refused:
        read_templates(GOOD.replace(was, broken, 1))
    assert says in str(refused.value)
