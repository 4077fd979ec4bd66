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
    assert profile.flux is not None
    flux = replace(profile.flux, steps=3, guidance_scale=4.0, sizes=(128,))
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
