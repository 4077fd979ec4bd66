"""Each neural model over the wire against the library's own function in this process."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.picture.mask import clean_mask
from pawfect.scene.florence2 import TASKS
from tests.server.conftest import at_once
from tests.server.neural.conftest import WHOLE, NeuralClient, photo
from tests.steps import Tensors, stacked, step

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


WINDOW = {"IMAGE": photo(0)[:96], "MASK": WHOLE[:96], "SEED": np.array([2**62 + 1])}
PROMPTS = ("grass", "", "nasser Sand — naïve ☃", "stone tiles " * 100)


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("sam3_labeling", {"IMAGE": photo(0), "RING": RING}),
        *(("florence2", {"IMAGE": photo(2), "RING": RING, "TASK": texts(task)}) for task in TASKS),
        *(("flux_text_encoder", {"PROMPT": texts(prompt)}) for prompt in PROMPTS),
        ("flux_vae_encoder", WINDOW),
        ("flux_vae_encoder", WINDOW | {"PREFILL": photo(1)[:96]}),
    ],
)
def test_a_model_answers_as_the_library_does(client, library, model, asked):
    got = client.ask(model, asked)
    equal(got, library(model, asked))
    assert ("PRIOR" in got) == ("PREFILL" in asked)
    if model == "sam3_labeling":
        assert got["LABELS"].size > 0
        assert (np.diff(got["SCORES"]) <= 0).all()
    if model == "flux_text_encoder":
        assert (got["CUT"][0] > 0) == (asked["PROMPT"][0] == PROMPTS[3].encode())


def test_an_empty_ring_has_no_surfaces(client):
    got = client.ask("sam3_labeling", {"IMAGE": photo(0), "RING": np.zeros_like(RING)})
    assert all(got[name].shape == (0,) for name in ("LABELS", "SCORES", "COVERAGE"))


def test_the_ensemble_equals_its_models_called_one_after_another(client):
    image = photo(1)
    ring = client.ask("mask_cleanup", {"MASK": WHOLE})["RING"]
    labels = client.ask("sam3_labeling", {"IMAGE": image, "RING": ring})
    assert labels["LABELS"].size > 0
    equal(client.ask("scene_labels", {"IMAGE": image, "MASK": WHOLE}), labels)


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


@pytest.mark.parametrize("count", [1, 8])
def test_a_batch_of_one_caller_equals_its_steps_alone(client, library_step, count):
    steps = [step(seed) for seed in range(count)]
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
