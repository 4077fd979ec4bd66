"""Both clients against the real server."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.profile import load_profile
from pawfect_client import Done, PawfectClient, RetryPolicy, StageEvent
from pawfect_client.inputs import inpaint_tensors
from pawfect_client.wire import call_of
from pawfect_triton.server import Endpoints, TritonServer
from tests.client.serving import CLIENTS, long_job
from tests.conftest import free_ports
from tests.pawfect.photo.pictures import hole, scene
from tests.refusals import refusal
from tests.server.conftest import answers, until

IMAGE, MASK = scene(80, 64), hole(80, 64)
ONCE = RetryPolicy(attempts=1)


def refused(kind: ErrorKind, client: Any, method: str, *given: Any, **more: Any) -> str:
    """Return the message of the error, of this kind, that an answer or a stream ends with."""
    return refusal(kind, lambda: list(getattr(client, method)(*given, **more)))


@pytest.fixture(params=CLIENTS.values(), ids=CLIENTS)
def both(server, request):
    with request.param(server.endpoints.grpc) as connected:
        yield connected


@pytest.fixture
def client(server):
    with PawfectClient(server.endpoints.grpc) as connected:
        yield connected


def test_the_hole_is_filled_and_the_rest_stays(client):
    result = client.inpaint(IMAGE, MASK, seed=3)
    far = np.s_[:8, :8]
    assert result.image.shape == IMAGE.shape
    assert result.image.dtype == np.uint8
    assert np.array_equal(result.image[far], IMAGE[far])
    assert not np.array_equal(result.image[MASK > 0], IMAGE[MASK > 0])
    assert (result.report.width, result.report.height, result.report.seed) == (80, 64, 3)
    assert result.report.engine == "patch"
    result.image[0, 0] = 0


def test_a_proxy_from_the_environment_is_not_used_for_this_machine(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with PawfectClient(server.endpoints.grpc, retry=ONCE) as client:
        assert client.inpaint(IMAGE, MASK).report.engine == "patch"


def test_the_same_seed_gives_the_same_pixels(both):
    first, second = (both.inpaint(IMAGE, MASK, seed=5).image for _ in range(2))
    assert np.array_equal(first, second)


def test_labels_prompt_and_protect_arrive(client):
    protect = np.zeros_like(MASK)
    protect[:, 30:] = 255
    given = {"protect": protect, "scene_labels": ["Gräser", "sand"], "prompt": "nasser Sand"}
    result = client.inpaint(IMAGE, MASK, **given)
    assert result.report.labels == ("Gräser", "sand")
    assert result.report.labels_source == "request"
    assert result.report.prompt == "nasser Sand"
    assert np.array_equal(result.image[protect > 0], IMAGE[protect > 0])


def test_what_is_protected_may_be_a_mask_or_the_wish_for_none(both):
    nothing = np.zeros_like(MASK)
    sources = [
        both.inpaint(IMAGE, MASK, protect=protect).report.protect_source
        for protect in ("none", nothing)
    ]
    assert sources == ["none", "request"]
    found = [both.inpaint(IMAGE, MASK, **given).report for given in ({}, {"protect": "auto"})]
    assert found[0].protect_source == found[1].protect_source
    says = refused(ErrorKind.INVALID_ARG, both, "inpaint", IMAGE, MASK, protect="all")
    assert says == "protect: expected one of auto, none, got 'all'"


def test_arrays_that_are_views_arrive_in_order(client):
    turned, mask = IMAGE[::-1].swapaxes(0, 1), MASK[::-1].T
    result = client.inpaint(turned, mask)
    assert result.image.shape == (80, 64, 3)
    assert np.array_equal(result.image[:8, -8:], turned[:8, -8:])


def test_a_stream_tells_the_stages_in_order_and_ends_with_the_result(both):
    events = list(both.inpaint_stream(IMAGE, MASK, seed=3))
    stages = [event.stage for event in events[:-1]]
    shares = [event.progress for event in events[:-1]]
    previews = [event.preview for event in events[:-1] if event.preview is not None]
    assert all(type(event) is StageEvent for event in events[:-1])
    assert stages[0] == "mask_cleanup"
    assert "patch_fill" in stages
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)
    assert previews
    assert all(preview.ndim == 3 and preview.dtype == np.uint8 for preview in previews)
    assert isinstance(events[-1], Done)
    assert np.array_equal(events[-1].image, both.inpaint(IMAGE, MASK, seed=3).image)
    *events, _ = both.inpaint_stream(IMAGE, MASK, preview_every=0)
    assert all(event.preview is None for event in events)


def test_leaving_a_stream_early_cancels_it_on_the_server(server, both):
    before = answers(server, "inpaint_stream", "CANCELLED")
    stream = both.inpaint_stream(*long_job())
    assert next(stream).stage == "mask_cleanup"
    stream.close()
    until(lambda: answers(server, "inpaint_stream", "CANCELLED") == before + 1)


def test_a_probe_is_answered_and_not_counted(server, both):
    before = answers(server, "inpaint", "OK")
    both.probe()
    assert answers(server, "inpaint", "OK") == before


def test_labels_of_a_server_without_them_are_unavailable(server):
    for kind in CLIENTS.values():
        with kind(server.endpoints.grpc, retry=ONCE) as client:
            refusal(ErrorKind.UNAVAILABLE, client.scene_labels, IMAGE, MASK)
            refusal(ErrorKind.INVALID_ARG, client.scene_labels, IMAGE, MASK * 0)


def test_a_stream_that_ended_well_does_not_count_as_cancelled(server, client):
    done = answers(server, "inpaint_stream", "OK")
    before = answers(server, "inpaint_stream", "CANCELLED")
    for event in client.inpaint_stream(IMAGE, MASK):
        if isinstance(event, Done):
            break
    until(lambda: answers(server, "inpaint_stream", "OK") > done)
    assert answers(server, "inpaint_stream", "CANCELLED") == before


def test_closing_the_client_ends_its_streams(server):
    client = PawfectClient(server.endpoints.grpc)
    stream = client.inpaint_stream(*long_job())
    next(stream)
    client.close()
    refusal(ErrorKind.CANCELLED, list, stream)


def test_streams_of_one_client_run_side_by_side(both):
    started = threading.Barrier(4)

    def run(seed: int):
        stream = both.inpaint_stream(IMAGE, MASK, seed=seed, deadline_ms=100_000)
        first = next(stream)
        # Passed only when all four streams are open.
        started.wait(20)
        return [first, *stream]

    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(run, range(4)))
    assert [events[-1].report.seed for events in runs] == [0, 1, 2, 3]


def test_cancelling_one_stream_leaves_the_others(client):
    kept, dropped = client.inpaint_stream(IMAGE, MASK), client.inpaint_stream(*long_job())
    next(dropped)
    next(kept)
    dropped.close()
    assert isinstance(list(kept)[-1], Done)


def test_the_server_refuses_what_the_client_was_not_asked_to_check(client):
    tensors = inpaint_tensors(IMAGE, MASK, None, (), None) | {"MASK": MASK[1:]}
    one, several = (call_of(m, tensors, {}, None) for m in ("inpaint", "inpaint_stream"))
    kind = ErrorKind.INVALID_ARG
    for message in (
        refusal(kind, client._answer, one),
        refusal(kind, list, client._events(several)),
    ):
        assert message.startswith("MASK: ")
        assert "80x64, got 80x63" in message


@pytest.mark.parametrize("method", ["inpaint", "inpaint_stream"])
def test_an_engine_that_the_profile_lacks_is_not_asked_for_again(server, both, method):
    before = answers(server, method, "UNAVAILABLE")
    started = time.monotonic()
    message = refused(ErrorKind.UNAVAILABLE, both, method, IMAGE, MASK, engine="flux")
    assert message.startswith("engine=flux: profile embedded has lama, patch")
    assert time.monotonic() - started < 2
    until(lambda: answers(server, method, "UNAVAILABLE") > before)
    assert answers(server, method, "UNAVAILABLE") == before + 1


@pytest.mark.parametrize("method", ["inpaint", "inpaint_stream"])
def test_the_servers_deadline_is_told_apart_from_the_clients(server, both, method):
    message = refused(ErrorKind.DEADLINE, both, method, *long_job(), deadline_ms=30)
    assert "deadline_ms: expected an answer within 30 ms" in message
    with type(both)(server.endpoints.grpc, timeout_s=0.2) as hasty:
        message = refused(ErrorKind.DEADLINE, hasty, method, *long_job())
    assert "within 0.2 s, got none" in message


@pytest.mark.parametrize("kind", CLIENTS.values(), ids=CLIENTS)
@pytest.mark.parametrize("method", ["inpaint", "inpaint_stream"])
def test_a_closed_port_is_tried_a_bounded_number_of_times(kind, method):
    url = f"127.0.0.1:{free_ports(1)[0]}"
    policy = RetryPolicy(attempts=3, first_wait_s=0.2)
    started = time.monotonic()
    with kind(url, retry=policy) as client:
        assert refused(ErrorKind.UNAVAILABLE, client, method, IMAGE, MASK).startswith(url)
    assert 0.3 <= time.monotonic() - started < 20


def test_the_timeout_bounds_the_retries_too():
    policy = RetryPolicy(attempts=1000, first_wait_s=0.1, factor=1)
    started = time.monotonic()
    url = f"127.0.0.1:{free_ports(1)[0]}"
    with (
        PawfectClient(url, timeout_s=0.8, retry=policy) as client,
        pytest.raises(PawfectError) as caught,
    ):
        client.inpaint(IMAGE, MASK)
    assert caught.value.kind in {ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE}
    assert 0.5 < time.monotonic() - started < 1.5


@pytest.mark.slow
def test_a_full_queue_is_worth_another_attempt(server):
    image, mask = scene(64, 64), hole(64, 64)

    def ask(client: PawfectClient) -> ErrorKind | None:
        try:
            client.inpaint(image, mask)
        except PawfectError as error:
            return error.kind
        return None

    def ask_all(retry: RetryPolicy) -> set[ErrorKind | None]:
        with (
            PawfectClient(server.endpoints.grpc, retry=retry) as client,
            ThreadPoolExecutor(20) as pool,
        ):
            return set(pool.map(ask, [client] * 20))

    assert ask_all(ONCE) == {None, ErrorKind.QUEUE_FULL}
    assert ask_all(RetryPolicy(attempts=20, first_wait_s=0.2, factor=1.3)) == {None}


@pytest.mark.slow
def test_a_late_server_is_reached_a_dead_model_told_and_a_broken_stream_not_repeated(tmp_path):
    endpoints = Endpoints("127.0.0.1", *free_ports(3))
    patient = RetryPolicy(attempts=100, first_wait_s=0.2, factor=1.2, max_wait_s=0.5)
    with (tmp_path / "log").open("wb") as log, ThreadPoolExecutor(2) as pool:
        server = TritonServer(load_profile("embedded"), endpoints, log)
        try:
            with PawfectClient(endpoints.grpc, retry=patient) as client:
                unary = pool.submit(client.inpaint, IMAGE, MASK)
                stream = pool.submit(lambda: list(client.inpaint_stream(IMAGE, MASK)))
                time.sleep(1)
                server.start()
                assert unary.result(60).report.engine == "patch"
                assert isinstance(stream.result(60)[-1], Done)
            server.wait_ready(60)
            for pid, model in server.running_stubs().items():
                if model == "inpaint":
                    os.kill(pid, 9)
            with PawfectClient(endpoints.grpc, retry=ONCE) as client:
                until(lambda: _kind(client) is ErrorKind.MODEL_DOWN)
            with PawfectClient(endpoints.grpc, retry=patient) as client:
                stream = client.inpaint_stream(*long_job())
                assert next(stream).stage == "mask_cleanup"
                server.kill()
                started = time.monotonic()
                with pytest.raises(PawfectError) as caught:
                    list(stream)
            # With something received there is no other attempt, however patient the policy.
            assert caught.value.kind is ErrorKind.UNAVAILABLE
            assert time.monotonic() - started < 5
        finally:
            server.close()


def _kind(client: PawfectClient) -> ErrorKind | None:
    try:
        client.inpaint(IMAGE, MASK)
    except PawfectError as error:
        return error.kind
    return None
