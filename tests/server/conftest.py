"""Raw Triton calls: what a program without our client does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
import tritonclient.grpc as triton

from pawfect.contract.errors import PawfectError, from_message
from pawfect.contract.report import Report
from pawfect_triton.probe import infer_inputs

LONG_S = 120


class RawClient:
    """One gRPC connection; errors come as PawfectError, results as tritonclient's."""

    def __init__(self, url: str) -> None:
        self.grpc = triton.InferenceServerClient(
            url, channel_args=[("grpc.max_receive_message_length", -1)]
        )

    def __call__(
        self, image: Any, mask: Any, model: str = "inpaint", timeout_s: float = LONG_S, **given: Any
    ) -> triton.InferResult:
        tensors = {name: given.pop(name) for name in list(given) if name.isupper()}
        arrays = {"IMAGE": image, "MASK": mask} | tensors
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


def lawn(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Coloured noise at several scales, UINT8 [H, W, 3]."""
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), np.float32)
    for cells in (8, 50, 200):
        noise = rng.normal(0, 14, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(image + (90, 130, 70), 0, 255).astype(np.uint8)


def hole(height: int, width: int, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[y0:y1, x0:x1] = 255
    return mask


SMALL = lawn(200, 260)
SMALL_HOLE = hole(200, 260, 100, 80, 140, 110)
# About two seconds of filling: long enough to act while it runs.
LONG = lawn(1000, 1000)
LONG_HOLE = hole(1000, 1000, 320, 320, 680, 680)


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
    import urllib.request

    url = f"http://{server.endpoints.host}:{server.endpoints.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as page:
        lines = page.read().decode().splitlines()
    for line in lines:
        wanted = (f'{key}="{value}"' for key, value in labels.items())
        if line.startswith((f"{name} ", f"{name}{{")) and all(part in line for part in wanted):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


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
