"""`inpaint` and its children on the real server: results, concurrency, deadlines, cancellation."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import pytest
import tritonclient.grpc as triton

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.local import inpaint_local
from pawfect.picture.mask import clean_mask
from pawfect_triton.probe import Prober
from tests.lawn import holes, lawn
from tests.server.conftest import (
    LONG,
    LONG_HOLE,
    SMALL,
    SMALL_HOLE,
    RawClient,
    Stream,
    answers,
    at_once,
    infer_inputs,
    stubs,
    until,
)


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    return inpaint_local(SMALL, SMALL_HOLE, seed=5).image


def test_the_server_gives_the_pixels_of_the_library_and_reports_the_requests_labels(
    client, expected
):
    labels = np.array([b"gravel", "fallen l\u00e9aves".encode()], np.object_)
    result = client(SMALL, SMALL_HOLE, seed=5, SCENE_LABELS=labels)
    image, cleaned = result.as_numpy("IMAGE"), clean_mask(SMALL_HOLE)
    np.testing.assert_array_equal(image, expected)
    np.testing.assert_array_equal(image[cleaned.mask == 0], SMALL[cleaned.mask == 0])
    report = client.report(result)
    assert (report.engine, report.seed) == ("patch", 5)
    assert report.hole_px == np.count_nonzero(cleaned.mask)
    assert report.labels == ("gravel", "fallen l\u00e9aves")
    assert report.labels_source == "request"


def test_mask_cleanup_over_the_wire_equals_the_library(client):
    given = {"dilate_px": 12, "least_speck_px": 4, "fill_outlines": True}
    result = client(None, SMALL_HOLE, model="mask_cleanup", **given)
    expected = clean_mask(SMALL_HOLE, dilate_px=12, least_speck_px=4, fill_outlines=True)
    assert json.loads(result.as_numpy("REPORT")[0]) == asdict(expected.changes)
    np.testing.assert_array_equal(result.as_numpy("CLEAN_MASK"), expected.mask)
    np.testing.assert_array_equal(result.as_numpy("RING"), expected.ring)
    np.testing.assert_array_equal(result.as_numpy("BOXES"), expected.boxes)


def test_http_with_json_parameters_answers_the_same(server, expected):
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
    np.testing.assert_array_equal(image, expected)


def test_four_requests_in_flight_get_the_pixels_they_get_alone(client, server):
    """PatchMatch's native library keeps one global random state per process."""
    photos = [lawn(96, 96, seed) for seed in range(4)]
    mask = holes(96, 96, (32, 32, 64, 64))
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
    for _ in range(2):
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
    cancelled = answers(server, "inpaint", "CANCELLED")
    done = threading.Event()
    inputs = infer_inputs("inpaint", {"IMAGE": LONG, "MASK": LONG_HOLE})
    raw = RawClient(server.endpoints.grpc)
    call = raw.grpc.async_infer("inpaint", inputs, callback=lambda result, error: done.set())
    time.sleep(0.5)
    call.cancel()
    assert done.wait(5)
    # Well before the seconds that the fill itself goes on.
    assert until(lambda: answers(server, "inpaint", "CANCELLED") == cancelled + 1, 5) < 1.5


@dataclass(frozen=True)
class GoneAway:
    """A long request whose caller goes away: `begin` sends it, `end` is what the caller then does.

    One without `end` waits for a bounded time, which passes in the middle of its fill.
    """

    begin: Callable[[str], Any]
    end: Callable[[Any], object] | None = None


def asked(url: str, model: str = "inpaint", **given: Any) -> tuple[Any, Any]:
    """Send a long request; return its client and its call."""
    raw = RawClient(url).grpc
    inputs = infer_inputs(model, {"IMAGE": LONG, "MASK": LONG_HOLE})
    return raw, raw.async_infer(model, inputs, lambda result, error: None, **given)


GONE = {
    "patch_fill cancelled": GoneAway(
        lambda url: asked(url, "patch_fill"), lambda sent: sent[1].cancel()
    ),
    "inpaint cancelled": GoneAway(asked, lambda sent: sent[1].cancel()),
    "its connection closed": GoneAway(asked, lambda sent: sent[0].close()),
    "its stream closed": GoneAway(
        lambda url: Stream(url, LONG, LONG_HOLE), lambda stream: stream.close(cancel=True)
    ),
    "out of patience": GoneAway(lambda url: asked(url, client_timeout=2.5)),
}


