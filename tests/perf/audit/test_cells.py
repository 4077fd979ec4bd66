"""A cell's identity stands for everything that decides its pixels, and nothing else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pawfect import __version__
from pawfect.profile import load_profile
from perf.audit.axes import Axes
from perf.audit.cells import cells_of
from perf.audit.matrix import load_matrix
from perf.audit.sessions import load_session
from tests.perf.audit.conftest import MATRIX, TINY, TINY_Q8

WEIGHTS = {
    TINY: "a@1", TINY_Q8: "b@1", "tiny-sam3": "s@1", "tiny-florence2": "f@1", "tiny-lama": "l@1",
}  # fmt: skip


@pytest.fixture
def given(write_matrix):
    matrix = load_matrix(write_matrix())
    return matrix, [load_session(source) for source in matrix.session], load_profile("tiny")


def identities(matrix, sessions, profile, weights=WEIGHTS) -> list[str]:
    return [cell.identity for cell in cells_of(matrix, sessions, profile, weights)]


def test_every_cell_has_its_own_identity_and_keeps_it(given):
    first = identities(*given)
    assert len(set(first)) == len(first) == given[0].cells == 16
    assert identities(*given) == first


def test_cells_that_share_loaded_weights_come_in_a_row(given):
    names = [cell.setting.quantisation for cell in cells_of(*given, WEIGHTS)]
    assert names == [TINY] * 8 + [TINY_Q8] * 8


def test_a_wider_matrix_keeps_the_identities_of_the_narrower(given):
    matrix, sessions, profile = given
    axes = replace(matrix.axes, steps=(1, 2, 3), guidance=(4.0, 10.0, 30.0))
    wider = replace(matrix, axes=axes, budget_ms=1)
    assert set(identities(matrix, sessions, profile)) < set(identities(wider, sessions, profile))


def test_other_weights_change_the_cells_that_use_them_alone(given):
    before, after = identities(*given), identities(*given, WEIGHTS | {TINY_Q8: "b@2"})
    assert before[:8] == after[:8]
    assert not set(before[8:]) & set(after)


def test_the_deadline_the_profile_and_the_text_change_every_cell(given):
    matrix, sessions, profile = given
    before = set(identities(*given))
    assert profile.sam3 is not None
    other_sam3 = replace(profile, sam3=replace(profile.sam3, least_score=0.5))
    for other in (
        identities(replace(matrix, deadline_ms=5), sessions, profile),
        identities(matrix, sessions, other_sam3),
        identities(matrix, sessions, profile, WEIGHTS | {"tiny-sam3": "s@2"}),
    ):
        assert not before & set(other)


def test_an_approved_setting_changes_no_identity(given):
    matrix, sessions, profile = given
    matrix = replace(matrix, axes=replace(matrix.axes, strength=(1.0,)))
    assert profile.flux is not None
    flux = replace(profile.flux, steps=3, guidance_scale=4.0, sizes=(128,), strength=0.5)
    weights = {**profile.weights, "flux_transformer": TINY_Q8}
    approved = replace(profile, flux=flux, weights=weights)
    assert identities(matrix, sessions, approved) == identities(*given)


def test_attention_and_tiles_are_axes_and_naming_the_profiles_own_changes_no_identity(given):
    matrix, sessions, profile = given
    before = identities(*given)
    named = replace(matrix, axes=replace(matrix.axes, attention=("auto",), tile_px=(0,)))
    assert identities(named, sessions, profile) == before
    axes = replace(matrix.axes, attention=("auto", "math"), tile_px=(0, 64))
    wider = identities(replace(matrix, axes=axes), sessions, profile)
    assert len(set(wider)) == 4 * len(before)
    assert set(before) < set(wider)


def test_an_approved_attention_and_tiles_change_no_identity(given):
    matrix, sessions, profile = given
    axes = replace(matrix.axes, attention=("auto", "math"), tile_px=(0, 64))
    wider = replace(matrix, axes=axes)
    flux = replace(profile.flux, attention="math", attention_reason="audited", tile_px=64)
    approved = replace(profile, flux=flux)
    assert identities(wider, sessions, approved) == identities(wider, sessions, profile)


def test_identities_are_those_of_journals_from_before_these_axes(given):
    matrix, (session,), profile = given
    # What a cell's identity stood for then: the profile's settings without these two.
    flux = replace(profile.flux, steps=1, guidance_scale=1.0, sizes=(), compile_reason="")
    decides = repr((profile.name, flux, profile.sam3, profile.florence2, profile.lama))
    decides = decides.replace(", attention='auto'", "")
    decides = decides.replace(f", attention_reason={flux.attention_reason!r}", "")
    assert "attention" not in decides
    own = {
        "version": __version__,
        "profile": hashlib.sha256(decides.encode()).hexdigest()[:16],
        "weights": {c: WEIGHTS[e] for c, e in profile.fill_weights.items()},
        "deadline_ms": matrix.deadline_ms,
        "setting": {
            "quantisation": TINY, "size": 128, "strength": 1.0, "prompt": "none", "guidance": 4.0,
            "steps": 1,
        },
        "session": session.digest,
        "text": "",
        "seed": 0,
    }  # fmt: skip
    text = json.dumps(own, sort_keys=True)
    assert identities(*given)[0] == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_cells_of_klein_are_told_apart_by_their_references_and_an_approval_changes_none(given):
    _, sessions, _ = given
    tiny_klein = load_profile("tiny-klein")
    weights = {name: f"{name}@1" for name in tiny_klein.weights.values()}
    axes = Axes(("tiny-klein",), (2,), ("labels",), (128,), references=(True, False))
    matrix = replace(given[0], profile="tiny-klein", axes=axes)
    cells = list(cells_of(matrix, sessions, tiny_klein, weights))
    assert [cell.setting.references for cell in cells] == [True, False]
    assert {cell.setting.guidance for cell in cells} == {None}
    assert {(cell.setting.engine, cell.setting.strength) for cell in cells} == {("klein", 0.8)}
    assert len({cell.identity for cell in cells}) == 2
    assert str(cells[1].setting).startswith("engine klein, quantisation tiny-klein, size 128")
    assert "guidance" not in str(cells[1].setting)
    klein = replace(tiny_klein.klein, references=False, strength=0.6, steps=3)
    approved = replace(tiny_klein, klein=klein)
    said = replace(matrix, axes=replace(axes, strength=(0.8,)))
    assert identities(said, sessions, approved, weights) == [cell.identity for cell in cells]


def test_weights_of_one_engine_change_no_cell_of_another(given):
    matrix, sessions, _ = given
    tiny_all = load_profile("tiny-all")
    axes = replace(matrix.axes, engine=("flux", "klein"), quantisation=(TINY, "tiny-klein"))
    matrix = replace(matrix, profile="tiny-all", axes=axes)
    weights = {name: f"{name}@1" for name in (*tiny_all.weights.values(), TINY_Q8)}
    before = identities(matrix, sessions, tiny_all, weights)
    after = identities(matrix, sessions, tiny_all, weights | {"tiny-klein": "k@2"})
    # Eight of FLUX.1-Fill by guidance, steps and prompt; four of klein, which has no guidance.
    assert len(set(before)) == matrix.cells == 8 + 4
    assert [a == b for a, b in zip(before, after, strict=True)] == [True] * 8 + [False] * 4


def test_one_pixel_of_the_photo_changes_every_cell(given, write_matrix, lawn_files):
    _, _, profile = given
    with Image.open(lawn_files / "photo.png") as photo:
        pixels = np.array(photo)
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(lawn_files / "other.png")
    text = MATRIX.replace('photo = "photo.png"', 'photo = "other.png"')
    other = load_matrix(write_matrix(text, "other.toml"))
    sessions = [load_session(source) for source in other.session]
    assert not set(identities(*given)) & set(identities(other, sessions, profile))
