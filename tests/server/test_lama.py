"""LaMa on the profile `embedded`, whose weights nobody fetched here."""

from __future__ import annotations

import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from tests.server.conftest import SMALL, SMALL_HOLE, RawClient

MEND = "run `pawfect weights fetch embedded`"


@pytest.mark.parametrize(
    "given", [{"model": "lama_fill"}, {"engine": "lama"}], ids=["the model", "the engine"]
)
def test_without_its_weights_it_is_unavailable_and_says_what_mends_it(client: RawClient, given):
    with pytest.raises(PawfectError) as caught:
        client(SMALL, SMALL_HOLE, **given)
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert "weights lama-512-int8: expected lama_512_int8.onnx, got nothing" in str(caught.value)
    assert MEND in str(caught.value)


def test_the_rest_serves_and_misses_nothing(client: RawClient, server):
    report = client.report(client(SMALL, SMALL_HOLE))
    assert (report.engine, report.fallbacks) == ("patch", ())
    assert "WITHOUT  lama_fill: weights lama-512-int8: expected" in server.output()
