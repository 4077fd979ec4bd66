"""Bad input to each neural model: INVALID_ARG says what came, and the next request works."""

from __future__ import annotations

import numpy as np
import pytest
import tritonclient.grpc as triton

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.models import MODELS
from pawfect.profile import load_profile
from pawfect.serving import probe_inputs
from tests.conftest import NEURAL
from tests.refusals import refusal
from tests.server.conftest import at_once, infer_inputs
from tests.server.neural.conftest import PROFILE, NeuralClient, Tensors
from tests.steps import stacked, step


def texts(*values: bytes) -> np.ndarray:
    return np.array(values, np.object_)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def grid(rows: int, columns: int) -> np.ndarray:
    return np.array([rows, columns], np.int32)


def plane(height: int, width: int, *channels: int) -> np.ndarray:
    return np.full((height, width, *channels), 255, np.uint8)


# The probe of a FLUX model has 4 x 4 tokens, 64 x 64 px.
WITH_NAN = np.full((16, 64), np.nan, np.float32)
# Of each tensor one; what else is refused is tested on the models' own functions.
CASES = [
    ("flux_transformer", "CONDITION", np.zeros((15, 320), np.float32), "CONDITION: expected shape"),
    ("flux_transformer", "PROMPT_EMBEDS", np.zeros((0, 64), np.float16), "PROMPT_EMBEDS: expected"),
    ("flux_transformer", "POOLED", np.full(32, np.inf, np.float16), "POOLED: expected finite"),
    ("flux_transformer", "LATENTS", WITH_NAN, "LATENTS: expected finite values"),
    ("flux_transformer", "GRID", grid(0, 16), "expected"),
    ("flux_transformer", "TIMESTEP", floats(1000.5), "above 0 to 1000, got 1000.5"),
    ("flux_transformer", "GUIDANCE", floats(-0.5), "GUIDANCE: expected 0 to"),
    ("flux_vae_decoder", "LATENTS", np.zeros((15, 64), np.float32), "expected"),
    ("flux_vae_decoder", "GRID", grid(2**31 - 1, 2**31 - 1), "expected"),
    ("flux_vae_encoder", "MASK", plane(64, 48), "MASK: expected uint8 [64, 64]"),
    ("flux_vae_encoder", "IMAGE", plane(0, 0, 3), "expected"),
    ("flux_vae_encoder", "PREFILL", plane(48, 64, 3), "PREFILL: expected uint8 [64, 64, 3]"),
    ("flux_vae_encoder", "SEED", np.array([-1]), "SEED: expected 0 to 9223372036854775807, got -1"),
    ("flux_vae_encoder", "ANGLE", floats(0.5), "TOWARD_SEED, ANGLE: expected both or neither"),
    ("flux_text_encoder", "PROMPT", texts(b"gr\xe4s"), "PROMPT: expected UTF-8, got byte 0xe4"),
    ("flux_text_encoder", "PROMPT", texts(b"x" * 2049), "at most 2048 bytes, got 2049 bytes"),
    (
        "klein_transformer",
        "LATENTS",
        np.zeros((15, 128), np.float32),
        "LATENTS: expected 16 tokens",
    ),
    ("klein_transformer", "REFERENCES", np.zeros((4, 128), np.float32), "REFERENCES"),
    ("klein_transformer", "TIMESTEP", floats(0), "TIMESTEP: expected above 0 to 1000, got 0"),
    ("klein_vae_encoder", "IMAGE", plane(60, 64, 3), "multiples of 16 px, got 64x60"),
    ("klein_vae_decoder", "LATENTS", np.zeros((15, 128), np.float32), "expected"),
    ("klein_text_encoder", "PROMPT", texts(b"gr\xe4s"), "PROMPT: expected UTF-8, got byte 0xe4"),
    ("edit_transformer", "REFERENCES", np.zeros((4, 64), np.float32), "REFERENCES"),
    (
        "edit_transformer",
        "NEGATIVE_EMBEDS",
        np.full((3, 64), np.nan, np.float16),
        "NEGATIVE_EMBEDS",
    ),
    ("edit_text_encoder", "SIZES", np.array([[64, 65]], np.int32), "PICTURES"),
    ("edit_vae_encoder", "SEED", np.array([-1]), "SEED: expected 0 to 9223372036854775807, got -1"),
    ("florence2", "TASK", texts(b"<OD>"), "TASK: expected one of <CAPTION>,"),
    ("florence2", "RING", plane(64, 65), "RING: expected"),
    ("sam3_labeling", "RING", plane(65, 64), "RING: expected the image's size 64x64, got 64x65"),
    ("sam3_labeling", "IMAGE", plane(63, 64, 3), "IMAGE: expected sides of 64 to 16384 px"),
    ("lama_fill", "MASK", plane(64, 65), "MASK: expected the image's size 64x64, got 65x64"),
    ("lama_fill", "MASK", plane(64, 64), "some to keep, got an empty or a full mask"),
    ("scene_labels", "MASK", np.zeros((64, 64), np.uint8), "got an empty mask"),
    ("face_swap", "POINTS", np.full((5, 2), np.nan, np.float32), "POINTS: expected finite"),
    ("face_swap", "EMBEDDING", np.zeros(512, np.float32), "EMBEDDING: expected finite"),
]


