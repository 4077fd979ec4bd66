"""Swaps by `candidate_search` on the server, by tiny networks: as in process, logged, refined."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pawfect.contract.search_report import SearchReport
from pawfect.local_search import LocalSearch
from pawfect.profile import load_profile
from pawfect.weights.store import ROOT_VARIABLE
from pawfect_client import PawfectClient
from pawfect_client.results import StageEvent
from tests.pawfect.orchestrator.swaps import character, couple, mask_of
from tests.server.neural.conftest import PROFILE, difference

MASK = mask_of(couple(), 40, 160, 120, 260)
ASKED = {"engine": "klein", "steps": 2, "k_global": 2, "m_global": 1, "k_local": 1, "seed": 9}


@pytest.fixture(scope="module")
def client(neural_server) -> Iterator[PawfectClient]:
    with PawfectClient(neural_server.endpoints.grpc) as connected:
        yield connected


def test_a_swap_is_refined_and_judged_as_it_is_without_a_server(
    client, started, neural_server, monkeypatch
):
    seen: list[StageEvent] = []
    given = {"consent": True, "caller": "ann"}
    there = client.swap(couple(), character(), mask=MASK, on_progress=seen.append, **given, **ASKED)
    report = there.report
    assert isinstance(report, SearchReport)
    assert report.swap is not None
    assert (report.swap.caller, report.swap.kind) == ("ann", "insightface")
    assert [one.engine for one in report.candidates] == ["swap", "klein", "klein"]
    assert report.judges["identity"] == ("local",)
    found = [event.candidate for event in seen if event.candidate is not None]
    assert sorted(one.candidate.number for one in found) == [0, 1, 2]
    log = neural_server.output()
    for model in ("candidate_search", "face_swap"):
        assert f"{model}: a face is swapped, with consent=true, for caller ann" in log

    monkeypatch.setenv(ROOT_VARIABLE, str(started.weights))
    tensors = {"IMAGE": couple(), "REFERENCE": character(), "MASK": MASK}
    parameters = {"proposer": "swap", "preset": "photoreal", **given, **ASKED}
    here = LocalSearch(load_profile(PROFILE)).search(tensors, parameters)
    assert report.best == here.report.best
    assert difference(there.image, here.image) <= 1
    assert [(one.seed, one.variation, one.parent) for one in report.candidates] == [
        (one.seed, one.variation, one.parent) for one in here.report.candidates
    ]


def test_without_a_mask_the_surest_face_is_swapped(client):
    there = client.swap(couple(), character(), consent=True, k_global=1, m_global=0)
    assert there.report.swap.box[0] > 200
    assert (there.image[:, :200] == couple()[:, :200]).all()
    assert (there.image != couple()).any()
