"""The neural models as functions: their weights, their batches and what they refuse."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.texts import text_tensor
from pawfect.local import LocalModels
from pawfect.models import MODELS
from pawfect.serving import load_batch, load_function
from pawfect.weights.store import Store
from pawfect_export.fetch import fetch
from pawfect_export.progress import silent
from tests.conftest import NEURAL, no_hub
from tests.refusals import refusal
from tests.steps import step

MEND = "pawfect weights fetch tiny"


@pytest.fixture
def copied(tiny_weights: Path, tmp_path: Path) -> Store:
    """The tiny weights again, to be damaged."""
    shutil.copytree(tiny_weights, tmp_path / "weights")
    return Store(tmp_path / "weights")


@pytest.mark.parametrize("model", NEURAL)
def test_missing_weights_make_a_model_unavailable_and_say_what_mends_it(model, tiny, tmp_path):
    unavailable(model, tiny, Store(tmp_path / "none"))


def unavailable(model, tiny, store: Store) -> None:
    message = refusal(ErrorKind.UNAVAILABLE, load_function, model, tiny, store)
    assert MEND in message
    assert str(store.root) not in message


def test_damaged_weights_make_a_model_unavailable_and_say_what_mends_it(tiny, copied):
    for model in NEURAL:
        folder = copied.root / tiny.weights[MODELS[model].weights[0]]
        weights = (*folder.rglob("*.safetensors"), *folder.rglob("*.onnx"))
        file = max(weights, key=lambda path: path.stat().st_size)
        content = file.read_bytes()
        for damaged in (content[:-1], content[:-1] + bytes([content[-1] ^ 1])):
            file.write_bytes(damaged)
            unavailable(model, tiny, copied)
        file.unlink()
        unavailable(model, tiny, copied)
        file.write_bytes(content)


# What each model takes at its smallest; the transformer's inputs come below.
RNG = np.random.default_rng(8)
PHOTO = RNG.integers(0, 256, (64, 64, 3), np.uint8)
MASK = np.zeros((64, 64), np.uint8)
MASK[20:40, 20:40] = 255
INPUTS = {
    "flux_text_encoder": {"PROMPT": text_tensor("grass")},
    "flux_vae_encoder": {"IMAGE": PHOTO, "MASK": MASK, "SEED": np.array([3], np.int64)},
    "flux_vae_decoder": {
        "LATENTS": RNG.normal(size=(16, 64)).astype(np.float32),
        "GRID": np.array([4, 4], np.int32),
    },
    "florence2": {"IMAGE": PHOTO, "RING": MASK, "TASK": text_tensor("<CAPTION>")},
    "sam3_labeling": {"IMAGE": PHOTO, "RING": MASK},
    "lama_fill": {"IMAGE": PHOTO, "MASK": MASK},
    "text_reading": {"IMAGE": PHOTO},
    "face_analysis": {"IMAGE": PHOTO},
}


@pytest.mark.parametrize("model", sorted(INPUTS))
def test_a_model_answers_with_its_contracts_tensors_and_refuses_all_else(model, tiny, tiny_weights):
    function = load_function(model, tiny, Store(tiny_weights))
    outputs = function(INPUTS[model], {})
    specs = {spec.name: spec for spec in MODELS[model].spec.outputs}
    # Of what was not asked for there is nothing.
    assert set(outputs) == set(specs) - {"PRIOR", "MASK_LOGITS", "PRESENCE"}
    for name, array in outputs.items():
        fixed = [
            want in (-1, got) for want, got in zip(specs[name].shape, array.shape, strict=True)
        ]
        assert all(fixed), name
    refusals = [
        (INPUTS[model], {"colour": 1}, "got colour"),
        *(
            ({k: v for k, v in INPUTS[model].items() if k != name}, {}, f"{name}: expected")
            for name in INPUTS[model]
        ),
        *(
            (INPUTS[model] | {name: array[None]}, {}, f"{name}: expected shape")
            for name, array in INPUTS[model].items()
        ),
    ]
    for inputs, parameters, says in refusals:
        assert says in refusal(ErrorKind.INVALID_ARG, function, inputs, parameters)


def test_sam3_answers_words_in_place_of_a_ring_and_not_both(tiny, tiny_weights):
    function = load_function("sam3_labeling", tiny, Store(tiny_weights))
    boxes = {"BOXES": np.array([[4, 4, 60, 60]], np.float32)}
    for asked in ({"PHRASE": text_tensor("leash")}, boxes, {"PHRASE": text_tensor("hand")} | boxes):
        outputs = function({"IMAGE": PHOTO} | asked, {})
        assert set(outputs) == {"SCORES", "MASK_LOGITS", "PRESENCE"}
        assert outputs["MASK_LOGITS"].shape[:1] == outputs["SCORES"].shape > (0,)
        assert 0 < outputs["PRESENCE"][0] < 1
    both = {"IMAGE": PHOTO, "RING": MASK, "PHRASE": text_tensor("leash")}
    assert "got it and PHRASE" in refusal(ErrorKind.INVALID_ARG, function, both, {})


def test_a_mixed_batch_answers_each_item_as_if_it_were_alone(tiny, tiny_weights):
    run = load_batch("flux_transformer", tiny, Store(tiny_weights))
    late = step(6) | {"TIMESTEP": np.array([1001], np.float32)}
    crooked = step(7) | {"GRID": np.array([4, 5], np.int32)}
    hollow = step(8) | {"LATENTS": np.full((16, 64), np.nan, np.float32)}
    lacking = step(9)
    del lacking["POOLED"]
    items = [
        step(0), late, step(1, 2, 8), step(2), crooked,
        step(3, text=5), hollow, step(4), lacking, step(5, 2, 8),
    ]  # fmt: skip
    answers = run(items)
    assert len(answers) == len(items)
    wrong = {1: "TIMESTEP", 4: "LATENTS", 6: "LATENTS", 8: "POOLED"}
    for index, answer in enumerate(answers):
        if index in wrong:
            assert isinstance(answer, PawfectError)
            assert answer.kind is ErrorKind.INVALID_ARG
            assert answer.message.startswith(wrong[index])
            continue
        (alone,) = run([items[index]])
        assert not isinstance(answer, PawfectError)
        assert not isinstance(alone, PawfectError)
        assert answer["VELOCITY"].shape == items[index]["LATENTS"].shape
        np.testing.assert_allclose(answer["VELOCITY"], alone["VELOCITY"], rtol=0, atol=1e-4)


def test_no_batch_is_no_work(tiny, tiny_weights):
    assert load_batch("flux_transformer", tiny, Store(tiny_weights))([]) == []


async def test_in_this_process_a_wrong_step_is_its_own_error(tiny_models, in_tiny_weights):
    with pytest.raises(PawfectError, match="GRID") as caught:
        await tiny_models("flux_transformer", {**step(0), "GRID": np.zeros(3, int)}, {})
    assert caught.value.kind is ErrorKind.INVALID_ARG


async def test_a_model_that_the_profile_lacks_is_unavailable(tiny, in_tiny_weights):
    for models in (LocalModels(), LocalModels(replace(tiny, models=("patch_fill",)))):
        with pytest.raises(PawfectError, match="sam3_labeling: not in the profile") as caught:
            await models("sam3_labeling", INPUTS["sam3_labeling"], {})
        assert caught.value.kind is ErrorKind.UNAVAILABLE


def test_a_profile_may_name_a_quantised_transformer(tiny, tiny_weights, copied):
    fetch(["tiny-flux-fill-q8_0"], copied, no_hub, silent)
    weights = {**tiny.weights, "flux_transformer": "tiny-flux-fill-q8_0"}
    whole = load_batch("flux_transformer", tiny, Store(tiny_weights))
    quantised = load_batch("flux_transformer", replace(tiny, weights=weights), copied)
    (exact,), (near,) = whole([step(0)]), quantised([step(0)])
    error = np.abs(near["VELOCITY"] - exact["VELOCITY"]).max() / np.abs(exact["VELOCITY"]).max()
    # 8 bits: not the same weights, and not others either.
    assert 0 < error < 0.05
