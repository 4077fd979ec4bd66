"""The judges behind TLS, as their clouds are: by a trusted certificate, and not without one."""

from __future__ import annotations

import asyncio

import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.judges import exchange
from pawfect.judges.gemini import Gemini
from pawfect.judges.moondream import Moondream
from tests.certificates import certificate
from tests.pawfect.judges.conftest import judge_of, pictures, within


@pytest.mark.parametrize("kind", [Gemini, Moondream])
def test_a_judge_is_asked_over_tls_and_only_by_a_certificate_that_is_trusted(
    kind, request, tmp_path, monkeypatch
):
    server = request.getfixturevalue(kind.__name__.lower())
    key, trusted = certificate(tmp_path)
    server.behind_tls(key, trusted)
    exchange._tls.cache_clear()
    with pytest.raises(PawfectError, match="got no connection to it") as caught:
        asyncio.run(judge_of(kind, server).judge(pictures(), within(60)))
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert server.asked == []
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    exchange._tls.cache_clear()
    told = asyncio.run(judge_of(kind, server).judge(pictures(), within(60)))
    assert set(told.scores) == {"consistency", "realism"}
    exchange._tls.cache_clear()


@pytest.mark.parametrize("kind", [Gemini, Moondream])
def test_who_is_late_over_tls_closes_the_connection(kind, request, tmp_path, monkeypatch):
    server = request.getfixturevalue(kind.__name__.lower())
    key, trusted = certificate(tmp_path)
    server.behind_tls(key, trusted)
    server.hold = lambda asked: True
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    exchange._tls.cache_clear()
    with pytest.raises(PawfectError) as caught:
        asyncio.run(judge_of(kind, server, timeout_s=1).judge(pictures(), within(60)))
    assert caught.value.kind is ErrorKind.DEADLINE
    assert server.left.wait(30)
    exchange._tls.cache_clear()
