"""A matrix is checked whole, and says which key is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pawfect.contract.tables import TableError
from pawfect.profile import ProfileError
from perf.audit import matrix as matrix_module
from perf.audit.matrix import load_matrix
from tests.perf.audit.conftest import MATRIX, TINY, TINY_Q8


def refused(write_matrix, text: str) -> str:
    with pytest.raises((TableError, ProfileError)) as caught:
        load_matrix(write_matrix(text, "wrong.toml"))
    return str(caught.value)


def test_a_matrix_says_what_is_tried_on_what(write_matrix):
    matrix = load_matrix(write_matrix())
    assert matrix.axes.quantisation == (TINY, TINY_Q8)
    assert matrix.axes.guidance == (4.0, 30.0)
    assert matrix.cells == 2 * 2 * 2 * 2
    (session,) = matrix.session
    assert Path(session.truth).is_file()
    assert (session.text("none"), session.text("labels")) == ("", None)
    assert session.text("five") == "patchy green grass with fallen leaves"
    assert (matrix.seeds, matrix.axes.strength, matrix.budget_ms) == ((0,), (1.0,), 30_000)
    assert (matrix.axes.attention, matrix.axes.tile_px, matrix.card_gib) == (("auto",), (0,), None)


def test_attention_tiles_and_the_cards_memory_are_the_profiles_unless_they_are_said(write_matrix):
    own = load_matrix(Path(matrix_module.__file__).parent / "matrices" / "t4.toml")
    assert (own.axes.attention, own.axes.tile_px, own.card_gib) == (("efficient",), (1024,), 14.7)
    text = MATRIX.replace(
        "size = [128]", 'size = [128]\nattention = ["auto", "math"]\ntile_px = [0, 64, 96]'
    )
    said = load_matrix(write_matrix(f"card_gib = 2\n{text}", "said.toml"))
    assert said.axes.attention == ("auto", "math")
    assert said.axes.tile_px == (0, 64, 96)
    assert (said.cells, said.card_gib) == (16 * 6, 2.0)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("guidance =", "guidence =", "axes: expected some of .*guidence"),
        ("[axes]", "[axis]", "expected some of .*axis"),
        ("truth =", "thruth =", r"session\[0\]: expected some of .*thruth"),
        ("{ five", "{ fife", "session lawn: prompts: expected a text five, got none"),
        ("steps = [1, 3]", "", "axes: expected .*steps"),
        (
            '"tiny-flux-fill-q8_0"',
            '"tiny-flux-fill-q8"',
            r"axes: quantisation\[\d\]: expected one of",
        ),
        ('profile = "tiny"', 'profile = "tinny"', "profile: expected one of"),
        ('profile = "tiny"', 'profile = "embedded"', "profile: expected one with FLUX"),
        ("steps = [1, 3]", "steps = [0, 3]", r"axes: steps\[\d\]: expected from 1 to 100, got 0"),
        ("steps = [1, 3]", 'steps = ["3"]', r"axes: steps\[\d\]: expected an integer"),
        ("steps = [1, 3]", "steps = [3, 3]", "axes: steps: expected at least one value, each once"),
        ("steps = [1, 3]", "steps = []", "axes: steps: expected at least one value"),
        ("steps = [1, 3]", "steps = 3", "axes: steps: expected at least one value"),
        (
            "guidance = [4, 30]",
            "guidance = [nan]",
            r"axes: guidance\[\d\]: expected from 0.0 to 100.0",
        ),
        ("size = [128]", "size = [130]", r"axes: size\[\d\]: expected a multiple of 16 up to 2048"),
        ("size = [128]", "size = [true]", r"axes: size\[\d\]: expected an integer"),
        (
            "size = [128]",
            "size = [128]\nstrength = [0]",
            r"axes: strength\[\d\]: expected above 0.0",
        ),
        (
            "size = [128]",
            'size = [128]\nattention = ["flash"]',
            r"axes: attention\[\d\]: expected one of auto",
        ),
        (
            "size = [128]",
            "size = [128]\ntile_px = [100]",
            r"axes: tile_px\[\d\]: expected a multiple of 32",
        ),
        (
            "size = [128]",
            "size = [128]\ntile_px = []",
            "axes: tile_px: expected at least one value",
        ),
        ("deadline_ms = 100000", "card_gib = 0", "card_gib: expected above 0"),
        ("deadline_ms = 100000", "deadline_ms = -5", "deadline_ms: expected from 1"),
        ("deadline_ms = 100000", "deadline_ms = 9e12", "deadline_ms: expected an integer"),
        ('"five"]', '"five", "two"]', "session lawn: prompts: expected a text two"),
        (
            'photo = "photo.png"',
            'photo = "dog.png"',
            "session lawn: photo: expected a file, got dog",
        ),
        ('photo = "photo.png"\n', "", "session lawn: expected a scene, or photo and mask"),
        (
            'photo = "photo.png"',
            'scene = "grass_hand"',
            "a scene, or photo and mask, got scene, mask",
        ),
        ('photo = "photo.png"', 'scene = "gras_hand"', r"session\[0\]: scene: expected one of"),
        ("profile", f"seeds = {list(range(9000))}\nprofile", "at most 100000 cells, got 144000"),
        ("[axes]", "[axes", "expected a TOML file"),
    ],
)
def test_a_wrong_matrix_names_the_key(write_matrix, right, wrong, said):
    assert right in MATRIX
    assert re.search(said, refused(write_matrix, MATRIX.replace(right, wrong, 1)))


def test_two_sessions_of_one_name_are_refused(write_matrix):
    session = MATRIX[MATRIX.index("[[session]]") :]
    assert "each name once" in refused(write_matrix, MATRIX + session)


def test_a_matrix_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(TableError, match="No such file"):
        load_matrix(tmp_path / "none.toml")


@pytest.mark.parametrize(("name", "cells"), [("tiny", 32), ("t4", 1500)])
def test_the_matrices_that_come_along_are_right(name, cells):
    path = Path(matrix_module.__file__).parent / "matrices" / f"{name}.toml"
    assert load_matrix(path).cells == cells
