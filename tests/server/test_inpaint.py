"""`inpaint` and its children on the real server: results, concurrency, deadlines, cancellation."""

from __future__ import annotations

import json
import threading
import time
import urllib.request

import cv2
import numpy as np
import pytest
import tritonclient.grpc as triton

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.local import inpaint_local
from pawfect.picture.mask import clean_mask
from pawfect_triton.probe import Prober
from tests.server.conftest import (
    LONG,
    LONG_HOLE,
    SMALL,
    SMALL_HOLE,
    RawClient,
    at_once,
    hole,
    infer_inputs,
    lawn,
    metric,
    stubs,
    until,
)


def test_the_server_gives_the_pixels_of_the_library(client):
    result = client(SMALL, SMALL_HOLE, seed=5)
    local = inpaint_local(SMALL, SMALL_HOLE, seed=5)
    np.testing.assert_array_equal(result.as_numpy("IMAGE"), local.image)
    report = client.report(result)
    assert (report.engine, report.seed, report.hole_px) == ("patch", 5, local.report.hole_px)


def test_outside_the_cleaned_mask_the_answer_is_bit_identical(client):
    result = client(SMALL, SMALL_HOLE).as_numpy("IMAGE")
    outside = clean_mask(SMALL_HOLE).mask == 0
    np.testing.assert_array_equal(result[outside], SMALL[outside])


def test_mask_cleanup_over_the_wire_equals_the_library(client):
    result = client(None, SMALL_HOLE, model="mask_cleanup", dilate_px=12)
    expected = clean_mask(SMALL_HOLE, dilate_px=12)
    np.testing.assert_array_equal(result.as_numpy("CLEAN_MASK"), expected.mask)
    np.testing.assert_array_equal(result.as_numpy("RING"), expected.ring)
    np.testing.assert_array_equal(result.as_numpy("BOXES"), expected.boxes)


def test_http_with_json_parameters_answers_the_same(client, server):
    url = f"http://{server.endpoints.host}:{server.endpoints.http_port}/v2/models/inpaint/infer"
    inputs = [
        {"name": name, "shape": list(a.shape), "datatype": "UINT8", "data": a.reshape(-1).tolist()}
        for name, a in (("IMAGE", SMALL), ("MASK", SMALL_HOLE))
    ]
    body = {"inputs": inputs, "parameters": {"seed": 5, "guidance_scale": 3.5}}
    request = urllib.request.Request(url, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=60) as answer:
        outputs = {item["name"]: item for item in json.load(answer)["outputs"]}
    image = np.array(outputs["IMAGE"]["data"], np.uint8).reshape(outputs["IMAGE"]["shape"])
    np.testing.assert_array_equal(image, client(SMALL, SMALL_HOLE, seed=5).as_numpy("IMAGE"))


def test_labels_of_the_request_are_reported(client):
    labels = np.array([b"gravel", "fallen l\u00e9aves".encode()], np.object_)
    report = client.report(client(SMALL, SMALL_HOLE, SCENE_LABELS=labels))
    assert report.labels == ("gravel", "fallen l\u00e9aves")
    assert report.labels_source == "request"


def test_four_requests_in_flight_get_the_pixels_they_get_alone(client, server):
    """PatchMatch's native library keeps one global random state per process."""
    photos = [lawn(240, 300, seed) for seed in range(4)]
    mask = hole(240, 300, 90, 70, 180, 160)
    alone = [client(photo, mask, seed=k).as_numpy("IMAGE") for k, photo in enumerate(photos)]

    def job(k: int):
        return lambda: RawClient(server.endpoints.grpc)(photos[k], mask, seed=k).as_numpy("IMAGE")

    for together, expected in zip(at_once([job(k) for k in range(4)]), alone, strict=True):
        np.testing.assert_array_equal(together, expected)


