"""A model that is too busy for probes is not taken for one that hangs."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.profile import load_profile
from pawfect_triton import supervisor
from pawfect_triton.answered import answered
from pawfect_triton.server import TritonServer
from pawfect_triton.supervisor import Supervisor
from tests.conftest import ServedProcess, free_ports
from tests.server.conftest import SMALL_HOLE, until


class Late:
    """A prober that nobody answers in time."""

    def probe(self, model: str, timeout_s: float) -> None:
        raise PawfectError(ErrorKind.DEADLINE, f"{model}: no answer within {timeout_s} s")


class Counted:
    """What a supervisor asks of a server: how many requests a model has answered."""

    profile = load_profile("embedded")

    def __init__(self, *counts: int | None) -> None:
        self.degraded: dict[str, str] = {}
        self._counts = iter(counts)

    def answered(self, model: str) -> int | None:
        return next(self._counts)

    def dead_models(self) -> list[str]:
        return []


def troubles(*counts: int | None) -> list[str | None]:
    """Probe in vain as often as there are counts; return what the supervisor takes it for."""
    server: Any = Counted(*counts)
    watching, prober = Supervisor(server, lambda: None), Late()
    # It last answered a probe long ago.
    asked: Any = {"onnx_networks": -supervisor.HUNG_S}
    return [watching._probe("onnx_networks", prober, asked) for _ in counts]  # type: ignore[arg-type]


def test_a_model_that_answers_others_is_busy_and_one_that_answers_nobody_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "HUNG_S", -1.0)
    hangs = "onnx_networks has answered nothing for -1 s"
    assert troubles(7, 9, 12) == [hangs, None, None]
    assert troubles(7, 7, 7) == [hangs, hangs, hangs]
    # After a restart the count begins anew; a page that is away says nothing.
    assert troubles(7, 3, 4) == [hangs, hangs, None]
    assert troubles(None, None) == [hangs, hangs]


PAGE = """\
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="refine",version="1"} 5
nv_inference_request_success{model="refine_file",version="1"} 700
nv_inference_request_failure{model="refine",reason="BACKEND",version="1"} 2
nv_inference_request_failure{model="refine",reason="OTHER",version="1"} 1
nv_inference_request_failure{model="refine",reason="REJECTED",version="1"} 30
nv_inference_request_failure{model="refine",reason="CANCELED",version="1"} 400
"""


def test_what_the_server_itself_refused_or_gave_up_is_no_answer_of_the_model() -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(PAGE.encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Page) as metrics:
        threading.Thread(target=metrics.serve_forever, args=(0.01,), daemon=True).start()
        try:
            assert answered("127.0.0.1", metrics.server_port, "refine") == 8
            assert answered("127.0.0.1", metrics.server_port, "florence2") is None
        finally:
            metrics.shutdown()


def test_the_count_is_of_every_answer_of_that_model(server: ServedProcess, client: Any) -> None:
    where = server.endpoints.host, server.endpoints.metrics_port

    def count() -> int:
        told = answered(*where, "mask_cleanup")
        assert told is not None
        return told

    before = count()
    client(None, SMALL_HOLE, model="mask_cleanup")
    # Triton counts a moment after it has answered.
    until(lambda: count() > before, 20)
    before = count()
    # More of them than probes that come meanwhile.
    for _ in range(8):
        with pytest.raises(PawfectError):
            client(None, SMALL_HOLE, model="mask_cleanup", dilate_px=65)
    until(lambda: count() >= before + 8, 20)
    assert answered(*where, "florence2") is None
    assert answered("127.0.0.1", free_ports(1)[0], "mask_cleanup") is None


def test_a_server_asks_its_own_metrics(server: ServedProcess) -> None:
    own = TritonServer(load_profile("embedded"), server.endpoints)
    try:
        assert own.answered("inpaint") is not None
    finally:
        own.close()
