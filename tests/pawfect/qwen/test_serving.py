"""The four models as functions of the contract's tensors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import NoParams
from pawfect.contract.texts import text_tensor
from pawfect.definitions.edit import EDIT as MODELS
from pawfect.diffusion.schedule import read_schedule
from pawfect.models import check_inputs
from pawfect.qwen import serving
from pawfect.qwen.chain import EDIT, with_shift
from pawfect.settings import EditSettings
from tests.refusals import refusal

SETTINGS = EditSettings(
    device="cpu",
    dtype="float32",
    text_device="cpu",
    text_dtype="float32",
    text_threads=1,
    text_tokens=32,
    text_width=64,
    sizes=(128,),
    steps=4,
    guidance_scale=4.0,
    negative_prompt=" ",
    tile_px=0,
    modulation="layers",
    compile=False,
    compile_reason="a test",
    attention="auto",
    attention_reason="a test",
)
BY_NAME = {model.name: model for model in MODELS}


@pytest.fixture(scope="module")
def ask(folders):
    """Call one of the models; its inputs pass the contract, and so do its outputs."""
    folder = folders["plus"]
    loaded = {
        "edit_text_encoder": serving.text_encoder(SETTINGS, folder, folder),
        "edit_vae_encoder": serving.vae_encoder(SETTINGS, folder),
        "edit_vae_decoder": serving.vae_decoder(SETTINGS, folder),
    }
    batch = serving.transformer(SETTINGS, folder, folder)

    def call(name: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        if name == "edit_transformer":
            (outputs,) = batch([inputs])
            if isinstance(outputs, PawfectError):
                raise outputs
        else:
            outputs = loaded[name](check_inputs(name, inputs), NoParams())
        spec = BY_NAME[name].spec
        for tensor in spec.outputs:
            assert outputs[tensor.name].ndim == len(tensor.shape)
        return outputs

    return call


def shown(*pictures: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "PICTURES": np.concatenate([picture.reshape(-1) for picture in pictures]),
        "SIZES": np.array([picture.shape[:2] for picture in pictures], np.int32),
    }


def test_an_instruction_and_its_pictures_become_embeddings(ask, photo):
    pictures = photo(48, 64), photo(64, 32, 1)
    prompt = text_tensor("Q" * 40)
    outputs = ask("edit_text_encoder", PROMPT=prompt, **shown(*pictures))
    assert outputs["CUT"].tolist() == [8]
    assert outputs["PROMPT_EMBEDS"].dtype == np.float16
    swapped = ask("edit_text_encoder", PROMPT=prompt, **shown(*pictures[::-1]))["PROMPT_EMBEDS"]
    assert swapped.shape == outputs["PROMPT_EMBEDS"].shape
    assert (swapped != outputs["PROMPT_EMBEDS"]).any()


def test_a_picture_goes_through_the_vae_and_back(ask, photo):
    image = photo(64, 96)
    seed = np.array([5], np.int64)
    encoded = ask("edit_vae_encoder", IMAGE=image, SEED=seed)
    assert encoded["LATENTS"].shape == encoded["PRIOR"].shape == (24, 64)
    grid = np.array([4, 6], np.int32)
    decoded = ask("edit_vae_decoder", LATENTS=encoded["PRIOR"], GRID=grid)["IMAGE"]
    assert decoded.shape == image.shape
    for flag, same in ((0, True), (1, False)):
        sampled = np.array([flag], np.uint8)
        other = ask("edit_vae_encoder", IMAGE=image, SEED=seed, SAMPLED=sampled)
        assert np.array_equal(other["PRIOR"], encoded["PRIOR"]) is same
        assert np.array_equal(other["LATENTS"], encoded["LATENTS"]) is same


def test_the_probe_has_the_tensors_that_each_model_needs(ask):
    tensors = serving.probe(SETTINGS) | {"IMAGE": np.zeros((64, 64, 3), np.uint8)}
    for model in MODELS:
        names = {spec.name for spec in model.spec.inputs}
        assert {spec.name for spec in model.spec.inputs if not spec.optional} <= set(tensors)
        ask(model.name, **{name: tensors[name] for name in names & set(tensors)})


ONE = np.full((16, 16, 3), 127, np.uint8)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"PICTURES": ONE.reshape(-1)[1:]}, "PICTURES: expected the bytes of 1 pictures of SIZES"),
        ({"SIZES": np.array([[0, 16]], np.int32)}, "SIZES: expected positive"),
        ({"SIZES": np.array([[2**30, 2**30]], np.int32)}, "PICTURES: expected the bytes"),
        ({"SIZES": np.zeros((0, 2), np.int32)}, "PICTURES: expected the bytes of 0 pictures"),
        ({"SIZES": np.array([16, 16], np.int32)}, "SIZES: expected shape [-1, 2]"),
        (
            {"SIZES": np.zeros((0, 2), np.int32), "PICTURES": np.zeros(0, np.uint8)},
            "PICTURES: expected one or more of them, got 0",
        ),
        ({"PROMPT": None}, "PROMPT: expected BYTES [1], got nothing"),
        ({"PICTURES": None}, "PICTURES: expected UINT8 [-1], got nothing"),
    ],
)
def test_pictures_that_do_not_fit_their_sizes_are_refused(ask, change, says):
    given = {"PROMPT": text_tensor("grass"), **shown(ONE)} | change
    given = {name: array for name, array in given.items() if array is not None}
    assert says in refusal(ErrorKind.INVALID_ARG, ask, "edit_text_encoder", **given)


def test_the_noise_is_turned_by_a_seed_and_an_angle_together(ask, photo):
    given = {"IMAGE": photo(32, 32), "SEED": np.array([1], np.int64)}
    angle = np.array([0.5], np.float32)
    message = refusal(ErrorKind.INVALID_ARG, ask, "edit_vae_encoder", ANGLE=angle, **given)
    assert "TOWARD_SEED, ANGLE: expected both or neither" in message
    toward = {"TOWARD_SEED": np.array([2], np.int64), "ANGLE": angle}
    turned = ask("edit_vae_encoder", **given, **toward)["LATENTS"]
    assert (turned != ask("edit_vae_encoder", **given)["LATENTS"]).any()


def test_a_kernel_that_would_show_padded_texts_is_refused(folders):
    settings, folder = replace(SETTINGS, attention="xformers"), folders["plus"]
    message = refusal(ErrorKind.UNAVAILABLE, serving.transformer, settings, folder, folder)
    assert 'set edit.attention = "auto"' in message


@pytest.mark.parametrize("shift", ["published", "lightning"])
def test_a_cached_modulation_is_computed_once_for_the_profiles_schedule(folders, shift):
    folder = folders["plus"]
    settings = replace(SETTINGS, modulation="cached", shift=shift)
    passes, velocities = [], []
    for own in (SETTINGS, settings):
        batch = serving.transformer(own, folder, folder)
        schedule = with_shift(read_schedule(folder, EDIT.shift), shift)
        for timestep in schedule.timesteps(schedule.sigmas(own.steps, 12))[:-1]:
            step = serving.probe(own) | {
                "LATENTS": np.ones((12, 64), np.float32),
                "GRID": np.array([3, 4], np.int32),
                "TIMESTEP": np.array([timestep], np.float32),
            }
            if own is settings:
                stepper = batch.args[0]
                stepper.modulation._embedder.register_forward_pre_hook(
                    lambda _, given: passes.append(len(given[0]))
                )
            velocities.append(batch([step])[0]["VELOCITY"])
    assert passes == [own.steps]
    for plain, cached in zip(velocities[:4], velocities[4:], strict=True):
        np.testing.assert_allclose(cached, plain, atol=2e-5)
