"""Candidates of one search on two instances of the transformer, as on two cards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from harness.local_server import free_ports
from pawfect.profile import load_profile
from pawfect_client import PawfectClient
from pawfect_triton.server import Endpoints, TritonServer
from tests.server.neural.conftest import READY_S, WHOLE, photo

# What a search by FLUX calls, but for the subject's network.
MODELS = (
    "mask_cleanup",
    "patch_fill",
    "sam3_labeling",
    "florence2",
    "flux_text_encoder",
    "flux_vae_encoder",
    "flux_transformer",
    "flux_vae_decoder",
    "candidate_search",
)


def cpu_seconds(server: TritonServer) -> list[float]:
    """CPU time of each process of the transformer."""
    assert server.pid is not None
    stubs = psutil.Process(server.pid).children()
    own = [one for one in stubs if any("/flux_transformer/" in part for part in one.cmdline())]
    return [sum(one.cpu_times()[:2]) for one in sorted(own, key=lambda one: one.pid)]


@pytest.mark.slow
def test_two_instances_share_the_candidates_of_one_search(in_tiny_weights: Path):
    del in_tiny_weights
    tiny = load_profile("tiny")
    assert tiny.flux is not None
    profile = replace(tiny, models=MODELS, flux=replace(tiny.flux, gpus=2))
    server = TritonServer(profile, Endpoints("127.0.0.1", *free_ports(3)))
    try:
        server.start()
        server.wait_ready(READY_S)
        before = cpu_seconds(server)
        with PawfectClient(server.endpoints.grpc) as client:
            found = client.search(
                photo(0), WHOLE, engine="flux", protect="none", dilate_px=0, steps=6,
                k_global=17, k_local=0, at_once=16, deadline_ms=300_000,
            )  # fmt: skip
        spent = np.subtract(cpu_seconds(server), before)
    finally:
        server.stop()
        server.close()
    assert all(one.error is None for one in found.report.candidates)
    assert len(spent) == 2
    assert spent.min() > 0.3 * spent.sum()
