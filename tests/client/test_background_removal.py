"""`background_removal` of the clients: what is refused, sent and read, and what comes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tritonclient.grpc import service_pb2
from tritonclient.utils import serialize_byte_tensor

from pawfect.contract.cutout import CutoutParams, CutoutReport
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.report import Fallback
from pawfect.contract.tensors import BACKGROUND_REMOVAL
from pawfect.contract.texts import text_tensor
from pawfect_client import LocalClient
from pawfect_client.inputs import cutout_tensors
from pawfect_client.wire import TRANSFER_MARGIN_S, Call, call_of, cut_out
from tests.client.serving import CLIENTS
from tests.pawfect.photo.pictures import scene
from tests.refusals import refusal
from tests.server.conftest import answers
from tests.subject import share_in_common, standing

IMAGE = scene()
HEIGHT, WIDTH = IMAGE.shape[:2]
# Nothing listens there: what gets past the checks fails with another kind.
NOWHERE = "127.0.0.1:9"
REPORT = CutoutReport(
    network="u2netp",
    preset="standard",
    size=1024,
    seen=(320, 320),
    resize="static",
    edges="guided",
    threshold=None,
    output="rgba",
    subject_found=True,
    confidence=0.9,
    subject_share=0.25,
    sharpness=None,
    device="cpu",
    profile="embedded",
    width=WIDTH,
    height=HEIGHT,
    stage_ms={"network": 12.5},
    total_ms=20.0,
    load_ms=80.0,
    network_mib=20.0,
    fallbacks=(Fallback("network", "too large", "320 px", ErrorKind.OUT_OF_MEMORY),),
    weights={"u2netp": "abc"},
)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": IMAGE / 255}, "IMAGE: expected a UINT8 array [H, W, 3], got float64"),
        ({"image": scene(63, 80)}, "IMAGE: expected sides of 64 to 16384 px, got 63x80"),
        ({"background": [[0]]}, "BACKGROUND: expected a UINT8 array [H, W, 3], got list"),
        ({"background": scene(channels=4)}, "BACKGROUND: expected UINT8 [H, W, 3], got uint8"),
        ({"background": scene(63, 80)}, "BACKGROUND: expected sides of 64 to 16384 px, got 63x80"),
        ({"output": "background"}, "BACKGROUND: expected a picture, as output=background says"),
        ({"output": "#12345"}, "output: expected one of rgba, map, green, white, blur, background"),
        ({"preset": "best"}, "preset: expected one of fast, standard, high, maximum, got 'best'"),
        ({"network": "../etc"}, "network: expected a network's name, got '../etc'"),
        ({"size": 5}, "size: expected auto or a number of px, 10 to 9999, got '5'"),
        ({"threshold": 1.5}, "threshold: expected from 0.0 to 1.0, got 1.5"),
        ({"seed": 3}, "parameters: expected some of deadline_ms, edges, network, output,"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_sent(given, message):
    ask = {"image": IMAGE, **given}
    image = ask.pop("image")
    for kind in (*CLIENTS.values(), lambda url: LocalClient()):
        with kind(NOWHERE) as client:
            says = refusal(ErrorKind.INVALID_ARG, client.background_removal, image, **ask)
        assert says.startswith(message)


def test_tensors_and_parameters_are_sent_as_the_contract_says():
    ground = scene(64, 70)
    given = {"size": 320, "threshold": 0.5, "output": "background", "preset": "fast"}
    call = call_of("background_removal", cutout_tensors(IMAGE, ground), given, None)
    sent = call.message.parameters
    assert sent["size"].int64_param == 320
    assert sent["threshold"].double_param == 0.5
    assert sent["output"].string_param == "background"
    assert [(one.name, one.datatype, list(one.shape)) for one in call.message.inputs] == [
        ("IMAGE", "UINT8", [HEIGHT, WIDTH, 3]),
        ("BACKGROUND", "UINT8", [70, 64, 3]),
    ]
    assert list(call.message.raw_input_contents) == [IMAGE.tobytes(), ground.tobytes()]


def test_the_timeout_is_the_deadline_and_a_margin_for_what_is_sent_both_ways(monkeypatch):
    given = cutout_tensors(IMAGE, None)
    assert call_of("background_removal", given, {}, None).timeout_s == 30 + TRANSFER_MARGIN_S
    # A slow line: 3 bytes a pixel there, 5 back.
    monkeypatch.setattr("pawfect_client.wire._BYTES_PER_S", 10.0)
    slow = call_of("background_removal", given, {"deadline_ms": 1000}, None)
    assert slow.timeout_s == 1 + HEIGHT * WIDTH * 8 / 10


@pytest.mark.parametrize(
    ("output", "background", "is_"),
    [
        (None, False, "rgba"),
        (None, True, "background"),
        ("map", True, "map"),
        ("background", True, "background"),
        ("#aabbcc", False, "#aabbcc"),
    ],
)
def test_the_background_is_what_it_is_laid_on_unless_another_output_is_asked_for(
    output, background, is_
):
    assert CutoutParams(output=output).laid_on(background=background) == is_


@pytest.mark.parametrize(
    ("output", "background", "is_"),
    [
        (None, False, "green"),
        (None, True, "background"),
        ("rgba", False, "rgba"),
        ("background", True, "background"),
    ],
)
def test_a_servers_default_comes_after_the_requests_own_output_and_its_background(
    output, background, is_
):
    asked = CutoutParams(output=output)
    assert asked.laid_on(background=background, default="green") == is_


@pytest.mark.parametrize(("output", "default"), [("background", "green"), (None, "background")])
def test_a_background_is_missed_whoever_asked_for_it(output, default):
    with pytest.raises(PawfectError) as caught:
        CutoutParams(output=output).laid_on(background=False, default=default)
    assert caught.value.kind is ErrorKind.INVALID_ARG
    expected = "BACKGROUND: expected a picture, as output=background says, got nothing"
    assert caught.value.message == expected


def answer(**changed) -> service_pb2.ModelInferResponse:
    outputs = {
        "ALPHA": np.full((HEIGHT, WIDTH), 7, np.uint8),
        "CUTOUT": np.dstack([IMAGE, IMAGE[:, :, 0]]),
        "REPORT": text_tensor(REPORT.to_json()),
    } | changed
    response = service_pb2.ModelInferResponse()
    for spec in BACKGROUND_REMOVAL.outputs:
        array = outputs[spec.name]
        if array is None:
            continue
        response.outputs.add(name=spec.name, datatype=spec.datatype, shape=array.shape)
        raw = serialize_byte_tensor(array).item() if spec.datatype == "BYTES" else array.tobytes()
        response.raw_output_contents.append(raw)
    return response


def test_an_answer_is_read_as_it_was_written():
    result = cut_out(answer(), Call(None, IMAGE.shape, 1, cut_out))
    assert np.array_equal(result.alpha, np.full((HEIGHT, WIDTH), 7))
    assert np.array_equal(result.cutout[:, :, :3], IMAGE)
    assert result.report == REPORT
    result.alpha[0, 0] = result.cutout[0, 0, 0] = 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ALPHA": None}, "ALPHA of the answer: expected uint8 [80, 96], got nothing"),
        (
            {"CUTOUT": IMAGE},
            "CUTOUT of the answer: expected uint8 [80, 96, 4], got uint8 [80, 96, 3]",
        ),
        ({"REPORT": None}, "REPORT of the answer: expected one text, got nothing"),
        (
            {"REPORT": text_tensor("{}")},
            "REPORT of the answer: expected entries that this client knows, got KeyError('seen')",
        ),
    ],
)
def test_an_answer_that_breaks_the_contract_is_a_defect(changed, message):
    with pytest.raises(PawfectError) as caught:
        cut_out(answer(**changed), Call(None, IMAGE.shape, 1, cut_out))
    assert caught.value.kind is ErrorKind.INTERNAL
    assert caught.value.message == message


@pytest.fixture(params=CLIENTS.values(), ids=CLIENTS)
def both(server, request):
    with request.param(server.endpoints.grpc) as connected:
        yield connected


def test_the_subject_is_cut_out_by_a_server_as_it_is_here(both):
    photo, figure = standing()
    ground = scene(70, 64, seed=3)
    for given in ({}, {"threshold": 0.5}, {"output": "map"}, {"background": ground}):
        there = both.background_removal(photo, **given)
        assert share_in_common(there.alpha, figure) > 0.95
        with LocalClient() as local:
            here = local.background_removal(photo, **given)
        assert np.array_equal(here.alpha, there.alpha)
        assert np.array_equal(here.cutout, there.cutout)
        own = {"load_ms": 0.0, "network_mib": 0.0, "stage_ms": {}, "total_ms": 0.0}
        assert replace(here.report, **own) == replace(there.report, **own)
        assert (there.report.width, there.report.height) == (96, 80)
        there.alpha[0, 0] = here.alpha[0, 0] = there.cutout[0, 0] = here.cutout[0, 0] = 0


def test_what_the_server_lacks_is_not_asked_for_again(server, both):
    before = answers(server, "background_removal", "INVALID_ARG")
    says = refusal(ErrorKind.INVALID_ARG, both.background_removal, IMAGE, network="nobody")
    assert says.startswith("network: expected one of")
    assert answers(server, "background_removal", "INVALID_ARG") == before + 1
    late = refusal(ErrorKind.DEADLINE, both.background_removal, IMAGE, deadline_ms=1)
    assert "expected an answer within 1 ms" in late


async def test_it_can_be_called_where_an_event_loop_runs():
    """As in a notebook."""
    with LocalClient() as here:
        assert here.background_removal(IMAGE).alpha.shape == IMAGE.shape[:2]


def test_what_breaks_in_the_flow_is_an_error_of_the_table_and_tells_no_more():
    class Flow:
        def remove_background(self, *given: object, **more: object) -> None:
            raise OSError("/secret/place")

    client = LocalClient()
    client._flows["background_removal"] = Flow()
    says = refusal(ErrorKind.INTERNAL, client.background_removal, IMAGE)
    assert says == "background_removal: OSError"
