"""The error table: one row per kind, tokens that survive a crossing, messages without paths."""

from __future__ import annotations

import pickle

import pytest

from pawfect.contract.errors import (
    MAX_MESSAGE,
    TABLE,
    ErrorKind,
    PawfectError,
    QueueAction,
    from_exception,
    from_message,
    invalid,
)

# The codes of Triton's TritonError in the Python backend of 24.10.
TRITON_CODES = {
    "UNKNOWN", "INTERNAL", "NOT_FOUND", "INVALID_ARG", "UNAVAILABLE", "UNSUPPORTED",
    "ALREADY_EXISTS", "CANCELLED",
}  # fmt: skip


def test_every_kind_has_one_row_with_codes_that_exist():
    assert set(TABLE) == set(ErrorKind)
    for row in TABLE.values():
        assert row.triton_code in TRITON_CODES
        assert 400 <= row.http_status < 600
        assert 1 <= row.exit_code <= 255


def test_what_may_be_retried_goes_back_to_the_queue():
    assert all(row.queue_action is QueueAction.NACK for row in TABLE.values() if row.retry)
    assert TABLE[ErrorKind.INVALID_ARG].queue_action is QueueAction.FAIL


@pytest.mark.parametrize("kind", ErrorKind)
@pytest.mark.parametrize("before", ["", "Failed to process the request for model 'x': "])
def test_a_token_brings_its_kind_back_from_any_crossing(kind, before):
    sent = PawfectError(kind, "steps: expected 1 to 100, got 0")
    back = from_message(before + str(sent))
    assert (back.kind, back.message) == (kind, sent.message)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Stub process 'patch_fill_0_0' is not healthy.", ErrorKind.MODEL_DOWN),
        ("[request id: 7] Exceeds maximum queue size", ErrorKind.QUEUE_FULL),
        ("Request for unknown model: 'inpaint' has no available versions", ErrorKind.UNAVAILABLE),
        ("Stream removed (Socket closed)", ErrorKind.UNAVAILABLE),
        ("failed to connect to all addresses", ErrorKind.UNAVAILABLE),
        ("something else", ErrorKind.INTERNAL),
    ],
)
def test_what_triton_says_by_itself_is_recognised(message, kind):
    assert from_message(message).kind is kind


def test_a_foreign_message_loses_paths_and_traceback():
    error = from_message("cannot open /srv/models/inpaint/1/model.py\nTraceback: File '/a/b.py'")
    assert error.message == "cannot open model.py"


def test_an_error_says_what_was_expected_and_what_came_behind_its_token():
    error = invalid("MASK", "a size of 10x10", "9x9")
    assert str(error) == "PAWFECT_INVALID_ARG: MASK: expected a size of 10x10, got 9x9"


def test_an_error_survives_pickling():
    error = pickle.loads(pickle.dumps(PawfectError(ErrorKind.DEADLINE, "late")))
    assert (error.kind, error.message) == (ErrorKind.DEADLINE, "late")


class OutOfMemoryError(RuntimeError):
    """Named as torch's own."""


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (MemoryError("/a/b"), "PAWFECT_OUT_OF_MEMORY: sam3_labeling: out of memory"),
        (OutOfMemoryError("CUDA"), "PAWFECT_OUT_OF_MEMORY: sam3_labeling: out of memory"),
        (ValueError("/a/b/c.py"), "PAWFECT_INTERNAL: sam3_labeling: ValueError"),
    ],
)
def test_a_models_own_exception_says_its_kind_and_none_of_its_words(raised, says):
    assert str(from_exception(raised, "sam3_labeling")) == says


def test_an_error_of_the_table_stays_itself():
    error = PawfectError(ErrorKind.DEADLINE, "late")
    assert from_exception(error, "sam3_labeling") is error


def test_any_message_can_be_sent_and_has_an_end():
    error = PawfectError(ErrorKind.INVALID_ARG, "half a letter: \ud800")
    assert error.message.encode() == b"half a letter: ?"
    long = PawfectError(ErrorKind.INVALID_ARG, "a" * 10**6)
    assert len(long.message) == MAX_MESSAGE + len("...")
