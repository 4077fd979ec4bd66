"""Swaps by `candidate_search` on the suite's server: consent first, then what is lacking."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pawfect.contract.errors import ErrorKind, from_message
from pawfect.contract.faces import CONSENT
from pawfect.local_refine import LocalRefine
from pawfect.weights.store import weights_root
from pawfect_client import PawfectClient
from tests.pawfect.orchestrator.swaps import character, couple
from tests.refusals import refusal
from tests.server.conftest import Stream

NETWORKS = ("buffalo_l", "inswapper_128")


@pytest.fixture(scope="module")
def client(server) -> Iterator[PawfectClient]:
    with PawfectClient(server.endpoints.grpc) as connected:
        yield connected


def asked(server, **given: object) -> Exception:
    """What the server answers to a swap without a mask."""
    reference = {"REFERENCE": character()}
    stream = Stream(
        server.endpoints.grpc, couple(), model="candidate_search", proposer="swap",
        **reference, **given,
    )  # fmt: skip
    try:
        assert stream.ended.wait(30)
        assert stream.messages == []
        (error,) = stream.errors
        return from_message(error.message())
    finally:
        stream.close()


@pytest.mark.parametrize("given", [{}, {"consent": False}])
def test_without_consent_the_server_swaps_nothing(server, given):
    error = asked(server, **given)
    assert error.kind is ErrorKind.INVALID_ARG
    assert error.message == f"consent: expected {CONSENT}, got false"


def test_a_text_is_no_consent(server):
    error = asked(server, consent="true")
    assert error.kind is ErrorKind.INVALID_ARG
    assert error.message.startswith("consent: expected ")


def test_without_the_networks_the_server_says_what_brings_them(client):
    if all((weights_root() / name).is_dir() for name in NETWORKS):
        pytest.skip("both networks are here")
    swap = (client.swap, couple(), character())
    told = refusal(ErrorKind.UNAVAILABLE, *swap, consent=True, caller="tests")
    assert told.startswith("swap: weights ")
    assert "run `pawfect weights fetch " in told
    can = LocalRefine().capabilities().can["swap"]
    assert not can.available
    assert can.why == told.removeprefix("swap: ")


def test_a_fill_without_a_mask_is_refused(client):
    told = refusal(ErrorKind.INVALID_ARG, client.search, couple(), None)
    assert told == "MASK: expected a mask with proposer=inpaint, got none"
