"""Every failure of a call becomes the table's kind; what may succeed later is repeated."""

from __future__ import annotations

import pickle
import time
from dataclasses import dataclass

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from pawfect.contract.errors import TABLE, ErrorKind, PawfectError
from pawfect_client import RetryPolicy
from pawfect_client.failures import AnsweredError, failure
from pawfect_client.masks_by_words import sam3_asked
from pawfect_client.retry import Attempts, may_succeed_later
from pawfect_client.wire import Call, inpainted, stream_event

URL = "127.0.0.1:1"


@dataclass
class Status(grpc.RpcError):
    """A status as gRPC delivers it."""

    status: grpc.StatusCode
    text: str

    def code(self):
        return self.status

    def details(self):
        return self.text


def mapped(status: str, text: str, called: str | None = None) -> PawfectError:
    return failure(Status(grpc.StatusCode[status], text), URL, 2.0, called)


def test_an_internal_error_of_grpcs_own_after_the_time_is_over_is_the_clients_deadline():
    internal = Status(grpc.StatusCode.INTERNAL, "Internal error from Core")
    late = failure(internal, URL, 2.0, over=True)
    assert late.kind is ErrorKind.DEADLINE
    assert late.message == f"expected an answer from {URL} within 2 s, got none"
    assert failure(internal, URL, 2.0).kind is ErrorKind.INTERNAL
    # What says more than that is not taken for it.
    for status, text, kind in (
        ("UNAVAILABLE", "failed to connect to all addresses", ErrorKind.UNAVAILABLE),
        ("INTERNAL", "Stub process 'inpaint_0_0' is not healthy.", ErrorKind.MODEL_DOWN),
        ("INTERNAL", "PAWFECT_INTERNAL: inpaint: ZeroDivisionError", ErrorKind.INTERNAL),
    ):
        assert failure(Status(grpc.StatusCode[status], text), URL, 2.0, over=True).kind is kind


# Texts read off the running server 2.51.
@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        ("INVALID_ARGUMENT", "PAWFECT_INVALID_ARG: MASK: expected x, got y", "INVALID_ARG"),
        (
            "INVALID_ARGUMENT",
            "[request id: <id_unknown>] unexpected shape for input 'IMAGE' for model 'inpaint'",
            "INVALID_ARG",
        ),
        ("NOT_FOUND", "Request for unknown model: 'inpaint' is not found", "UNAVAILABLE"),
        ("NOT_FOUND", "Request for unknown model: 'x' has no available versions", "UNAVAILABLE"),
        ("UNAVAILABLE", "[request id: 1] Exceeds maximum queue size", "QUEUE_FULL"),
        ("UNAVAILABLE", "Request timeout expired", "QUEUE_FULL"),
        ("UNAVAILABLE", "PAWFECT_QUEUE_FULL: expected at most 16 requests", "QUEUE_FULL"),
        ("INTERNAL", "Stub process 'inpaint_0_0' is not healthy.", "MODEL_DOWN"),
        ("UNAVAILABLE", "failed to connect to all addresses; Connection refused", "UNAVAILABLE"),
        ("UNAVAILABLE", "Socket closed", "UNAVAILABLE"),
        ("UNIMPLEMENTED", "", "UNAVAILABLE"),
        ("UNAVAILABLE", "PAWFECT_DEADLINE: deadline_ms: expected 5 ms", "DEADLINE"),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", "DEADLINE"),
        ("CANCELLED", "Locally cancelled by application!", "CANCELLED"),
        ("INTERNAL", "PAWFECT_INTERNAL: inpaint: ValueError", "INTERNAL"),
        ("UNKNOWN", "whatever", "INTERNAL"),
    ],
)
def test_a_status_becomes_the_kind_of_its_row(status, text, kind):
    assert mapped(status, text).kind is ErrorKind[kind]


@pytest.mark.parametrize(
    ("status", "text", "lacking"),
    [
        ("NOT_FOUND", "Request for unknown model: 'find_masks' is not found", True),
        ("NOT_FOUND", "another version's words", True),
        ("UNAVAILABLE", "failed to connect; unknown model", False),
        ("UNAVAILABLE", "PAWFECT_UNAVAILABLE: unknown model", False),
    ],
)
def test_a_server_without_the_model_is_known_by_its_status_not_by_its_words(status, text, lacking):
    with pytest.raises(PawfectError) as told, sam3_asked():
        raise mapped(status, text)
    assert told.value.kind is ErrorKind.UNAVAILABLE
    assert ("expected a server with SAM3" in told.value.message) == lacking


