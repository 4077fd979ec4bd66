"""klein's Triton models as functions: what they answer, their weights and what they refuse."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.contract.texts import text_tensor
from pawfect.models import MODELS
from pawfect.serving import load_batch, load_function, probe_inputs
from pawfect.weights.store import Store
from tests.pawfect.klein.conftest import step
from tests.refusals import refusal

KLEIN = [model.name for model in MODELS.values() if model.settings == "klein"]
# What each model takes, with what it may be given besides.
PHOTO = np.random.default_rng(8).integers(0, 256, (64, 80, 3), np.uint8)
INPUTS = {
    "klein_text_encoder": {"PROMPT": text_tensor("grass"), "NONCE": np.array([1])},
    "klein_vae_encoder": {
        "IMAGE": PHOTO,
        "SEED": np.array([3]),
        "TOWARD_SEED": np.array([4]),
        "ANGLE": np.float32([0.2]),
    },
    "klein_transformer": step(1, references=((2, 3), (1, 2))),
    "klein_vae_decoder": {
        "LATENTS": np.zeros((20, 128), np.float32),
        "GRID": np.array([4, 5], np.int32),
    },
}
SHAPES = {
    "klein_text_encoder": {"PROMPT_EMBEDS": (256, 96), "CUT": (1,)},
    "klein_vae_encoder": {"LATENTS": (20, 128), "PRIOR": (20, 128)},
    "klein_transformer": {"VELOCITY": (12, 128)},
    "klein_vae_decoder": {"IMAGE": (64, 80, 3)},
}


@pytest.mark.parametrize("model", KLEIN)
def test_a_model_answers_with_its_contracts_tensors_and_refuses_all_else(
    model, tiny_klein, klein_store
):
    function, inputs, spec = (
        load_function(model, tiny_klein, klein_store),
        INPUTS[model],
        MODELS[model].spec,
    )
    assert {tensor.name for tensor in spec.inputs} == set(inputs)
    outputs = function(inputs, {})
    assert {name: array.shape for name, array in outputs.items()} == SHAPES[model]
    assert set(outputs) == {tensor.name for tensor in spec.outputs}
    needed = [tensor.name for tensor in spec.inputs if not tensor.optional]
    for name in needed:
        lacking = {n: array for n, array in inputs.items() if n != name}
        assert f"{name}: expected" in refusal(ErrorKind.INVALID_ARG, function, lacking, {})
    for name, array in inputs.items():
        nested = inputs | {name: array[None]}
        assert f"{name}: expected shape" in refusal(ErrorKind.INVALID_ARG, function, nested, {})


def test_a_turned_noise_needs_its_angle(tiny_klein, klein_store):
    encode = load_function("klein_vae_encoder", tiny_klein, klein_store)
    alone = {name: INPUTS["klein_vae_encoder"][name] for name in ("IMAGE", "SEED", "ANGLE")}
    assert "TOWARD_SEED, ANGLE: expected both" in refusal(ErrorKind.INVALID_ARG, encode, alone, {})


@pytest.mark.parametrize("model", KLEIN)
def test_the_probe_is_a_request_that_the_model_answers(model, tiny_klein, klein_store):
    inputs = probe_inputs(model, tiny_klein)
    if MODELS[model].batched:
        inputs = {name: array[0] for name, array in inputs.items()}
    outputs = load_function(model, tiny_klein, klein_store)(inputs, {})
    assert set(outputs) == set(SHAPES[model])


@pytest.mark.parametrize("model", KLEIN)
def test_missing_weights_make_a_model_unavailable_and_say_what_mends_it(
    model, tiny_klein, tmp_path
):
    message = refusal(
        ErrorKind.UNAVAILABLE, load_function, model, tiny_klein, Store(tmp_path / "none")
    )
    assert "pawfect weights fetch tiny-klein" in message


@pytest.mark.parametrize(
    "name",
    [
        "transformer/diffusion_pytorch_model.safetensors",
        "text_encoder/model-00002-of-00002.safetensors",
        "tokenizer/tokenizer.json",
        "model_index.json",
    ],
)
def test_a_damaged_or_missing_file_makes_a_model_unavailable(
    tiny_klein, klein_store, tmp_path, name
):
    store = Store(Path(shutil.copytree(klein_store.root, tmp_path / "weights")))
    file = store.root / "tiny-klein" / name
    content = file.read_bytes()
    for damaged in (content[:-1], content[:-1] + bytes([content[-1] ^ 1]), None):
        if damaged is None:
            file.unlink()
        else:
            file.write_bytes(damaged)
        for model in ("klein_transformer", "klein_text_encoder"):
            message = refusal(ErrorKind.UNAVAILABLE, load_function, model, tiny_klein, store)
            assert "pawfect weights fetch tiny-klein" in message
            assert str(store.root) not in message


def index_of(folder: Path, **entries: object) -> None:
    path = folder / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"is_distilled": False}, "expected the distilled weights, got the base model's"),
        ({"is_distilled": None}, "expected the distilled weights, got the base model's"),
        ({"is_distilled": "true"}, "expected the distilled weights, got the base model's"),
        ({"_class_name": "Flux2Pipeline"}, "expected Flux2KleinPipeline, got Flux2Pipeline"),
    ],
)
def test_weights_of_the_base_model_are_unavailable(tiny_klein, copied, entries, says):
    from pawfect.klein.serving import transformer

    index_of(copied, **entries)
    assert says in refusal(ErrorKind.UNAVAILABLE, transformer, tiny_klein.klein, copied, copied)


def test_a_cached_modulation_is_refused_with_what_mends_it(tiny_klein, klein_store):
    profile = replace(tiny_klein, klein=replace(tiny_klein.klein, modulation="cached"))
    message = refusal(ErrorKind.UNAVAILABLE, load_batch, "klein_transformer", profile, klein_store)
    assert 'set klein.modulation = "layers"' in message
