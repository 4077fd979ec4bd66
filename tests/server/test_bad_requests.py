"""Bad input on the real server: INVALID_ARG, what was expected and what came, and it stays up."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tritonclient.grpc as triton
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawfect.contract.errors import ErrorKind, PawfectError, from_message
from pawfect.contract.probe import probe_mask, probe_photo
from tests.refusals import refusal
from tests.server.conftest import SMALL, SMALL_HOLE, RawClient, Stream

EMPTY = np.zeros_like(SMALL_HOLE)


@pytest.fixture(autouse=True)
def _the_next_good_request_works(client):
    yield
    photo = probe_photo()
    assert client(photo, probe_mask()).as_numpy("IMAGE").shape == photo.shape


def texts(*values: bytes) -> np.ndarray:
    return np.array(values, np.object_)


def plane(height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[: height // 2] = 255
    return mask


@pytest.mark.parametrize("model", ["inpaint", "inpaint_stream"])
@pytest.mark.parametrize(
    ("image", "mask", "says"),
    [
        (SMALL, EMPTY, "MASK: expected some pixels >= 128 (to fill), got an empty mask"),
        (SMALL, EMPTY + 255, "MASK: expected some pixels < 128 (to keep), got a full mask"),
        (SMALL, SMALL_HOLE[:-1], "MASK: expected the image's size 80x64, got 80x63"),
        (SMALL[:1], SMALL_HOLE[:1], "IMAGE: expected sides of 64 to 16384 px, got 80x1"),
        (SMALL[:0], SMALL_HOLE[:0], "IMAGE: expected sides of 64 to 16384 px, got 80x0"),
        (np.zeros((64, 16385, 3), np.uint8), plane(64, 16385), "got 16385x64"),
    ],
    ids=["empty", "full", "sizes differ", "1 px", "0 px", "16385 px"],
)
def test_bad_pictures_are_named(client, server, model, image, mask, says):
    error = refused(server, model, image, mask)
    assert error.kind is ErrorKind.INVALID_ARG
    assert says in error.message


# 440 MB each time, 4 s; the stream reads what it is given as `inpaint` does.
@pytest.mark.parametrize(
    "model", ["inpaint", pytest.param("inpaint_stream", marks=pytest.mark.slow)]
)
def test_a_picture_of_too_many_pixels_is_named(client, server, model):
    error = refused(server, model, np.zeros((10500, 10500, 3), np.uint8), plane(10500, 10500))
    assert error.kind is ErrorKind.INVALID_ARG
    assert "= 110.2 MP" in error.message


def refused(server, model, image, mask, **given) -> PawfectError:
    if model == "inpaint":
        with pytest.raises(PawfectError) as caught:
            RawClient(server.endpoints.grpc)(image, mask, **given)
        return caught.value
    stream = Stream(server.endpoints.grpc, image, mask, **given)
    assert stream.ended.wait(60)
    stream.close()
    return from_message(str(stream.errors[0]))


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"sead": 1}, "got sead"),
        ({"seed": "1"}, "seed: expected an integer, got str '1'"),
        ({"seed": True}, "seed: expected an integer, got bool True"),
        ({"seed": -1}, "seed: expected from 0"),
        ({"deadline_ms": 0}, "deadline_ms: expected from 1 to 600000, got 0"),
        ({"guidance_scale": math.nan}, "guidance_scale: expected"),
        ({"strength": 0.0}, "strength: expected above 0.0 to 1.0, got 0"),
        (
            {"engine": "grey"},
            "engine: expected one of auto, flux, klein, edit, lama, patch, got 'grey'",
        ),
        ({"PROTECT": EMPTY + 255}, "all of the mask protected"),
        ({"PROMPT": texts(b"\xff\xfe")}, "PROMPT: expected UTF-8, got byte 0xff at 0"),
        ({"PROMPT": texts(b"x" * 2049)}, "PROMPT: expected texts of at most 2048 bytes, got 2049"),
        ({"SCENE_LABELS": texts(*[b"grass"] * 65)}, "expected at most 64 texts, got 65"),
    ],
    ids=range(12),
)
def test_bad_parameters_and_further_tensors_are_named(client, parameters, says):
    assert says in refusal(ErrorKind.INVALID_ARG, client, SMALL, SMALL_HOLE, **parameters)


def triton_refusal(client, arrays: dict[str, tuple[np.ndarray, str]]) -> str:
    """What Triton itself answers before our code sees the request."""
    inputs = []
    for name, (array, datatype) in arrays.items():
        item = triton.InferInput(name, list(array.shape), datatype)
        item.set_data_from_numpy(array)
        inputs.append(item)
    with pytest.raises(triton.InferenceServerException) as caught:
        client.grpc.infer("inpaint", inputs, client_timeout=20)
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    return caught.value.message()


def test_a_missing_mask_a_wrong_rank_and_a_wrong_dtype_are_named(client):
    image, mask = (SMALL, "UINT8"), (SMALL_HOLE, "UINT8")
    assert "expected" in triton_refusal(client, {"IMAGE": image})
    rank = triton_refusal(client, {"IMAGE": (SMALL[None], "UINT8"), "MASK": mask})
    assert "[-1,-1,3]" in rank
    assert "[1,64,80,3]" in rank
    grey = triton_refusal(client, {"IMAGE": (SMALL[..., :1], "UINT8"), "MASK": mask})
    assert "[64,80,1]" in grey
    dtype = triton_refusal(client, {"IMAGE": (SMALL.astype(np.float32), "FP32"), "MASK": mask})
    assert "'FP32'" in dtype
    assert "'UINT8'" in dtype


@pytest.mark.parametrize("model", ["mask_cleanup", "patch_fill"])
def test_the_children_check_for_themselves(client, model):
    image = None if model == "mask_cleanup" else SMALL
    refusal(ErrorKind.INVALID_ARG, client, image, EMPTY, model=model)
    given = {"model": model, "engine": "patch"}
    message = refusal(ErrorKind.INVALID_ARG, client, image, SMALL_HOLE, **given)
    assert "expected some of" in message


sizes = st.sampled_from([0, 1, 63, 64, 65, 100])
scalars = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=20)
names = st.sampled_from(
    ["engine", "steps", "guidance_scale", "seed", "deadline_ms", "strength", "dilate_px",
     "window_px", "preview_every", "feather_px", "match_colour"]
) | st.from_regex(r"[a-z_]{1,12}", fullmatch=True)  # fmt: skip


@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_500_made_up_requests_get_a_picture_or_a_refusal_that_says_why(client, data):
    image_size = (data.draw(sizes), data.draw(sizes))
    mask_size = data.draw(st.just(image_size) | st.tuples(sizes, sizes))
    level = data.draw(st.sampled_from([0, 127, 128, 255]))
    mask = np.full(mask_size, level, np.uint8)
    if data.draw(st.booleans()):
        mask[: mask_size[0] // 2] = 0
    parameters = data.draw(st.dictionaries(names, scalars, max_size=3))
    tensors = {}
    if data.draw(st.booleans()):
        protect_size = data.draw(st.just(image_size) | st.tuples(sizes, sizes))
        tensors["PROTECT"] = np.full(protect_size, 200, np.uint8)
    if data.draw(st.booleans()):
        tensors["PROMPT"] = np.array([data.draw(st.binary(max_size=8))], np.object_)
    image = np.zeros((*image_size, 3), np.uint8)
    try:
        result = client(image, mask, **(tensors | parameters))
    except PawfectError as error:
        assert error.kind in (ErrorKind.INVALID_ARG, ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE)
        assert "expected" in error.message or "engine=flux" in error.message
        # No path of ours; what the caller sent may be told back.
        told = error.message
        for value in parameters.values():
            told = told.replace(repr(value), "")
        assert "/" not in told
    else:
        assert result.as_numpy("IMAGE").shape == image.shape