def test_messages_name_the_server_and_hold_no_token():
    assert mapped("UNAVAILABLE", "Socket closed").message == "127.0.0.1:1: Socket closed"
    assert mapped("UNAVAILABLE", "PAWFECT_QUEUE_FULL: too many").message == "too many"
    late = mapped("DEADLINE_EXCEEDED", "Deadline Exceeded").message
    assert late == "expected an answer from 127.0.0.1:1 within 2 s, got none"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.7:8001: "
            "Failed to connect to remote host: connect: Connection refused (111)",
            "server: failed to connect to all addresses; last error: UNKNOWN: "
            "Failed to connect to remote host: connect: Connection refused (111)",
        ),
        ("ipv6:%5B::1%5D:8001: Socket closed", "server: Socket closed"),
        (
            "DNS resolution failed for 127.0.0.1:1: no",
            "server: DNS resolution failed for server: no",
        ),
    ],
)
def test_a_server_that_is_called_by_a_name_is_not_told_by_its_address(text, said):
    assert mapped("UNAVAILABLE", text, "server").message == said
    late = mapped("DEADLINE_EXCEEDED", "Deadline Exceeded", "server").message
    assert late == "expected an answer from server within 2 s, got none"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("PAWFECT_DEADLINE: deadline_ms: expected 5 ms", "DEADLINE"),
        ("[request id: <id_unknown>] inference input 'MASK' data-type is 'INT8'", "INVALID_ARG"),
        ("[request id: 7] Exceeds maximum queue size", "QUEUE_FULL"),
        ("Request for unknown model: 'nope' is not found", "UNAVAILABLE"),
        ("Stub process 'inpaint_stream_0_0' is not healthy.", "MODEL_DOWN"),
        ("what nobody foresaw", "INTERNAL"),
    ],
)
def test_a_streams_message_becomes_the_kind_of_its_row(text, kind):
    call = Call(None, (), 1, inpainted)
    with pytest.raises(PawfectError) as caught:
        stream_event(service_pb2.ModelStreamInferResponse(error_message=text), call)
    assert caught.value.kind is ErrorKind[kind]


@pytest.mark.parametrize("answer", ["nothing", "another size", "no report"])
def test_an_answer_that_breaks_the_contract_is_a_defect(answer):
    response = service_pb2.ModelInferResponse()
    if answer != "nothing":
        side = 64 if answer == "no report" else 32
        response.outputs.add(name="IMAGE", datatype="UINT8", shape=[side, side, 3])
        response.raw_output_contents.append(bytes(side * side * 3))
    with pytest.raises(PawfectError) as caught:
        inpainted(response, Call(None, (64, 64, 3), 1, inpainted))
    assert caught.value.kind is ErrorKind.INTERNAL
    assert "of the answer: expected" in caught.value.message


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_the_table_decides_what_is_repeated(kind):
    assert may_succeed_later(PawfectError(kind, "x")) is TABLE[kind].retry


def test_unavailable_in_the_services_own_words_is_not_repeated():
    missing = mapped("UNAVAILABLE", "PAWFECT_UNAVAILABLE: engine=flux: profile embedded has patch")
    assert isinstance(missing, AnsweredError)
    assert not may_succeed_later(missing)
    assert may_succeed_later(mapped("UNAVAILABLE", "Socket closed"))
    assert may_succeed_later(mapped("UNAVAILABLE", "PAWFECT_QUEUE_FULL: x"))
    assert may_succeed_later(mapped("UNAVAILABLE", "PAWFECT_MODEL_DOWN: x"))


def test_an_answered_error_survives_pickling():
    error = pickle.loads(pickle.dumps(AnsweredError(ErrorKind.UNAVAILABLE, "x")))
    assert type(error) is AnsweredError
    assert (error.kind, error.message) == (ErrorKind.UNAVAILABLE, "x")


@given(
    first=st.floats(0.01, 2), factor=st.floats(1, 4), top=st.floats(2, 9), failed=st.integers(1, 20)
)
def test_waits_grow_to_their_bound_and_half_of_each_is_random(first, factor, top, failed):
    longest = min(first * factor ** (failed - 1), top)
    wait = RetryPolicy(5, first, factor, top).wait_s(failed)
    assert longest / 2 <= wait <= longest


def test_attempts_end_at_their_number():
    attempts = Attempts(RetryPolicy(attempts=3, first_wait_s=0.01), 60)
    error = PawfectError(ErrorKind.UNAVAILABLE, "x")
    waits = [attempts.wait_after(error), attempts.wait_after(error)]
    with pytest.raises(PawfectError) as caught:
        attempts.wait_after(error)
    assert caught.value is error
    assert 0.005 <= waits[0] <= 0.01 <= waits[1] <= 0.02


def test_no_wait_reaches_beyond_the_timeout():
    attempts = Attempts(RetryPolicy(attempts=9, first_wait_s=1.0), 0.4)
    with pytest.raises(PawfectError):
        attempts.wait_after(PawfectError(ErrorKind.UNAVAILABLE, "x"))
    time.sleep(0.4)
    assert attempts.remaining_s() == 0.0
