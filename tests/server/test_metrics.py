"""Triton's metrics page of a running server: metrics of the table, with its types and labels."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
import tritonclient.grpc as triton

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.metrics import BATCHES, METRICS, NETWORK_MIB, Source
from pawfect_client import PawfectClient
from pawfect_triton import adapter
from pawfect_triton.metrics import MOST_SERIES, Meter
from perf.observability.page import PAGE, with_table
from tests.scrape import differences, families, page, value
from tests.server.conftest import LONG, LONG_HOLE, SMALL, SMALL_HOLE, RawClient, until
from tests.server.test_judges import ask
from tests.subject import standing

# What profile `embedded` on a CPU has no occasion for: batched models, short memory, and a card.
UNSEEN = {BATCHES.name} | {name for name in METRICS if name.startswith("nv_gpu")}


def scrape(server) -> str:
    return page(f"http://127.0.0.1:{server.endpoints.metrics_port}/metrics")


def worked(server) -> str:
    """The page of a server that has done all that profile `embedded` can do."""
    client = RawClient(server.endpoints.grpc)
    client(SMALL, SMALL_HOLE, protect="none")
    with pytest.raises(PawfectError):
        client(SMALL, SMALL_HOLE, engine="flux", deadline_ms=1000)
    ask(client.grpc, "score_gemini")
    client.grpc.close()
    with PawfectClient(server.endpoints.grpc) as connected:
        # The network that is here has no view as large.
        connected.background_removal(standing(128, 160)[0], preset="high")
    # The stages are counted once the answer is on its way.
    until(lambda: value(scrape(server), "pawfect_stages_total", model="inpaint") > 0)
    return scrape(server)


def test_the_page_of_a_server_that_has_worked_is_the_tables(server, gemini):
    found = families(worked(server))
    told = {m.name for m in METRICS.values() if m.source in (Source.MODELS, Source.TRITON)}
    assert told - UNSEEN <= set(found)
    own = {name: family for name, family in found.items() if name.startswith("pawfect_")}
    assert set(own) <= told
    assert list(differences({name: found[name] for name in told & set(found)})) == []
    presets = found["pawfect_fallbacks_total"].samples
    assert "fewer px static" in {sample.labels["instead"] for sample in presets}


def test_an_answer_is_counted_with_its_stages_engine_and_time(server, client: RawClient):
    before = scrape(server)
    report = client.report(client(SMALL, SMALL_HOLE, protect="none"))

    def grown(name: str, **labels: str) -> float:
        one = {"model": "inpaint", **labels}
        return value(scrape(server), name, **one) - value(before, name, **one)

    until(lambda: grown("pawfect_stages_total", stage="patch_fill") == 1)
    assert grown("pawfect_answers_total", kind="OK") == 1
    assert grown("pawfect_engine_answers_total", engine=report.engine) == 1
    assert grown("pawfect_deadline_missed_total") == 0
    spent_s = grown("pawfect_stage_seconds_total", stage="patch_fill")
    assert spent_s == pytest.approx(report.stage_ms["patch_fill"] / 1000, abs=0.001)
    assert grown("pawfect_answer_seconds_total") >= spent_s


def test_a_request_that_ends_after_its_deadline_is_counted_as_missed(server, client: RawClient):
    missed = "pawfect_deadline_missed_total"
    before = value(scrape(server), missed, model="inpaint")
    with pytest.raises(PawfectError) as refused:
        client(LONG, LONG_HOLE, deadline_ms=1)
    assert refused.value.kind is ErrorKind.DEADLINE
    assert value(scrape(server), missed, model="inpaint") == before + 1


def test_what_a_judge_was_asked_and_may_cost_is_counted(server, gemini):
    grpc = triton.InferenceServerClient(server.endpoints.grpc)
    names = "pawfect_judge_calls_total", "pawfect_judge_usd_total"
    before = scrape(server)
    judged = ask(grpc, "score_gemini")
    grpc.close()
    after = scrape(server)
    calls, usd = (
        value(after, name, model="score_gemini") - value(before, name, model="score_gemini")
        for name in names
    )
    assert calls == judged.calls == 1
    assert 0 < usd < 0.1
    counted = "pawfect_judge_answers_total"
    assert value(after, counted, outcome="scored") == value(before, counted, outcome="scored") + 1


def test_each_model_says_how_long_it_took_to_its_first_answer(server):
    text = scrape(server)
    started = families(text)["pawfect_model_start_seconds"].samples
    by_model = {sample.labels["model"]: sample.value for sample in started}
    assert {"inpaint", "inpaint_stream", "mask_cleanup", "patch_fill"} <= set(by_model)
    assert all(0 < seconds < 300 for seconds in by_model.values())
    assert value(text, "pawfect_out_of_memory_total") == 0


def test_the_docs_show_the_table():
    text = PAGE.read_text("utf-8")
    assert with_table(text) == text
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.M)) == set(METRICS)


class Family:
    """Stands for a stub process's own class, which counts in the server."""

    COUNTER, GAUGE = "counter", "gauge"
    made: dict[tuple[str, ...], Family]

    def __init__(self, name: str, description: str, kind: str) -> None:
        self.value = 0.0

    def Metric(self, labels: dict[str, str]) -> Family:  # noqa: N802 - Triton's name
        one = Family("", "", "")
        self.made[tuple(labels.values())] = one
        return one

    def set(self, value: float) -> None:
        self.value = value

    def increment(self, value: float) -> None:
        self.value += value


def test_labels_that_a_request_could_choose_are_bounded(monkeypatch):
    Family.made = {}
    monkeypatch.setattr(adapter, "backend", lambda: SimpleNamespace(MetricFamily=Family))
    meter = Meter("background_removal")
    try:
        for size in range(2 * MOST_SERIES):
            meter.set(NETWORK_MIB, 1, network="u2netp", size=str(size), device="cpu")
    finally:
        meter.close()
    of_network = [labels for labels in Family.made if len(labels) == 4]
    assert len(of_network) == MOST_SERIES + 1
    assert of_network[-1] == ("background_removal", "other", "other", "other")
