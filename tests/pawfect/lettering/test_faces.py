"""The bundled faces: whole, licensed, and honest about what they can write."""

import string

import pytest

from pawfect.lettering.drawing import draw
from pawfect.lettering.faces import FOLDER, Face, can_write, faces, faces_for, font, missing

ALL = [pytest.param(face, id=face.name) for face in faces()]


def test_there_are_faces_of_every_kind_and_they_take_less_than_4_mb() -> None:
    kinds = {face.kind for face in faces()}
    assert kinds == {
        "sans", "rounded", "condensed", "serif", "slab", "mono", "script", "hand", "display",
    }  # fmt: skip
    assert sum(file.stat().st_size for file in FOLDER.rglob("*")) < 4_000_000


@pytest.mark.parametrize("face", ALL)
def test_a_face_lies_beside_a_licence_that_allows_bundling_and_reserves_no_name(face: Face) -> None:
    licence = (FOLDER / face.name / "LICENSE").read_text("utf-8")
    assert "SIL OPEN FONT LICENSE" in licence.upper() or "Apache License" in licence
    assert "with reserved font name" not in licence.lower()


@pytest.mark.parametrize("face", ALL)
def test_a_face_has_the_letters_of_western_europe_and_draws_them(face: Face) -> None:
    capitals = string.ascii_uppercase + string.digits + "ÄÖÜÉÈÑÇ&!?.,:;-'\"()"
    assert can_write(face, capitals)
    assert can_write(face, string.ascii_lowercase + "äöüßéèñç") is not face.caseless
    for cut in face.cuts():
        drawn = draw("HOME", cut)
        assert drawn.box[2] > drawn.box[0]
        assert font(cut).getlength("HOME") > 50


def test_letters_that_no_face_has_are_named_once_each() -> None:
    assert missing("Bella & Ünal") == ""
    assert missing("שלום") == "שלום"
    assert missing("Woof 🐶🐶!") == "🐶"
    assert faces_for("Bella 日") == ()


def test_a_heavier_cut_covers_more_and_a_moved_edge_does_too() -> None:
    open_sans = next(face for face in faces() if face.name == "open-sans")
    light, bold = (open_sans.cuts()[0].weighing(weight) for weight in (300, 800))
    assert draw("HOME", bold).coverage.sum() > 1.5 * draw("HOME", light).coverage.sum()
    wider = draw("HOME", light, offset=2.0).coverage.sum()
    thinner = draw("HOME", light, offset=-2.0).coverage.sum()
    assert thinner < draw("HOME", light).coverage.sum() < wider