@pytest.mark.parametrize("way", GONE)
def test_a_fill_that_nobody_waits_for_gives_its_process_to_the_next_one_at_once(
    client, server, way
):
    def small() -> float:
        start = time.monotonic()
        client(SMALL, SMALL_HOLE, model="patch_fill")
        return time.monotonic() - start

    def spent() -> float:
        return sum(process.cpu_times().user for process in processes)

    alone = small()
    processes = stubs(server, "patch_fill")
    gone, before = GONE[way], spent()
    # Counted before they are sent: their patience may end before a busy machine looks again.
    counted = answers(server, "inpaint", "CANCELLED") + len(processes)
    sent = [gone.begin(server.endpoints.grpc) for _ in processes]
    until(lambda: spent() > before + 0.6)
    if gone.end is None:
        until(lambda: answers(server, "inpaint", "CANCELLED") >= counted)
    else:
        for each in sent:
            gone.end(each)
    # The fills themselves would go on for seconds.
    assert small() < alone + 0.5


def test_a_full_house_refuses_the_next_one_and_serves_the_others(client, server, embedded):
    # So many that some come while the house is full, however quick the fills are.
    crowd = 3 * embedded.limits.max_in_flight
    before = answers(server, "inpaint", "QUEUE_FULL")
    prober = Prober(server.endpoints.grpc, embedded)

    # A small photo: the probe waits behind sixteen of them, and has 30 s.
    def ask() -> triton.InferResult:
        return RawClient(server.endpoints.grpc)(SMALL, SMALL_HOLE, deadline_ms=100_000)

    *answered, probed = at_once([ask] * crowd + [lambda: prober.probe("inpaint", 100)])
    prober.close()
    assert probed is None, "a probe has a place of its own"
    refused = [answer for answer in answered if isinstance(answer, PawfectError)]
    assert {error.kind for error in refused} == {ErrorKind.QUEUE_FULL}
    assert 1 <= len(refused) <= crowd - embedded.limits.max_in_flight
    assert "at most 16 requests of 220 MP together" in refused[0].message
    images = [a.as_numpy("IMAGE") for a in answered if not isinstance(a, PawfectError)]
    assert all(np.array_equal(image, images[0]) for image in images)
    assert answers(server, "inpaint", "QUEUE_FULL") == before + len(refused)


@pytest.mark.parametrize(
    ("width", "height"),
    [pytest.param(w, h, marks=pytest.mark.slow) for w, h in ((8192, 6144), (12_000, 9000))],
    ids=["50 MP", "108 MP"],
)
def test_the_largest_photos_of_phones_pass(server, width, height):
    """A small hole, so that it is quick."""
    photo = np.broadcast_to(np.uint8(120), (height, width, 3)).copy()
    photo[::7, ::5] = 90
    mask = holes(height, width, (4000, 3000, 4012, 3012))
    client = RawClient(server.endpoints.grpc)
    image = client(photo, mask).as_numpy("IMAGE")
    assert image.shape == photo.shape
    outside = cv2.dilate(mask, np.ones((41, 41), np.uint8)) == 0
    assert np.array_equal(image[outside], photo[outside])


@pytest.mark.slow
def test_more_pixels_than_are_held_at_a_time_are_refused_and_the_others_served(server):
    photo = np.full((6144, 8192, 3), 90, np.uint8)
    photo[::7, ::5] = 120
    # Some seconds of filling: the last one comes while the first is held.
    mask = holes(6144, 8192, (4000, 3000, 4700, 3700))

    def ask() -> triton.InferResult:
        return RawClient(server.endpoints.grpc)(photo, mask, deadline_ms=100_000)

    given = at_once([ask] * 6)
    refused = [answer for answer in given if isinstance(answer, PawfectError)]
    assert 1 <= len(refused) <= 2, "four of 50 MP are held"
    assert {error.kind for error in refused} == {ErrorKind.QUEUE_FULL}


def test_a_stream_tells_stages_in_order_then_gives_the_result(client, server):
    photo = lawn(100, 600)
    mask = holes(100, 600, (40, 40, 56, 56), (540, 40, 556, 56))
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
    assert [preview.shape for preview in stream.outputs("PREVIEW")] == [(85, 512, 3)] * 2
    (image,) = stream.outputs("IMAGE")
    np.testing.assert_array_equal(image, client(photo, mask, seed=3).as_numpy("IMAGE"))


def test_an_error_in_a_stream_ends_it_with_its_token(server):
    stream = Stream(server.endpoints.grpc, SMALL, SMALL_HOLE, steps=0)
    assert stream.ended.wait(20)
    stream.close()
    assert "PAWFECT_INVALID_ARG: steps: expected from 1 to 100, got 0" in str(stream.errors[0])


def test_cancelling_a_stream_stops_the_work(server):
    before = answers(server, "inpaint_stream", "CANCELLED")
    stream = Stream(server.endpoints.grpc, LONG, LONG_HOLE)
    until(lambda: len(stream.messages) >= 1)
    stream.close(cancel=True)
    assert until(lambda: answers(server, "inpaint_stream", "CANCELLED") == before + 1, 5) < 1.5
