"""`text_reading` on the suite's server: both clients, this process, and what goes wrong."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect_client import LocalClient
from tests.client.serving import CLIENTS
from tests.pawfect.ocr.signs import sign
from tests.refusals import refusal

SIGN = sign(["BEWARE OF THE DOG", "Call 555-0134"], turned=20)[0]
SIZE = 448


def plain(read):
    return [(one.text, one.score, one.quad.tolist()) for one in read.texts]


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_both_clients_read_what_this_process_reads(client, server):
    with client(server.endpoints.grpc) as connected:
        there = connected.read_text(SIGN, size=SIZE, least_score=0.9)
    with LocalClient() as local:
        here = local.read_text(SIGN, size=SIZE, least_score=0.9)
    assert [text for text, *_ in plain(there)] == ["BEWARE OF THE DOG", "Call 555-0134"]
    assert plain(there) == plain(here)
    assert (there.report.found, there.report.size) == (2, SIZE)
    assert there.report.weights == here.report.weights == {"reading": "rapidocr==3.10.0"}


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_nothing_written_is_an_empty_answer_and_what_is_wrong_is_named(client, server):
    flat = np.full((64, 96, 3), 90, np.uint8)
    with client(server.endpoints.grpc) as connected:
        assert connected.read_text(flat, size=64).texts == ()
        for given, says in (({"size": 1}, "size: expected"), ({"colour": 1}, "got colour")):
            assert says in refusal(ErrorKind.INVALID_ARG, connected.read_text, flat, **given)
        assert "IMAGE" in refusal(ErrorKind.INVALID_ARG, connected.read_text, flat[..., 0])
        late = refusal(ErrorKind.DEADLINE, connected.read_text, SIGN, deadline_ms=1)
        assert late.startswith("deadline_ms: expected an answer within 1 ms")