def test_one_instance_holds_many_requests_and_cheap_ones_overtake(client, server):
    """While two long fills occupy both fill processes, the orchestrator still answers at once."""
    threads = [
        threading.Thread(target=lambda: RawClient(server.endpoints.grpc)(LONG, LONG_HOLE))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    start = time.monotonic()
    with pytest.raises(PawfectError, match="empty mask"):
        client(SMALL, np.zeros_like(SMALL_HOLE))
    spent = time.monotonic() - start
    assert any(thread.is_alive() for thread in threads)
    assert spent < 1.0
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("model", ["mask_cleanup", "patch_fill", "inpaint"])
def test_asking_for_one_output_brings_that_one_and_the_model_lives_on(client, server, model):
    arrays = {"IMAGE": SMALL, "MASK": SMALL_HOLE}
    if model == "mask_cleanup":
        del arrays["IMAGE"]
    stubs_before = {stub.pid for stub in stubs(server, model)}
    for _ in range(5):
        result = client.grpc.infer(
            model,
            infer_inputs(model, arrays),
            outputs=[triton.InferRequestedOutput("REPORT")],
            client_timeout=30,
        )
        assert [output.name for output in result.get_response().outputs] == ["REPORT"]
    assert {stub.pid for stub in stubs(server, model)} == stubs_before


def test_flux_is_unavailable_with_its_reason_where_the_profile_has_none(client):
    with pytest.raises(PawfectError, match="engine=flux: profile embedded") as caught:
        client(SMALL, SMALL_HOLE, engine="flux")
    assert caught.value.kind is ErrorKind.UNAVAILABLE


def test_a_deadline_is_answered_when_it_passes(client):
    start = time.monotonic()
    with pytest.raises(PawfectError, match="within 400 ms") as caught:
        client(LONG, LONG_HOLE, deadline_ms=400)
    assert caught.value.kind is ErrorKind.DEADLINE
    assert time.monotonic() - start < 1.5


def test_a_cancelled_request_ends_and_frees_its_place(client, server):
    cancelled = metric(server, "pawfect_answers_total", model="inpaint", kind="CANCELLED")
    done = threading.Event()
    inputs = infer_inputs("inpaint", {"IMAGE": LONG, "MASK": LONG_HOLE})
    raw = RawClient(server.endpoints.grpc)
    call = raw.grpc.async_infer("inpaint", inputs, callback=lambda result, error: done.set())
    time.sleep(0.5)
    call.cancel()
    assert done.wait(5)

    def counted() -> bool:
        now = metric(server, "pawfect_answers_total", model="inpaint", kind="CANCELLED")
        return now == cancelled + 1

    # Well before the two seconds that the fill itself goes on.
    assert until(counted, 5) < 1.5


def test_a_full_house_refuses_the_next_one_and_serves_the_others(client, server, embedded):
    crowd = embedded.limits.max_in_flight + 6
    # Small: the probe waits behind sixteen of them, and has 30 s.
    photo, mask = lawn(128, 128), hole(128, 128, 52, 52, 76, 76)
    before = metric(server, "pawfect_answers_total", model="inpaint", kind="QUEUE_FULL")
    prober = Prober(server.endpoints.grpc, embedded)
    *answers, probed = at_once(
        [lambda: RawClient(server.endpoints.grpc)(photo, mask, deadline_ms=100_000)] * crowd
        + [lambda: prober.probe("inpaint", 100)]
    )
    prober.close()
    assert probed is None, "a probe has a place of its own"
    refused = [answer for answer in answers if isinstance(answer, PawfectError)]
    assert {error.kind for error in refused} == {ErrorKind.QUEUE_FULL}
    assert 1 <= len(refused) <= 6
    assert "at most 16 requests" in refused[0].message
    images = [a.as_numpy("IMAGE") for a in answers if not isinstance(a, PawfectError)]
    assert all(np.array_equal(image, images[0]) for image in images)
    counted = metric(server, "pawfect_answers_total", model="inpaint", kind="QUEUE_FULL")
    assert counted == before + len(refused)


def test_a_message_of_150_mb_passes(server):
    """50 MP, the largest photo; a small hole, so that it is quick."""
    photo = np.broadcast_to(np.uint8(120), (6100, 8190, 3)).copy()
    photo[::7, ::5] = 90
    mask = hole(6100, 8190, 4000, 3000, 4060, 3060)
    client = RawClient(server.endpoints.grpc)
    image = client(photo, mask).as_numpy("IMAGE")
    assert image.shape == photo.shape
    outside = cv2.dilate(mask, np.ones((41, 41), np.uint8)) == 0
    assert np.array_equal(image[outside], photo[outside])


class Stream:
    """One `inpaint_stream` call and what came back so far."""

    def __init__(self, url: str, image, mask, **given) -> None:
        tensors = {name: given.pop(name) for name in list(given) if name.isupper()}
        self.client = triton.InferenceServerClient(url)
        self.messages: list[triton.InferResult] = []
        self.errors: list[Exception] = []
        self.times: list[float] = []
        self.ended = threading.Event()
        self.client.start_stream(self._receive)
        inputs = infer_inputs("inpaint_stream", {"IMAGE": image, "MASK": mask} | tensors)
        self.client.async_stream_infer(
            "inpaint_stream", inputs, parameters=given, enable_empty_final_response=True
        )

    def _receive(self, result, error) -> None:
        self.times.append(time.monotonic())
        if error is not None:
            self.errors.append(error)
            self.ended.set()
            return
        self.messages.append(result)
        if result.get_response().parameters["triton_final_response"].bool_param:
            self.ended.set()

    def close(self, cancel: bool = False) -> None:
        self.client.stop_stream(cancel_requests=cancel)
        self.client.close()

    def outputs(self, name: str) -> list:
        return [m.as_numpy(name) for m in self.messages if m.as_numpy(name) is not None]


def test_a_stream_tells_stages_in_order_then_gives_the_result(client, server):
    photo = lawn(300, 900)
    mask = hole(300, 900, 100, 100, 160, 160) | hole(300, 900, 700, 100, 760, 160)
    stream = Stream(server.endpoints.grpc, photo, mask, seed=3)
    assert stream.ended.wait(60)
    stream.close()
    assert not stream.errors
    stages = [tensor[0].decode() for tensor in stream.outputs("STAGE")]
    assert stages == ["mask_cleanup", "patch_fill", "patch_fill", "done"]
    shares = [float(tensor[0]) for tensor in stream.outputs("PROGRESS")]
    assert shares == sorted(shares)
    assert len(set(shares)) == len(shares)
    assert shares[-1] == 1.0
    assert [preview.shape for preview in stream.outputs("PREVIEW")] == [(171, 512, 3)] * 2
    (image,) = stream.outputs("IMAGE")
    np.testing.assert_array_equal(image, client(photo, mask, seed=3).as_numpy("IMAGE"))


def test_an_error_in_a_stream_ends_it_with_its_token(server):
    stream = Stream(server.endpoints.grpc, SMALL, SMALL_HOLE, steps=0)
    assert stream.ended.wait(20)
    stream.close()
    assert "PAWFECT_INVALID_ARG: steps: expected from 1 to 100, got 0" in str(stream.errors[0])


def test_cancelling_a_stream_stops_the_work(server):
    before = metric(server, "pawfect_answers_total", model="inpaint_stream", kind="CANCELLED")
    stream = Stream(server.endpoints.grpc, LONG, LONG_HOLE)
    until(lambda: len(stream.messages) >= 1)
    stream.close(cancel=True)

    def counted() -> bool:
        now = metric(server, "pawfect_answers_total", model="inpaint_stream", kind="CANCELLED")
        return now == before + 1

    assert until(counted, 5) < 1.5
