"""A matrix is checked whole, and says which key is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from perf.audit import matrix as matrix_module
from perf.audit.matrix import MatrixError, load_matrix
from perf.audit.prompts import SCENE_TEXTS, WORDS, words_of
from tests.perf.audit.conftest import MATRIX, TINY, TINY_Q8


def refused(write_matrix, text: str) -> str:
    with pytest.raises(MatrixError) as caught:
        load_matrix(write_matrix(text, "wrong.toml"))
    return str(caught.value)


def test_a_matrix_says_what_is_tried_on_what(write_matrix):
    matrix = load_matrix(write_matrix())
    assert matrix.axes.quantisation == (TINY, TINY_Q8)
    assert matrix.axes.guidance == (4.0, 30.0)
    assert matrix.cells == 2 * 2 * 2 * 2
    assert matrix.session[0].files["truth"].is_file()


def test_what_a_matrix_leaves_out_is_the_whole_audit(write_matrix):
    matrix = load_matrix(write_matrix('profile = "t4"\n'))
    assert matrix.axes.guidance == (2, 4, 10, 20, 30)
    assert matrix.axes.steps == (4, 8, 12, 20, 28)
    assert matrix.axes.quantisation == ("flux-fill-dev-turbo-int4",)
    assert matrix.axes.size == (512, 768, 1024)
    assert set(matrix.axes.prompt) == {"none", "one", "two", "five", "labels"}
    assert [s.scene for s in matrix.session] == ["reference_1600"]
    assert matrix.budget_ms == 30_000


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("guidance =", "guidence =", "axes.guidence: Extra inputs"),
        ("[axes]", "[axis]", "axis: Extra inputs"),
        ("deadline_ms", "deadline", "deadline: Extra inputs"),
        ("truth =", "thruth =", "session.0.thruth: Extra inputs"),
        ("{ five", "{ fife", "session.0.prompts.fife"),
        ('"tiny-flux-fill-q8_0"', '"tiny-flux-fill-q8"', "axes.quantisation.1: expected one of"),
        ('"none", ', '"nine", ', "axes.prompt.0: expected one of"),
        ('profile = "tiny"', 'profile = "tinny"', "profile: expected one of"),
        ('profile = "tiny"', 'profile = "embedded"', "profile: expected one with FLUX"),
        ("steps = [1, 3]", "steps = [0, 3]", "axes.steps.0: steps: expected from 1 to 100, got 0"),
        ("steps = [1, 3]", 'steps = ["3"]', "axes.steps.0: steps: expected an integer"),
        ("steps = [1, 3]", "steps = [3, 3]", "axes.steps: expected each value once"),
        ("steps = [1, 3]", "steps = []", "axes.steps: Tuple should have at least 1 item"),
        ("steps = [1, 3]", "steps = 3", "axes.steps: Input should be a valid tuple"),
        ("guidance = [4, 30]", "guidance = [nan]", "axes.guidance.0: guidance_scale: expected"),
        ("size = [128]", "size = [130]", "axes.size.0: Input should be a multiple of 16"),
        ("size = [128]", "size = [true]", "axes.size.0: Input should be a valid integer"),
        ("size = [128]", "size = [128]\nstrength = [0]", "axes.strength.0: strength: expected"),
        ("deadline_ms = 100000", "deadline_ms = -5", "deadline_ms: expected from 1"),
        ("deadline_ms = 100000", "deadline_ms = 9e12", "deadline_ms: expected an integer"),
        ("with fallen ", "", "prompts.five: expected 5 words"),
        ('"five"]', '"five", "two"]', "prompts.two: expected a text of the session"),
        ('photo = "photo.png"', 'photo = "dog.png"', "photo: no file dog.png"),
        ('photo = "photo.png"\n', "", "expected a scene, or photo and mask"),
        ('photo = "photo.png"', 'scene = "grass_hand"\nphoto = "photo.png"', "got both"),
        ("[axes]", "[axes", "expected TOML"),
    ],
)
def test_a_wrong_matrix_names_the_key(write_matrix, right, wrong, said):
    assert right in MATRIX
    message = refused(write_matrix, MATRIX.replace(right, wrong))
    assert said in message


def test_an_unknown_scene_is_refused(write_matrix):
    message = refused(write_matrix, 'profile = "tiny"\n[[session]]\nscene = "gras_hand"\n')
    assert "session.0.scene: expected one of" in message


def test_two_sessions_of_one_name_are_refused(write_matrix):
    session = MATRIX[MATRIX.index("[[session]]") :]
    assert "each name once" in refused(write_matrix, MATRIX + session)


def test_a_matrix_too_large_to_be_meant_is_refused(write_matrix):
    text = MATRIX.replace("profile", f"seeds = {list(range(9000))}\nprofile", 1)
    assert "at most 100000 cells, got 144000" in refused(write_matrix, text)


def test_a_matrix_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(MatrixError, match="No such file"):
        load_matrix(tmp_path / "none.toml")


@pytest.mark.parametrize("scene", sorted(SCENE_TEXTS))
def test_texts_of_scenes_have_the_words_that_they_say(scene):
    assert {name: words_of(text) for name, text in SCENE_TEXTS[scene].items()} == {
        name: count for name, count in WORDS.items() if count
    }


@pytest.mark.parametrize(("name", "cells"), [("tiny", 32), ("t4", 1000)])
def test_the_matrices_that_come_along_are_right(name, cells):
    path = Path(matrix_module.__file__).parent / "matrices" / f"{name}.toml"
    assert load_matrix(path).cells == cells