def good(model: str) -> Tensors:
    """A model's probe, as one request sees it, without a batch's axis."""
    arrays = probe_inputs(model, load_profile(PROFILE))
    return {name: array[0] for name, array in arrays.items()} if MODELS[model].batched else arrays


def wire(model: str, arrays: Tensors) -> Tensors:
    return stacked(arrays) if MODELS[model].batched else arrays


@pytest.mark.parametrize(
    ("model", "name", "array", "says"),
    CASES,
    ids=[f"{model}-{name}-{number}" for number, (model, name, *_) in enumerate(CASES)],
)
def test_a_bad_tensor_is_named_and_the_next_request_works(client, model, name, array, says):
    bad = wire(model, good(model) | {name: array})
    own = MODELS[model].probe_parameters
    message = refusal(ErrorKind.INVALID_ARG, client.ask, model, bad, **own)
    assert says in message
    assert "/" not in message.replace("model 'scene_labels'", "")
    assert client.ask(model, wire(model, good(model)), **own)


@pytest.mark.parametrize("model", NEURAL)
def test_a_parameter_that_it_does_not_take_is_refused(client, model):
    # The response cache looks at tensors only: a text that it does not know yet.
    unknown = (
        {"PROMPT": texts(b"a prompt with a parameter")} if model == "flux_text_encoder" else {}
    )
    given = wire(model, good(model) | unknown)
    message = refusal(ErrorKind.INVALID_ARG, client.ask, model, given, steps=4)
    assert "parameters: expected " in message
    assert "got steps" in message
    assert client.ask(model, wire(model, good(model)), **MODELS[model].probe_parameters)


ONE = good("flux_transformer")


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        (stacked(ONE) | {"LATENTS": np.zeros((1, 16, 63), np.float32)}, "LATENTS"),
        (stacked(ONE) | {"CONDITION": np.zeros((1, 16, 64), np.float32)}, "CONDITION"),
        (stacked(ONE) | {"GRID": np.zeros((1, 3), np.int32)}, "GRID"),
        (stacked(ONE) | {"TIMESTEP": np.zeros((1, 2), np.float32)}, "TIMESTEP"),
        (stacked(*[ONE] * 9), "must be <= 8"),
    ],
)
def test_widths_and_batches_that_the_contract_rules_out_are_refused_by_triton(client, arrays, says):
    with pytest.raises(triton.InferenceServerException, match=says) as caught:
        client.grpc.infer("flux_transformer", infer_inputs("flux_transformer", arrays))
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_a_bad_step_in_a_batch_of_good_ones_fails_alone(client, neural_server, library_step):
    steps = [step(seed) for seed in range(4)]
    bad = 2
    expected = [library_step([one])[0]["VELOCITY"] for one in steps]
    steps[bad]["TIMESTEP"] = floats(np.nan)
    callers = [NeuralClient(neural_server.endpoints.grpc) for _ in steps]

    def job(index: int):
        return lambda: callers[index].ask("flux_transformer", stacked(steps[index]))

    shared = 0
    # Which requests Triton puts into one batch is its own choice: until it was all of them.
    for _ in range(30):
        before = client.statistics("flux_transformer").execution_count
        answers = at_once([job(index) for index in range(len(steps))])
        for index, answer in enumerate(answers):
            if index == bad:
                assert isinstance(answer, PawfectError)
                assert answer.kind is ErrorKind.INVALID_ARG
                assert "TIMESTEP: expected finite values" in answer.message
            else:
                np.testing.assert_allclose(answer["VELOCITY"][0], expected[index], atol=1e-5)
        shared += client.statistics("flux_transformer").execution_count == before + 1
        if shared:
            break
    assert shared


def test_a_request_of_several_steps_fails_whole_with_what_is_wrong_in_one(client):
    steps = [step(seed) for seed in range(3)]
    steps[1]["GUIDANCE"] = floats(-1)
    message = refusal(ErrorKind.INVALID_ARG, client.ask, "flux_transformer", stacked(*steps))
    assert "GUIDANCE: expected 0 to" in message
