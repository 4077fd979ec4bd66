"""The vocabulary of surfaces: the package's own, and files that hold none."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
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


def test_surfaces_keep_the_order_of_their_file(tmp_path: Path):
    file = tmp_path / "two.toml"
    file.write_text(
        'surfaces = [{ name = "b", phrases = ["y", "x"] }, { name = "a", phrases = ["z"] }]'
    )
    assert load_vocabulary(file) == (Surface("b", ("y", "x")), Surface("a", ("z",)))


def test_phrases_may_be_in_any_script(tmp_path: Path):
    file = tmp_path / "words.toml"
    file.write_text('surfaces = [{ name = "草", phrases = ["трава"] }]', "utf-8")
    assert load_vocabulary(file) == (Surface("草", ("трава",)),)


def surface(name: object = "a", phrases: object = ("p",)) -> dict[str, object]:
    return {"name": name, "phrases": list(phrases) if isinstance(phrases, tuple) else phrases}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "expected the one key surfaces, got nothing"),
        ({"surfaces": [surface()], "more": 1}, "expected the one key surfaces, got more, surfaces"),
        ({"surfaces": []}, "expected at least one surface, got an empty vocabulary"),
        ({"surfaces": {"a": ["p"]}}, "expected surfaces as a list, got dict"),
        ({"surfaces": ["grass"]}, "expected surface 1 as a table, got str"),
        ({"surfaces": [{"name": "a"}]}, "expected surface 1 with name and phrases, got name"),
        (
            {"surfaces": [{**surface(), "colour": "green"}]},
            "expected surface 1 with name and phrases, got colour, name, phrases",
        ),
        ({"surfaces": [surface(name=3)]}, "expected the name of surface 1 as text, got int"),
        ({"surfaces": [surface(name=" ")]}, "without space around it, got ' '"),
        ({"surfaces": [surface(phrases=())]}, "expected at least one phrase for a, got none"),
        ({"surfaces": [surface(phrases="p")]}, "expected the phrases of a as a list, got str"),
        ({"surfaces": [surface(phrases=("",))]}, "expected a phrase of a as printable text"),
        ({"surfaces": [surface(phrases=("p ",))]}, "without space around it, got 'p '"),
        ({"surfaces": [surface(phrases=("p\n",))]}, "expected a phrase of a as printable text"),
        ({"surfaces": [surface(phrases=(True,))]}, "expected a phrase of a as text, got bool"),
        (
            {"surfaces": [surface(), surface("A", ("q",))]},
            "expected names that differ, got A twice",
        ),
        (
            {"surfaces": [surface(), surface("b", ("P",))]},
            "expected phrases that differ, got P twice",
        ),
    ],
)
def test_what_is_no_vocabulary_is_said(table: dict[str, object], said: str):
    with pytest.raises(PawfectError) as caught:
        parse_vocabulary(table)
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert caught.value.message.startswith("vocabulary of surfaces: ")
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'surfaces = [{ name = "\xff", phrases = ["p"] }]', "expected UTF-8 text, got a byte"),
        (b"surfaces = [", "expected TOML, got "),
        (b"surfaces = 1\nsurfaces = 2", "expected TOML, got "),
        (b"", "expected the one key surfaces, got nothing"),
        (None, "expected a file, got none (FileNotFoundError)"),
    ],
)
def test_a_damaged_file_is_said_without_its_path(tmp_path: Path, content: bytes | None, said: str):
    file = tmp_path / "words.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PawfectError) as caught:
        load_vocabulary(file)
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert said in caught.value.message
    assert str(tmp_path) not in str(caught.value)
