"""Raw Triton calls: what a program without our client does."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
import tritonclient.grpc as triton

from pawfect.contract.errors import PawfectError, from_message
from pawfect.contract.report import Report
from pawfect_triton.probe import infer_inputs
from tests.lawn import holes, lawn

LONG_S = 120


def tensors_of(given: dict[str, Any]) -> dict[str, Any]:
    """Take the tensors out of a request's arguments; what is left is its parameters."""
    return {name: given.pop(name) for name in list(given) if name.isupper()}


class RawClient:
    """One gRPC connection; errors come as PawfectError, results as tritonclient's."""

    def __init__(self, url: str) -> None:
        self.grpc = triton.InferenceServerClient(
            url, channel_args=[("grpc.max_receive_message_length", -1)]
        )

    def __call__(
        self, image: Any, mask: Any, model: str = "inpaint", timeout_s: float = LONG_S, **given: Any
    ) -> triton.InferResult:
        arrays = {"IMAGE": image, "MASK": mask} | tensors_of(given)
        arrays = {name: array for name, array in arrays.items() if array is not None}
        try:
            return self.grpc.infer(
                model, infer_inputs(model, arrays), parameters=given, client_timeout=timeout_s
            )
        except triton.InferenceServerException as error:
            raise from_message(error.message()) from error

    def report(self, result: triton.InferResult) -> Report:
        return Report.from_json(result.as_numpy("REPORT")[0])


@pytest.fixture(scope="module")
def client(server) -> Iterator[RawClient]:
    raw = RawClient(server.endpoints.grpc)
    yield raw
    raw.grpc.close()


class Stream:
    """One call of a model that streams, and what came back so far."""

    def __init__(self, url: str, image, mask=None, model: str = "inpaint_stream", **given) -> None:
        arrays = {"IMAGE": image} | ({} if mask is None else {"MASK": mask}) | tensors_of(given)
        self.client = triton.InferenceServerClient(url)
        self.messages: list[triton.InferResult] = []
        self.errors: list[Exception] = []
        self.ended = threading.Event()
        self.client.start_stream(self._receive)
        self.client.async_stream_infer(
            model, infer_inputs(model, arrays), parameters=given, enable_empty_final_response=True
        )

    def _receive(self, result, error) -> None:
        if error is not None:
            self.errors.append(error)
            self.ended.set()
            return
        self.messages.append(result)
        if result.get_response().parameters["triton_final_response"].bool_param:
            self.ended.set()

    def close(self, cancel: bool = False) -> None:
        self.client.stop_stream(cancel_requests=cancel)
        self.client.close()

    def outputs(self, name: str) -> list:
        return [m.as_numpy(name) for m in self.messages if m.as_numpy(name) is not None]


# Little filling.
SMALL = lawn(64, 80)
SMALL_HOLE = holes(64, 80, (34, 26, 46, 36))
# Some seconds of filling: long enough to act while it runs.
LONG = lawn(1000, 1000)
LONG_HOLE = holes(1000, 1000, (200, 200, 800, 800))


def at_once(jobs: list[Callable[[], Any]]) -> list[Any]:
    """Run the jobs in threads that start together; a failed one gives its exception."""
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return job()
        except PawfectError as error:
            return error

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> float:
    """Wait for a condition and return the seconds it took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < timeout_s, "the condition never came true"
        time.sleep(0.02)
    return time.monotonic() - start


def metric(server: Any, name: str, **labels: str) -> float:
    """Read one value off the metrics endpoint; 0 where it is not there yet."""
    url = f"http://{server.endpoints.host}:{server.endpoints.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as page:
        lines = page.read().decode().splitlines()
    for line in lines:
        wanted = (f'{key}="{value}"' for key, value in labels.items())
        if line.startswith((f"{name} ", f"{name}{{")) and all(part in line for part in wanted):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


def answers(server: Any, model: str, kind: str) -> int:
    """How many answers of a kind the server's own metric has counted."""
    return int(metric(server, "pawfect_answers_total", model=model, kind=kind))


def fallen_back(server: Any, stage: str, instead: str) -> int:
    """How many fallbacks of `inpaint` the server's own metric has counted."""
    told = {"model": "inpaint", "stage": stage, "instead": instead}
    return int(metric(server, "pawfect_fallbacks_total", **told))


def triton_process(server) -> psutil.Process:
    children = psutil.Process(server.process.pid).children()
    (process,) = [child for child in children if "tritonserver" in child.name()]
    return process


def stubs(server, model: str) -> list[psutil.Process]:
    return [
        child
        for child in triton_process(server).children()
        if any(f"/{model}/" in part for part in child.cmdline())
    ]
