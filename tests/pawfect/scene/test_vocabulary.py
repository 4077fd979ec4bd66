"""The vocabulary of surfaces: the package's own, and files that hold none."""

from __future__ import annotations

import pytest

from pawfect.contract.tables import TableError
from pawfect.scene.vocabulary import Surface, load_vocabulary, parse_vocabulary

# Named in the service's design: the least that it must tell apart.
NAMED = {
    *("grass", "fallen leaves", "dirt", "mud", "sand", "gravel", "concrete", "asphalt", "brick"),
    *("stone", "tile", "wood floor", "planks", "carpet", "rug", "blanket", "bedding"),
    *("sofa fabric", "snow", "water", "hedge", "wall", "straw", "artificial turf"),
}
# A prompt with one of these draws it (DESIGN, "How one request flows", 4).
FORBIDDEN = {"dog", "cat", "pet", "animal", "person", "hand", "leash", "toy", "people"}


def test_the_package_tells_apart_every_surface_of_the_design():
    names = [surface.name for surface in load_vocabulary()]
    assert set(names) >= NAMED
    assert len(names) == len(set(names)) >= 24


def test_every_surface_is_asked_by_one_to_three_short_noun_phrases():
    for surface in load_vocabulary():
        assert 1 <= len(surface.phrases) <= 3, surface
        for text in (surface.name, *surface.phrases):
            assert text == text.lower()
            assert len(text.split()) <= 3, text


def test_no_surface_names_an_animal_a_person_or_a_thing_that_is_removed():
    for surface in load_vocabulary():
        for text in (surface.name, *surface.phrases):
            assert not FORBIDDEN & set(text.split()), text


def surface(name: object = "a", phrases: object = ("p",)) -> dict[str, object]:
    return {"name": name, "phrases": list(phrases) if isinstance(phrases, tuple) else phrases}


def test_surfaces_keep_the_order_of_their_file_and_phrases_may_be_in_any_script():
    table = {"surfaces": [surface("b", ("y", "x")), surface("草", ("трава",))]}
    assert parse_vocabulary(table) == (Surface("b", ("y", "x")), Surface("草", ("трава",)))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "expected surfaces, got nothing"),
        ({"surfaces": [surface()], "more": 1}, "expected some of surfaces, got more"),
        ({"surfaces": []}, "surfaces: expected at least one, got []"),
        ({"surfaces": {"a": ["p"]}}, "surfaces: expected at least one, got dict"),
        ({"surfaces": ["grass"]}, "surfaces: expected a table, got str 'grass'"),
        ({"surfaces": [{"name": "a"}]}, "expected name, phrases, got name"),
        ({"surfaces": [{**surface(), "hue": 1}]}, "expected some of name, phrases, got hue"),
        ({"surfaces": [surface(name=3)]}, "name: expected printable text"),
        ({"surfaces": [surface(name=" ")]}, "without space around it, got ' '"),
        ({"surfaces": [surface(phrases=())]}, "phrases: expected at least one, got []"),
        ({"surfaces": [surface(phrases="p")]}, "phrases: expected at least one, got str 'p'"),
        *(
            ({"surfaces": [surface(phrases=(phrase,))]}, "phrases: expected printable text")
            for phrase in ("", "p ", "p\n", True)
        ),
        ({"surfaces": [surface(), surface("A", ("q",))]}, "names that differ, got A twice"),
        ({"surfaces": [surface(), surface("b", ("P",))]}, "phrases that differ, got P twice"),
    ],
)
def test_what_is_no_vocabulary_is_said(table: dict[str, object], said: str):
    with pytest.raises(TableError) as caught:
        parse_vocabulary(table)
    assert str(caught.value).startswith("surfaces.toml: ")
    assert said in str(caught.value)
