"""The table of surfaces and words: what it holds, what it never does, and files that are none."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest

from pawfect.scene.lexicon import (
    FILE_NAME,
    JOINING,
    LANGUAGES,
    Role,
    labelled_surfaces,
    parse_table,
    table,
)
from pawfect.scene.phrases import read_surfaces
from pawfect.scene.prompt import Label, build_prompt

# Named in the service's design: the least that it must tell apart.
NAMED = {
    *("grass", "fallen leaves", "dirt", "mud", "sand", "gravel", "concrete", "asphalt", "brick"),
    *("stone", "tile", "wood floor", "planks", "carpet", "rug", "blanket", "bedding"),
    *("sofa fabric", "snow", "water", "hedge", "wall", "straw", "artificial turf"),
}
# What no prompt may ever hold, whatever a table's editor writes into it.
_THINGS = """
    dog dogs puppy cat cats kitten pet animal horse bird fur tail paw paws collie
    hand hands arm leg legs foot feet person people man woman child face hair finger
    leash lead collar harness toy ball bowl bottle hat stick frisbee bone rope
"""
_QUALITIES = """
    red green blue white black brown grey gray golden yellow beige colored dark bright
    wet dry rainy sunny cloudy shadow light puddle damp reflection fog storm
    ignore instructions draw script drop table select nothing empty no not
"""
THINGS = set(_THINGS.split())
FORBIDDEN = THINGS | set(_QUALITIES.split())
# The words that a prompt is made of.
NEUTRAL = "background"
ALLOWED = {NEUTRAL, *JOINING, *(word for name in table().surfaces for word in name.split())}


def the_file() -> dict:
    return tomllib.loads((resources.files("pawfect.scene") / FILE_NAME).read_text("utf-8"))


def test_the_package_tells_apart_every_surface_of_the_design():
    names = [surface.name for surface in labelled_surfaces()]
    assert set(names) >= NAMED
    assert len(names) == len(set(names)) >= 24


def test_every_surface_is_asked_by_one_to_three_short_noun_phrases():
    for surface in labelled_surfaces():
        assert 1 <= len(surface.phrases) <= 3, surface
        for text in (surface.name, *surface.phrases):
            assert text == text.lower()
            assert len(text.split()) <= 3, text
            assert not THINGS & set(text.split()), text


@pytest.mark.parametrize("surface", labelled_surfaces(), ids=lambda surface: surface.name)
def test_a_label_alone_is_the_prompt(surface):
    prompt = build_prompt([Label(surface.name)])
    assert (prompt.text, prompt.source) == (surface.name, "labels")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": 3}, "name: expected"),
        ({"sam3": "p"}, "sam3: expected"),
        ({"sam3": ["p", True]}, r"sam3\[1\]: expected"),
        ({"sam3": ["p", "P"]}, "sam3: expected phrases that differ, got p twice"),
        ({"hue": 1}, "got hue"),
    ],
)
def test_what_is_no_surface_is_said(change, said):
    content = the_file()
    content["surface"][0] |= change
    with pytest.raises(ValueError, match=said):
        parse_table(content)


def test_every_phrase_of_a_surface_means_that_surface():
    for row in the_file()["surface"]:
        languages = [form for lang in LANGUAGES for form in row.get(lang, [])]
        abroad = row.get("abroad", [])
        for form in (row["name"], *languages, *abroad):
            assert [s.name for s in read_surfaces(form)] == [row["name"]], form
        assert all(read_surfaces(f"the {form}") == () for form in abroad)


def test_no_word_of_the_table_is_a_forbidden_one_but_to_be_ruled_out():
    assert set(table().surfaces) >= NAMED
    assert not ALLOWED & FORBIDDEN
    assert all(surface.words <= 2 for surface in table().surfaces.values())
    for words, (role, _) in table().phrases.items():
        if role is Role.SURFACE and len(words) == 1:
            assert not set(words) & FORBIDDEN


def _content(*rows: dict) -> dict:
    rest = {"neutral": "x", "together": [], "grounds": [], "describes": [], "nothing": []}
    negation = {"no": [], "not": [], "contrast": [], "prepositions": []}
    return {**rest, "english": [], "negation": negation, "surface": list(rows)}


def test_a_phrase_that_means_two_surfaces_is_refused():
    rows = [{"name": n, "family": ["ground"], "en": ["turf"]} for n in ("grass", "moss")]
    with pytest.raises(ValueError, match="'turf' means both"):
        parse_table(_content(*rows))


def test_an_unknown_key_or_family_is_refused():
    with pytest.raises(ValueError, match=r"surface\[\d+\]: expected some of .*, got sv"):
        parse_table(_content({"name": "grass", "family": ["ground"], "sv": ["gräs"]}))
    content = _content({"name": "grass", "family": ["ground"]}) | {"together": [["ground", "sky"]]}
    with pytest.raises(ValueError, match="unknown families sky"):
        parse_table(content)
