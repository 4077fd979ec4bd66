"""A matrix is checked whole, and says which key is wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pawfect.contract.parameters import DENOISING
from pawfect.contract.tables import TableError
from pawfect.diffusion.schedule import first_step
from pawfect.profile import ProfileError, load_profile, profile_names
from pawfect.weights.manifest import manifest
from perf.audit.axes import Axes
from perf.audit.engines import engine_of
from perf.audit.matrix import MATRICES, load_matrix
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
    assert (matrix.seeds, matrix.budget_ms, matrix.card_gib) == ((0,), 30_000, None)


def test_what_is_not_said_is_the_profiles_own(write_matrix):
    own = load_matrix(MATRICES / "t4.toml")
    (flux,) = own.axes.by_engine(load_profile("t4")).values()
    assert (flux["engine"], flux["strength"], flux["references"]) == (("flux",), (1.0,), (None,))
    assert (flux["attention"], flux["tile_px"], own.card_gib) == (("efficient",), (1024,), 14.7)
    klein = Axes(("klein-4b-int4",), (4,), ("labels",), (512,)).by_engine(load_profile("t4-klein"))
    assert {name: klein["klein"][name] for name in ("engine", "strength", "references")} == {
        "engine": ("klein",), "strength": (0.8,), "references": (True,),
    }  # fmt: skip
    edit = Axes(("tiny-edit",), (4,), ("labels",), (128,)).by_engine(load_profile("tiny-edit"))
    assert (edit["edit"]["guidance"], edit["edit"]["references"]) == ((4.0,), (None,))


def test_attention_tiles_and_the_cards_memory_may_be_said(write_matrix):
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
        (
            'profile = "tiny"',
            'profile = "embedded"',
            "profile: expected one with a denoising engine",
        ),
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
        (
            "size = [128]",
            'size = [128]\nengine = ["klein"]',
            "axes: engine: expected some of flux, which profile tiny has, got klein",
        ),
        (
            '"tiny-flux-fill-q8_0"',
            '"tiny-klein"',
            "axes: quantisation: expected transformers of flux, got tiny-klein",
        ),
        ('"tiny-flux-fill-q8_0"', '"tiny-sam3"', "expected transformers of flux, got tiny-sam3"),
        (
            "size = [128]",
            "size = [128]\nreferences = [true]",
            r"axes: references: expected none: FLUX.1-Fill has no such setting, got \(True,\)",
        ),
        (
            "size = [128]",
            'size = [128]\nreferences = ["yes"]',
            r"axes: references\[\d\]: expected true or false",
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


@pytest.mark.parametrize(
    ("name", "cells", "engines"),
    [
        ("tiny", 32, ["flux"]),
        ("tiny_short", 2, ["flux"]),
        ("t4", 1500, ["flux"]),
        ("tiny-klein", 16, ["klein"]),
        ("t4-klein", 288, ["klein"]),
    ],
)
def test_the_matrices_that_come_along_are_right(name, cells, engines):
    matrix = load_matrix(MATRICES / f"{name}.toml")
    assert matrix.cells == cells
    assert list(matrix.axes.by_engine(load_profile(matrix.profile))) == engines


def test_each_strength_of_kleins_matrix_starts_at_another_of_its_four_steps():
    strengths = load_matrix(MATRICES / "t4-klein.toml").axes.strength
    assert [first_step(4, strength) for strength in strengths] == [2, 1, 0]


SEVERAL = Axes(
    quantisation=("tiny-klein", "tiny-flux-fill", "tiny-flux-fill-q8_0"),
    steps=(2, 4),
    prompt=("labels",),
    size=(128,),
    engine=("klein", "flux"),
    guidance=(4.0, 30.0),
    references=(True, False),
)


def test_each_of_several_engines_has_its_own_weights_and_only_settings_of_its_own():
    tiny_all = load_profile("tiny-all")
    found = SEVERAL.by_engine(tiny_all)
    assert list(found) == ["klein", "flux"]
    klein, flux = found.values()
    assert klein["quantisation"] == ("tiny-klein",)
    assert (klein["guidance"], klein["references"]) == ((None,), (True, False))
    assert flux["quantisation"] == ("tiny-flux-fill", "tiny-flux-fill-q8_0")
    assert (flux["guidance"], flux["references"]) == ((4.0, 30.0), (None,))
    assert (klein["strength"], flux["strength"]) == ((0.8,), (1.0,))
    assert SEVERAL.left_out(tiny_all) == [
        "FLUX.2 [klein] has no guidance: its cells go without",
        "FLUX.1-Fill has no references: its cells go without",
    ]


def test_an_engine_without_weights_of_its_own_or_without_a_setting_is_refused():
    tiny_all = load_profile("tiny-all")
    with pytest.raises(TableError, match=r"quantisation: expected one of Qwen-Image-Edit at least"):
        replace(SEVERAL, engine=("klein", "flux", "edit")).by_engine(tiny_all)
    klein = replace(SEVERAL, quantisation=("tiny-klein",), engine=("klein",))
    with pytest.raises(TableError, match=r"guidance: expected none: FLUX.2 \[klein\] has no such"):
        klein.by_engine(tiny_all)
    sold = replace(tiny_all, allow_noncommercial=False, weights={**tiny_all.weights, **FILL})
    with pytest.raises(TableError, match="expected some of klein, edit, which profile tiny-all"):
        SEVERAL.by_engine(sold)


FILL = {"flux": "flux-fill-dev", "flux_transformer": "flux-fill-dev-q4_0"}


def test_an_entrys_name_says_whose_transformer_it_holds():
    for name in profile_names():
        profile = load_profile(name)
        for component, entry in profile.weights.items():
            known = (
                component.partition("_")[0] if component.partition("_")[0] in DENOISING else None
            )
            assert engine_of(entry) == known, entry
    for entry in manifest().values():
        for source in entry.sources:
            assert engine_of(entry.name) == engine_of(source)
