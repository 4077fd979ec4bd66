"""Each neural model over the wire against the library's own function in this process."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.picture.mask import clean_mask
from pawfect.scene.florence2 import TASKS
from tests.server.conftest import at_once
from tests.server.neural.conftest import WHOLE, NeuralClient, Tensors, photo

RING = clean_mask(WHOLE).ring


def equal(got: Tensors, expected: Tensors) -> None:
    assert set(got) == set(expected)
    for name, array in expected.items():
        assert got[name].shape == array.shape
        if array.dtype == object:
            assert got[name].tolist() == array.tolist()
        else:
            assert got[name].dtype == array.dtype
            np.testing.assert_allclose(got[name], array, rtol=0, atol=1e-5)


def texts(*values: str) -> np.ndarray:
    return np.array([value.encode() for value in values], np.object_)


def test_sam3_names_the_surfaces_that_the_library_names(client, library):
    asked = {"IMAGE": photo(0), "RING": RING}
    got = client.ask("sam3_labeling", asked)
    assert got["LABELS"].size > 0
    assert (np.diff(got["SCORES"]) <= 0).all()
    equal(got, library("sam3_labeling", asked))


def test_an_empty_ring_has_no_surfaces(client):
    got = client.ask("sam3_labeling", {"IMAGE": photo(0), "RING": np.zeros_like(RING)})
    assert all(got[name].shape == (0,) for name in ("LABELS", "SCORES", "COVERAGE"))


def test_the_ensemble_equals_its_models_called_one_after_another(client):
    image = photo(1)
    ring = client.ask("mask_cleanup", {"MASK": WHOLE})["RING"]
    labels = client.ask("sam3_labeling", {"IMAGE": image, "RING": ring})
    assert labels["LABELS"].size > 0
    equal(client.ask("scene_labels", {"IMAGE": image, "MASK": WHOLE}), labels)


@pytest.mark.parametrize("task", TASKS)
def test_florence2_captions_as_the_library_does(client, library, task):
    asked = {"IMAGE": photo(2), "RING": RING, "TASK": texts(task)}
    equal(client.ask("florence2", asked), library("florence2", asked))


@pytest.mark.parametrize("prompt", ["grass", "", "nasser Sand — naïve ☃", "stone tiles " * 100])
def test_the_text_encoder_embeds_as_the_library_does(client, library, prompt):
    asked = {"PROMPT": texts(prompt)}
    got = client.ask("flux_text_encoder", asked)
    equal(got, library("flux_text_encoder", asked))
    assert (got["CUT"][0] > 0) == (len(prompt) > 1000)


@pytest.mark.parametrize("prefilled", [False, True])
def test_the_vae_encodes_as_the_library_does(client, library, prefilled):
    asked = {"IMAGE": photo(0)[:96], "MASK": WHOLE[64:160], "SEED": np.array([2**62 + 1])}
    if prefilled:
        asked["PREFILL"] = photo(1)[:96]
    got = client.ask("flux_vae_encoder", asked)
    assert ("PRIOR" in got) == prefilled
    equal(got, library("flux_vae_encoder", asked))


def test_the_vae_decodes_as_the_library_does(client, library):
    rng = np.random.default_rng(3)
    asked = {
        "LATENTS": rng.standard_normal((5 * 7, 64), np.float32),
        "GRID": np.array([5, 7], np.int32),
    }
    got = client.ask("flux_vae_decoder", asked)
    assert got["IMAGE"].shape == (80, 112, 3)
    np.testing.assert_allclose(
        got["IMAGE"].astype(int), library("flux_vae_decoder", asked)["IMAGE"], atol=1
    )


def step(seed: int, rows: int = 4, columns: int = 6) -> Tensors:
    """One made-up denoising step at a timestep and a guidance of its own."""
    rng = np.random.default_rng(seed)
    tokens = rows * columns
    return {
        "LATENTS": rng.standard_normal((tokens, 64), np.float32),
        "CONDITION": rng.standard_normal((tokens, 320), np.float32),
        "PROMPT_EMBEDS": rng.standard_normal((128, 64)).astype(np.float16),
        "POOLED": rng.standard_normal(32).astype(np.float16),
        "TIMESTEP": rng.uniform(1, 1000, 1).astype(np.float32),
        "GUIDANCE": rng.uniform(0, 60, 1).astype(np.float32),
        "GRID": np.array([rows, columns], np.int32),
    }


def stacked(*steps: Tensors) -> Tensors:
    return {name: np.stack([one[name] for one in steps]) for name in steps[0]}


def test_a_step_equals_the_librarys(client, library_step):
    one = step(0)
    got = client.ask("flux_transformer", stacked(one))["VELOCITY"]
    equal({"VELOCITY": got[0]}, library_step([one])[0])


def test_a_batch_of_one_caller_equals_its_steps_alone(client, library_step):
    steps = [step(seed) for seed in range(8)]
    got = client.ask("flux_transformer", stacked(*steps))["VELOCITY"]
    assert len(got) == len(steps)
    for velocity, one in zip(got, steps, strict=True):
        equal({"VELOCITY": velocity}, library_step([one])[0])


def test_steps_of_different_callers_and_sizes_in_flight_equal_each_alone(
    client, neural_server, library_step
):
    steps = [*(step(seed) for seed in range(10, 14)), step(14, 3, 5), step(15, 6, 4)]

    def job(one: Tensors):
        raw = NeuralClient(neural_server.endpoints.grpc)
        return lambda: raw.ask("flux_transformer", stacked(one))["VELOCITY"][0]

    for velocity, one in zip(at_once([job(one) for one in steps]), steps, strict=True):
        equal({"VELOCITY": velocity}, library_step([one])[0])
