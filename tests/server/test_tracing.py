"""A request's trace goes through the flow into each model that it calls, and nowhere else."""

from __future__ import annotations

import secrets

import numpy as np
import pytest

from pawfect.contract.errors import PawfectError
from pawfect_client import PawfectClient
from pawfect_triton.tracing import carried, is_on, is_trace, server_arguments, span
from tests.server.conftest import SMALL, SMALL_HOLE
from tests.subject import standing

COLLECTED = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


def traced(server, trace: str, caller: str) -> PawfectClient:
    header = ("traceparent", f"00-{trace}-{caller}-01")
    return PawfectClient(server.endpoints.grpc, headers=lambda: (header,))


def new_ids() -> tuple[str, str]:
    return secrets.token_hex(16), secrets.token_hex(8)


def test_a_trace_goes_from_the_callers_header_into_each_model_that_is_called(server, collector):
    trace, caller = new_ids()
    photo = SMALL.copy()
    # One that nobody has asked about: what the response cache answers, no model works on.
    photo[:8, :8] = np.frombuffer(secrets.token_bytes(192), np.uint8).reshape(8, 8, 3)
    with traced(server, trace, caller) as client:
        client.inpaint(photo, SMALL_HOLE, protect="auto")
    called = {"mask_cleanup", "patch_fill", "onnx_networks"}
    found = collector.of(trace, {"inpaint", *called})
    by_id = {each.id: each for each in found}
    (flow,) = (each for each in found if each.name == "inpaint")
    assert (flow.parent, flow.service) == (caller, "pawfect-server")
    for name in called:
        for model in (each for each in found if each.name == name):
            call = by_id[model.parent]
            assert (call.name, by_id[call.parent].name) == (f"call {name}", "inpaint")
            # Waiting for the model and handing over are the call's alone.
            assert flow.start_ns <= call.start_ns <= model.start_ns
            assert model.end_ns <= call.end_ns <= flow.end_ns
            assert model.attributes == {"pawfect.model": name}


def test_a_streaming_flow_is_traced_too(server, collector):
    trace, caller = new_ids()
    with traced(server, trace, caller) as client:
        for _ in client.inpaint_stream(SMALL, SMALL_HOLE, protect="none"):
            pass
    found = collector.of(trace, {"inpaint_stream", "patch_fill"})
    assert next(each for each in found if each.name == "inpaint_stream").parent == caller


def test_a_failure_marks_its_span_by_kind_and_says_nothing_of_the_request(server, collector):
    trace, caller = new_ids()
    canary = "canary-4711"
    with traced(server, trace, caller) as client, pytest.raises(PawfectError):
        client.background_removal(standing(96, 96)[0], network=canary)
    (failed,) = collector.of(trace, {"background_removal"})
    assert failed.failure == "INVALID_ARG"
    assert canary not in str(failed)


def test_a_request_without_a_trace_leaves_no_span_and_answers_the_same(server, collector):
    trace, caller = new_ids()
    with PawfectClient(server.endpoints.grpc) as client:
        plain = client.inpaint(SMALL, SMALL_HOLE, protect="none", seed=3)
    with traced(server, trace, caller) as client:
        told = client.inpaint(SMALL, SMALL_HOLE, protect="none", seed=3)
    np.testing.assert_array_equal(plain.image, told.image)
    collector.of(trace, {"inpaint"})
    # Each trace that models tell of was begun by a test: probes and other requests begin none.
    flows = [each for each in collector.spans if each.service == "pawfect-server"]
    assert all(each.parent for each in flows)


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        (f"00-{'a' * 32}-{'b' * 16}-01", True),
        (f"00-{'0' * 32}-{'b' * 16}-01", False),
        (f"00-{'a' * 32}-{'0' * 16}-01", False),
        (f"00-{'a' * 32}-{'b' * 16}", False),
        ("waiting", False),
        (7, False),
        (None, False),
    ],
)
def test_what_has_another_form_begins_no_trace(value, is_one):
    assert is_trace(value) is is_one


def test_models_see_the_header_where_a_collector_is_named_alone():
    assert server_arguments({}, http=True) == []
    both = server_arguments(COLLECTED, http=True)
    assert both == [f"--{name}-header-forward-pattern=traceparent" for name in ("grpc", "http")]
    assert server_arguments(COLLECTED, http=False) == both[:1]


def test_without_a_collector_nothing_is_recorded(monkeypatch):
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert not is_on()
    with span("work", f"00-{'a' * 32}-{'b' * 16}-01"):
        assert carried() == {}
