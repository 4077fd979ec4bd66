"""Metrics of API and worker: the table's, counted as jobs go, on a page of their own."""

from __future__ import annotations

import asyncio

from prometheus_client import generate_latest

from pawfect.contract.errors import ErrorKind, PawfectError, QueueAction
from pawfect.contract.metrics import METRICS, Source
from pawfect_service.telemetry.metrics import REGISTRY, count_request, tell_metrics
from pawfect_service.worker.expiry import sweep
from tests.conftest import free_ports
from tests.refusals import refusal
from tests.scrape import differences, ours, page, value
from tests.service.api.runs.runs import completed
from tests.service.repeat import Repeat
from tests.service.stack import HERE, Stack, held

OWN = {
    metric.name: metric
    for metric in METRICS.values()
    if metric.source in (Source.SERVICE, Source.API, Source.WORKER)
}


def now() -> str:
    return generate_latest(REGISTRY).decode()


class Grown:
    """By how much series have grown since it was made."""

    def __init__(self) -> None:
        self.before = now()

    def __call__(self, name: str, **labels: str) -> float:
        return round(value(now(), name, **labels) - value(self.before, name, **labels), 9)


def test_what_is_registered_is_the_table():
    found = ours(now())
    assert set(found) == set(OWN)
    assert list(differences(found)) == []


async def test_a_job_is_counted_from_its_queuing_to_its_cost(alone: Stack, repeat: Repeat):
    grown = Grown()
    await alone.ordered(repeat, times=2)
    assert grown("pawfect_jobs_queued_total", kind="repeat", variant="none") == 1
    await alone.ordered(repeat, times=2)
    assert grown("pawfect_jobs_queued_total", kind="repeat") == 1, "the same job"
    repeat.open.clear()
    async with alone.working():
        await alone.until(lambda state: state["processingStatus"] == "processing")
        assert grown("pawfect_jobs_running") == 1
        repeat.open.set()
        state = await alone.over()
        # Each request was published; the worker is stopped when it has answered both messages.
        async with asyncio.timeout(30):
            while grown("pawfect_deliveries_total", action="ack") < 2:
                await asyncio.sleep(0.02)
    assert grown("pawfect_deliveries_total", action="ack") == 2
    assert grown("pawfect_jobs_running") == 0
    assert grown("pawfect_jobs_done_total", kind="repeat", variant="none") == 1
    assert grown("pawfect_job_usd_total", kind="repeat") == state["cost"]["amount"] > 0
    for name in ("pawfect_job_wait_seconds", "pawfect_job_seconds"):
        assert grown(f"{name}_count", kind="repeat") == 1
        assert 0 <= grown(f"{name}_sum", kind="repeat") < 60
    assert grown("pawfect_job_failures_total") == 0


async def test_a_job_that_fails_is_counted_by_the_kind_of_its_error(alone: Stack, repeat: Repeat):
    grown = Grown()
    outcome = await alone.deliver(await alone.ordered(repeat, text=b""))
    assert outcome.reason.startswith("failed")
    assert grown("pawfect_job_failures_total", kind="repeat", error="INVALID_ARG") == 1
    assert grown("pawfect_jobs_done_total") == 0
    assert (await alone.handler().handle(b"{", {}, held)).action is None
    assert grown("pawfect_deliveries_total", action="bury") == 1


def test_the_first_message_that_is_buried_is_an_increase():
    for action in ("ack", "nack", "fail", "bury"):
        assert f'pawfect_deliveries_total{{action="{action}"}}' in now()


async def test_a_failure_that_may_pass_is_counted_at_each_start(
    alone: Stack, repeat: Repeat, monkeypatch
):
    async def away(*given: object) -> None:
        raise PawfectError(ErrorKind.UNAVAILABLE, "server: away")

    monkeypatch.setattr(repeat, "work", away)
    grown = Grown()
    job = await alone.ordered(repeat)
    for _ in range(2):
        assert (await alone.deliver(job)).action is QueueAction.NACK
    assert grown("pawfect_job_failures_total", kind="repeat", error="UNAVAILABLE") == 2
    assert grown("pawfect_job_wait_seconds_count", kind="repeat") == 1, "the first start alone"
    assert grown("pawfect_deliveries_total", action="nack") == 2


async def test_a_job_that_is_given_up_is_counted(alone: Stack, repeat: Repeat):
    grown = Grown()
    await alone.ordered(repeat)
    await alone.edit(expiresAt=1.0)
    assert await sweep(alone.services) == 1
    assert grown("pawfect_jobs_overdue_total") == 1


async def test_a_rating_is_counted_with_its_value(alone: Stack, repeat: Repeat):
    grown = Grown()
    here = await completed(alone)
    assert (await alone.http.post(f"{here}/feedback", json={"rating": 4})).status_code == 200
    labels = {"kind": "repeat", "variant": "none"}
    assert grown("pawfect_rating_sum", **labels) == 4
    assert grown("pawfect_rating_bucket", le="3.0", **labels) == 0
    assert grown("pawfect_rating_bucket", le="4.0", **labels) == 1
    route = "/api/v1/runs/{run_id}/feedback"
    requests = "pawfect_http_requests_total"
    assert grown(requests, method="POST", route=route, status="200") == 1


async def test_requests_are_counted_by_route_and_status_and_streams_have_no_time(
    alone: Stack, repeat: Repeat
):
    await alone.ordered(repeat)
    grown = Grown()
    await alone.http.get("/v1/users/u/sessions/nobody")
    await alone.http.get("/healthz")
    requests, seconds = "pawfect_http_requests_total", "pawfect_http_request_seconds_count"
    route = "/v1/users/{uid}/sessions/{sid}"
    assert grown(requests, route=route, status="404") == grown(requests) == 1
    assert grown(seconds, method="GET") == 1
    await alone.cancel()
    async with alone.http.stream("GET", f"/v1/{HERE}/events") as events:
        await events.aread()
    assert grown(requests, route=f"{route}/events", status="200") == 1
    assert grown(seconds, method="GET") == 1
    assert "nobody" not in now()


def test_a_method_that_a_caller_made_up_is_no_label():
    count_request("X" * 50, None, 405, 0.1)
    assert value(now(), "pawfect_http_requests_total", method="unknown", route="unknown") >= 1
    assert "XXX" not in now()


def test_the_page_is_served_on_a_port_of_its_own_and_a_taken_one_is_refused():
    (port,) = free_ports(1)
    tell_metrics("127.0.0.1", port)
    assert set(ours(page(f"http://127.0.0.1:{port}/metrics"))) == set(OWN)
    message = refusal(ErrorKind.INVALID_ARG, tell_metrics, "127.0.0.1", port)
    assert "expected an address for the metrics page, got" in message
    tell_metrics("127.0.0.1", None)
