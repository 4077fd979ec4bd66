"""The surfaces that SAM3 is asked for, and files that hold none."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest

from pawfect.scene.lexicon import FILE_NAME, labelled_surfaces, parse_table
from pawfect.scene.prompt import Label, build_prompt

# Named in the service's design: the least that it must tell apart.
NAMED = {
    *("grass", "fallen leaves", "dirt", "mud", "sand", "gravel", "concrete", "asphalt", "brick"),
    *("stone", "tile", "wood floor", "planks", "carpet", "rug", "blanket", "bedding"),
    *("sofa fabric", "snow", "water", "hedge", "wall", "straw", "artificial turf"),
}
# A prompt with one of these draws it (DESIGN, "How one request flows", 4).
FORBIDDEN = {"dog", "cat", "pet", "animal", "person", "hand", "leash", "toy", "people"}


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


def test_no_surface_names_an_animal_a_person_or_a_thing_that_is_removed():
    for surface in labelled_surfaces():
        for text in (surface.name, *surface.phrases):
            assert not FORBIDDEN & set(text.split()), text


@pytest.mark.parametrize("surface", labelled_surfaces(), ids=lambda surface: surface.name)
def test_a_label_alone_is_the_prompt(surface):
    prompt = build_prompt([Label(surface.name)])
    assert (prompt.text, prompt.source) == (surface.name, "labels")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": 3}, "name: expected"),
        ({"sam3": "p"}, "sam3: expected"),
        ({"sam3": ["p", True]}, "sam3: expected"),
        ({"sam3": ["p", "P"]}, "sam3: expected phrases that differ, got p twice"),
        ({"hue": 1}, "got hue"),
    ],
)
def test_what_is_no_surface_is_said(change, said):
    content = tomllib.loads((resources.files("pawfect.scene") / FILE_NAME).read_text("utf-8"))
    content["surface"][0] |= change
    with pytest.raises(ValueError, match=said):
        parse_table(content)
