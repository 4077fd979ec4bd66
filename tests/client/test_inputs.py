"""A wrong request is refused on the client, by the server's rules, before anything is sent."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.tensors import INPAINT
from pawfect_client import PawfectClient
from pawfect_client.wire import TRANSFER_MARGIN_S, call_of
from tests.pawfect.photo.pictures import hole, scene

IMAGE, MASK = scene(), hole()
# Nothing listens there: what gets past the checks fails with another kind.
NOWHERE = "127.0.0.1:9"


def refusal(image=IMAGE, mask=MASK, **given) -> str:
    with PawfectClient(NOWHERE) as client:
        for ask in (client.inpaint, client.inpaint_stream):
            with pytest.raises(PawfectError) as caught:
                ask(image, mask, **given)
            assert caught.value.kind is ErrorKind.INVALID_ARG
    return caught.value.message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mask": None}, "MASK: expected a UINT8 array [H, W], got nothing"),
        ({"mask": MASK > 0}, "MASK: expected a UINT8 array [H, W], got bool [80, 96]"),
        ({"mask": MASK[:-1]}, "MASK: expected the image's size 96x80, got 96x79"),
        ({"mask": MASK.T}, "MASK: expected the image's size 96x80, got 80x96"),
        ({"mask": MASK * 0}, "MASK: expected some pixels >= 128 (to fill), got none above 0"),
        ({"mask": MASK // 255}, "MASK: expected some pixels >= 128 (to fill), got none above 1"),
        ({"mask": MASK | 200}, "MASK: expected some pixels < 128 (to keep), got none below 200"),
        (
            {"image": IMAGE / 255},
            "IMAGE: expected a UINT8 array [H, W, 3], got float64 [80, 96, 3]",
        ),
        ({"image": MASK}, "IMAGE: expected a UINT8 array [H, W, 3], got uint8 [80, 96]"),
        ({"image": scene(channels=4)}, "IMAGE: expected UINT8 [H, W, 3], got uint8 [80, 96, 4]"),
        ({"image": scene(63, 80)}, "IMAGE: expected sides of 64 to 16384 px, got 63x80"),
        ({"image": [[0]]}, "IMAGE: expected a UINT8 array [H, W, 3], got list"),
        ({"protect": MASK[1:]}, "PROTECT: expected the image's size 96x80, got 96x79"),
        (
            {"scene_labels": "grass"},
            "SCENE_LABELS: expected a list of at most 64 texts, got 'grass'",
        ),
        ({"scene_labels": ["x"] * 65}, "SCENE_LABELS: expected a list of at most 64 texts, got 65"),
        ({"scene_labels": [b"x"]}, "SCENE_LABELS: expected text, got bytes"),
        ({"prompt": "é" * 1025}, "PROMPT: expected texts of at most 2048 bytes, got 2050 bytes"),
        ({"prompt": "\ud800"}, r"PROMPT: expected text that UTF-8 can carry, got '\ud800'"),
        ({"steps": "5"}, "steps: expected an integer, got str '5'"),
        ({"seed": True}, "seed: expected an integer, got bool True"),
        ({"seed": -1}, "seed: expected from 0 to 9223372036854775807, got -1"),
        ({"strength": float("nan")}, "strength: expected above 0.0 to 1.0, got nan"),
        (
            {"engine": "magic"},
            "engine: expected one of auto, flux, klein, edit, lama, patch, got 'magic'",
        ),
    ],
)
def test_a_wrong_request_is_refused_with_what_was_expected_and_what_came(given, message):
    assert refusal(**given) == message


def test_an_unknown_parameter_is_refused_with_the_known_ones():
    message = refusal(colour="red", deadline=3)
    assert message.startswith("parameters: expected some of deadline_ms, dilate_px, engine,")
    assert message.endswith("got colour, deadline")


def test_more_than_110_mp_are_refused_without_a_copy():
    image = np.broadcast_to(np.uint8(0), (11_000, 11_000, 3))
    message = refusal(image=image, mask=np.broadcast_to(np.uint8(0), (11_000, 11_000)))
    assert message == "IMAGE: expected at most 110 MP, got 11000x11000 = 121.0 MP"


@pytest.mark.parametrize("url", ["", "localhost", "http://localhost:8001", "a b:1", "host:port"])
def test_an_address_of_another_form_is_refused(url):
    with pytest.raises(PawfectError, match="url: expected HOST:PORT"):
        PawfectClient(url)


def test_parameters_are_sent_as_given_and_tensors_as_the_contract_says():
    tensors = {"IMAGE": IMAGE, "MASK": MASK, "PROMPT": np.array([b"sand"], np.object_)}
    given = {"engine": "patch", "seed": 2**63 - 1, "strength": 0.5, "guidance_scale": 3}
    call = call_of("inpaint", tensors, given, None)
    sent = call.message.parameters
    assert sent["engine"].string_param == "patch"
    assert sent["seed"].int64_param == 2**63 - 1
    assert sent["strength"].double_param == 0.5
    assert sent["guidance_scale"].int64_param == 3
    assert len(sent) == 4
    for tensor in call.message.inputs:
        assert tensor.datatype == INPAINT.input(tensor.name).datatype
    assert list(call.message.inputs[0].shape) == [80, 96, 3]
    assert call.message.raw_input_contents[0] == IMAGE.tobytes()
    assert call.message.raw_input_contents[2] == b"\x04\0\0\0sand"


@pytest.mark.parametrize(
    ("given", "timeout_s", "expected"),
    [
        ({}, None, 30 + TRANSFER_MARGIN_S),
        ({"deadline_ms": 90_000}, None, 90 + TRANSFER_MARGIN_S),
        ({"deadline_ms": 90_000}, 5.0, 5.0),
    ],
)
def test_the_timeout_is_the_deadline_and_a_margin_unless_given(given, timeout_s, expected):
    call = call_of("inpaint", {"IMAGE": IMAGE, "MASK": MASK}, given, timeout_s)
    assert call.timeout_s == expected
