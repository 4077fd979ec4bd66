"""One real server with the profile `tiny-all`: all neural chains, started as a user starts it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tritonclient.grpc as triton

from pawfect.contract.errors import from_message
from pawfect.models import MODELS
from pawfect.profile import load_profile
from pawfect.serving import load_batch, load_function
from pawfect.weights.store import ROOT_VARIABLE, Store
from tests.collector import Collector
from tests.conftest import READY, ServedProcess, bring_networks
from tests.lawn import holes, lawn
from tests.server.conftest import RawClient, infer_inputs

# On two busy cores the three chains took 100 s and more.
READY_S = 280.0
PROFILE = "tiny-all"
# FLUX's canvas is the whole photo, the smallest that there is.
PHOTO_PX = 128
WHOLE = holes(PHOTO_PX, PHOTO_PX, (40, 40, 90, 90))
# What makes an answer FLUX's own pixels.
PLAIN = {
    "engine": "flux",
    "dilate_px": 0,
    "feather_px": 0,
    "match_colour": False,
    "deadline_ms": 100_000,
}
GRASS = np.array([b"grass"], np.object_)

Tensors = dict[str, np.ndarray]


@dataclass(frozen=True)
class Started:
    """The server, where its weights lie, and how many seconds it took until all was ready."""

    server: ServedProcess
    weights: Path
    ready_s: float


@pytest.fixture(scope="package")
def started(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Started]:
    """Start in a folder without weights; ends with this folder's tests: its models take 3 GB."""
    weights = tmp_path_factory.mktemp("weights")
    bring_networks(weights)
    folder = tmp_path_factory.mktemp("neural_server")
    told = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    running = ServedProcess(folder, profile=PROFILE, **{ROOT_VARIABLE: str(weights)}, **told)
    try:
        yield Started(running, weights, running.wait_for(READY, timeout_s=READY_S))
    finally:
        running.stop()


@pytest.fixture(scope="package")
def neural_server(started: Started) -> ServedProcess:
    """The folder's server: profile `tiny-all`, ready."""
    return started.server


@pytest.fixture(scope="module")
def client(neural_server: ServedProcess) -> Iterator[NeuralClient]:
    raw = NeuralClient(neural_server.endpoints.grpc)
    yield raw
    raw.grpc.close()


class NeuralClient(RawClient):
    """Calls of single models beside those of `inpaint`."""

    def ask(self, model: str, arrays: Mapping[str, np.ndarray], **parameters: Any) -> Tensors:
        """Return a model's outputs by name; errors come as PawfectError."""
        try:
            result = self.grpc.infer(
                model, infer_inputs(model, dict(arrays)), parameters=parameters, client_timeout=60
            )
        except triton.InferenceServerException as error:
            raise from_message(error.message()) from error
        given = {spec.name: result.as_numpy(spec.name) for spec in MODELS[model].spec.outputs}
        return {name: array for name, array in given.items() if array is not None}

    def statistics(self, model: str) -> Any:
        """Return what Triton has counted of a model since the server started."""
        return self.grpc.get_inference_statistics(model).model_stats[0]


@pytest.fixture(scope="package")
def library(started: Started) -> Iterator[Callable[[str, Tensors], Tensors]]:
    """Call a model's own function in this process, loaded from the server's weights."""
    tiny, store = load_profile(PROFILE), Store(started.weights)
    threads = torch.get_num_threads()
    # As in the server: sums in another order differ in the last bit.
    torch.set_num_threads(1)

    @cache
    def loaded(model: str) -> Callable[[Tensors], Tensors]:
        function = load_function(model, tiny, store)
        return lambda arrays: function(arrays, {})

    yield lambda model, arrays: loaded(model)(arrays)
    torch.set_num_threads(threads)


@pytest.fixture(scope="package")
def library_step(started: Started) -> Callable[[list[Tensors]], list[Any]]:
    """Run `flux_transformer`'s own function, a batch of requests."""
    return load_batch("flux_transformer", load_profile(PROFILE), Store(started.weights))


def photo(seed: int) -> np.ndarray:
    """UINT8 [128, 128, 3]."""
    return lawn(PHOTO_PX, PHOTO_PX, seed)


def difference(one: np.ndarray, other: np.ndarray) -> int:
    """Return the largest difference of two pictures, in levels of 255."""
    assert one.shape == other.shape
    assert one.dtype == other.dtype == np.uint8
    return int(np.abs(one.astype(int) - other).max())
