"""Steps of many requests in one batch, and what short memory does to them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.diffusion.batch import answer_steps
from pawfect.flux.transformer import Transformer
from pawfect.flux.vae import Vae
from pawfect.serving import load_batch
from pawfect.weights.store import Store
from tests.refusals import refusal
from tests.short_memory import short_of_memory
from tests.steps import step


@pytest.fixture
def transformer(flux_folder) -> Transformer:
    return Transformer.load(flux_folder, device="cpu", dtype="float32", modulation="cached")


def velocities(answers: list) -> list[np.ndarray]:
    assert not any(isinstance(answer, PawfectError) for answer in answers), answers
    return [answer["VELOCITY"] for answer in answers]


def test_requests_of_one_size_are_one_batch_and_each_is_as_if_it_were_alone(transformer, parts):
    items = [step(seed) for seed in range(4)]
    with short_of_memory(transformer.module.x_embedder, lambda shape: True) as shapes:
        got = velocities(answer_steps(transformer, items))
    assert shapes == [(4, 16, 384)]
    for velocity, item in zip(got, items, strict=True):
        (alone,) = velocities(answer_steps(parts.transformer, [item]))
        np.testing.assert_allclose(velocity, alone, rtol=0, atol=2e-5)


def test_the_profile_chooses_where_the_modulation_lies(tiny, tiny_weights):
    assert tiny.flux is not None
    flows = []
    for modulation in ("layers", "cached"):
        flux = dataclasses.replace(tiny.flux, modulation=modulation)
        profile = dataclasses.replace(tiny, flux=flux)
        run = load_batch("flux_transformer", profile, Store(tiny_weights))
        flows += velocities(run([step(1)]))
        (model,) = run.args  # type: ignore[attr-defined]
        assert (model.modulation is not None) == (modulation == "cached")
    np.testing.assert_allclose(*flows, rtol=0, atol=2e-5)


@pytest.mark.parametrize("room", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_batch_that_does_not_fit_is_computed_in_parts_with_the_same_result(transformer, room):
    items = [step(seed) for seed in range(7)]
    expected = velocities(answer_steps(transformer, items))
    block = transformer.module.single_transformer_blocks[1].proj_mlp
    with short_of_memory(block, lambda shape: shape[0] <= room) as shapes:
        got = velocities(answer_steps(transformer, items))
    assert shapes[0][0] == 7
    assert sum(shape[0] for shape in shapes if shape[0] <= room) == 7
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-5)


def test_a_step_that_does_not_fit_alone_fails_alone_and_the_next_one_is_served(transformer):
    small = [step(seed, 2, 2) for seed in range(2)]
    items = [small[0], step(2, 6, 6), small[1]]
    expected = velocities(answer_steps(transformer, items))
    with short_of_memory(transformer.module.proj_out, lambda shape: shape[1] < 36):
        answers = answer_steps(transformer, items)
    assert isinstance(answers[1], PawfectError)
    assert str(answers[1]) == "PAWFECT_OUT_OF_MEMORY: flux_transformer: out of memory"
    for index in (0, 2):
        np.testing.assert_array_equal(answers[index]["VELOCITY"], expected[index])
    for got, want in zip(velocities(answer_steps(transformer, items)), expected, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.fixture
def window(scene) -> tuple[np.ndarray, np.ndarray]:
    return scene(128, 96)


@pytest.mark.parametrize(("tile_px", "smaller"), [(0, 64), (96, 64), (64, 32)])
def test_a_window_that_does_not_fit_goes_through_the_vae_in_smaller_tiles(
    flux_folder, window, tile_px, smaller
):
    vae, tiled = (
        Vae.load(flux_folder, device="cpu", dtype="float32", tile_px=tile)
        for tile in (tile_px, smaller)
    )
    whole = vae.encode(*window, 1)
    expected = tiled.encode(*window, 1)
    with short_of_memory(vae.module.encoder, lambda shape: max(shape[2:]) <= smaller) as shapes:
        got = vae.encode(*window, 1)
    # Refused once, not again and again.
    assert sum(max(shape[2:]) > smaller for shape in shapes) == 1
    np.testing.assert_array_equal(got.latents, whole.latents)
    np.testing.assert_array_equal(got.condition, expected.condition)
    grid = (8, 6)
    with short_of_memory(vae.module.decoder, lambda shape: 8 * max(shape[2:]) <= smaller):
        picture = vae.decode(whole.latents, grid)
    np.testing.assert_array_equal(picture, tiled.decode(whole.latents, grid))
    # The next one has the room it needs, and is whole again.
    np.testing.assert_array_equal(vae.encode(*window, 1).condition, whole.condition)


def test_a_window_that_fits_in_no_tiles_is_out_of_memory_and_the_next_one_is_served(
    flux_folder, window
):
    vae = Vae.load(flux_folder, device="cpu", dtype="float32", tile_px=0)
    expected = vae.encode(*window, 1)
    with short_of_memory(vae.module.encoder, lambda shape: False) as shapes:
        message = refusal(ErrorKind.OUT_OF_MEMORY, vae.encode, *window, 1)
    assert "flux_vae: out of memory" in message
    assert len(shapes) == 2
    np.testing.assert_array_equal(vae.encode(*window, 1).condition, expected.condition)
