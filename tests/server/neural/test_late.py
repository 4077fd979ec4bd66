"""Models that are slow because others keep them busy: what stands in, and who says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import tritonclient.grpc as triton

from tests.lawn import holes, lawn
from tests.server.conftest import fallen_back, infer_inputs
from tests.server.neural.conftest import GRASS, NeuralClient

PHOTO = lawn(256, 256)
HOLE = holes(256, 256, (100, 90, 116, 106))


@contextmanager
def kept_busy(url: str, model: str, arrays: dict[str, np.ndarray], requests: int) -> Iterator[None]:
    """Have a model work off a queue; wait at the end until it has."""
    answered = threading.Semaphore(0)
    client = triton.InferenceServerClient(url)
    for _ in range(requests):
        client.async_infer(
            model, infer_inputs(model, arrays), lambda result, error: answered.release()
        )
    try:
        # The first answer: the queue is there, and the others are in it.
        assert answered.acquire(timeout=60)
        yield
        for _ in range(requests - 1):
            assert answered.acquire(timeout=120)
    finally:
        client.close()


@contextmanager
def contended(
    url: str, model: str, arrays: dict[str, np.ndarray], in_flight: int
) -> Iterator[None]:
    """Keep so many requests to a model in flight, a new one for each that is answered."""
    stop = threading.Event()

    def ask() -> None:
        client = triton.InferenceServerClient(url)
        while not stop.is_set():
            client.infer(model, infer_inputs(model, arrays), client_timeout=120)
        client.close()

    threads = [threading.Thread(target=ask) for _ in range(in_flight)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(120)


@pytest.mark.slow
def test_labels_that_take_longer_than_their_share_come_from_captions(client, neural_server):
    ring = np.full((256, 256), 255, np.uint8)
    before = fallen_back(neural_server, "sam3_labeling", "florence2")
    url = neural_server.endpoints.grpc
    with kept_busy(url, "sam3_labeling", {"IMAGE": PHOTO, "RING": ring}, 20):
        # A fifth of it is the labels' share: far less than the queue takes.
        result = client(PHOTO, HOLE, steps=2, deadline_ms=10_000)
    report = client.report(result)
    (fallback,) = [item for item in report.fallbacks if item.stage == "sam3_labeling"]
    assert "expected an answer within 2000 ms" in fallback.reason
    assert fallback.instead == "florence2"
    assert report.labels_source == "florence2"
    assert fallen_back(neural_server, "sam3_labeling", "florence2") == before + 1


@pytest.mark.slow
def test_denoising_that_would_be_late_ends_early_and_in_time(client, neural_server):
    assert isinstance(client, NeuralClient)
    rng = np.random.default_rng(0)
    rows = 32
    step = {
        "LATENTS": rng.standard_normal((1, rows * rows, 64), np.float32),
        "CONDITION": rng.standard_normal((1, rows * rows, 320), np.float32),
        "PROMPT_EMBEDS": rng.standard_normal((1, 128, 64)).astype(np.float16),
        "POOLED": rng.standard_normal((1, 32)).astype(np.float16),
        "TIMESTEP": np.array([[500]], np.float32),
        "GUIDANCE": np.array([[30]], np.float32),
        "GRID": np.array([[rows, rows]], np.int32),
    }
    before = fallen_back(neural_server, "flux_transformer", "fewer steps")
    with contended(neural_server.endpoints.grpc, "flux_transformer", step, 4):
        result = client(
            PHOTO, HOLE, engine="flux", SCENE_LABELS=GRASS, steps=100, deadline_ms=15_000
        )
    report = client.report(result)
    (fallback,) = report.fallbacks
    assert (report.engine, fallback.stage, fallback.instead) == (
        "flux", "flux_transformer", "fewer steps",
    )  # fmt: skip
    assert fallback.reason == f"late: {report.steps_taken} steps instead of 100"
    assert report.total_ms < 15_000
    assert fallen_back(neural_server, "flux_transformer", "fewer steps") == before + 1
