"""One trace from the request through the queue to each stage of the server; logs that name it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from pawfect.contract.errors import ErrorKind, PawfectError, QueueAction
from pawfect_service.telemetry.logs import JsonLines, log_fields
from pawfect_service.telemetry.traces import carried, context_of, send_traces, span
from tests.service.stack import HERE, Stack, running, slowly_labelled

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
FILL = "triton inpaint_stream"
_EXPORTER = InMemorySpanExporter()


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """What this process's spans become; OpenTelemetry takes one provider per process."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(_EXPORTER))
        trace.set_tracer_provider(provider)
    _EXPORTER.clear()
    yield _EXPORTER
    _EXPORTER.clear()


@pytest.fixture
def lines() -> Iterator[Any]:
    """The log's lines, parsed."""
    sink = io.StringIO()
    handler = logging.StreamHandler(sink)
    handler.setFormatter(JsonLines())
    root = logging.getLogger("pawfect")
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in sink.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)


async def test_a_fill_that_fails_shows_the_stages_it_came_through(stack, spans, monkeypatch):
    fill = stack.services.tools.triton.inpaint_stream

    async def breaking(*arguments: Any, **named: Any):
        async for event in fill(*arguments, **named):
            yield event
            raise PawfectError(ErrorKind.UNAVAILABLE, "server: away")

    monkeypatch.setattr(stack.services.tools.triton, "inpaint_stream", breaking)
    job = await stack.queued()
    assert (await stack.deliver(job)).action is QueueAction.NACK
    found = {each.name: each for each in spans.get_finished_spans()}
    (told,) = [name for name in found if name.startswith("triton ") and name != FILL]
    assert found[told].parent.span_id == found[FILL].context.span_id
    assert found[told].end_time > found[told].start_time >= found[FILL].start_time
    assert not found[FILL].status.is_ok


async def test_one_trace_spans_request_queue_worker_and_stages(store, server, spans, lines):
    async with slowly_labelled(store, server, 0.2, headers=CALLER) as (stack, triton):
        await stack.post()
        async with stack.working():
            state = await stack.over()
    found = {span_.name: span_ for span_ in spans.get_finished_spans()}
    by_id = {span_.context.span_id: span_ for span_ in spans.get_finished_spans()}

    def parents(name: str) -> list[str]:
        chain, span_ = [], found[name]
        while span_ is not None and span_.parent is not None:
            span_ = by_id.get(span_.parent.span_id)
            chain.append(span_.name if span_ else "the caller's")
        # FastAPI has spans of its own between ours.
        return [link for link in chain if not link.startswith("fastapi")]

    post = "POST /v1/users/{uid}/sessions/{sid}/inpaint"
    stages = [f"triton {stage}" for stage in state["report"]["stage_ms"]]
    assert "triton patch_fill" in stages
    for name in (post, "publish", "scene_labels", "job", "triton inpaint_stream", *stages):
        assert trace.format_trace_id(found[name].context.trace_id) == TRACE, name
    for stage in stages:
        chain = [stage, "triton inpaint_stream", "job", "publish", post, "the caller's"]
        assert [stage, *parents(stage)] == chain
        span_ = found[stage]
        spent_ms = (span_.end_time - span_.start_time) / 1e6
        assert spent_ms == pytest.approx(
            state["report"]["stage_ms"][stage.removeprefix("triton ")], abs=0.01
        )
    assert parents("scene_labels") == [post, "the caller's"]
    for model, own in (
        ("inpaint_stream", "triton inpaint_stream"),
        ("scene_labels", "scene_labels"),
    ):
        headers = next(headers for asked, headers in triton.asked if asked == model)
        identity = trace.format_span_id(found[own].context.span_id)
        assert headers["traceparent"] == f"00-{TRACE}-{identity}-01"

    delivered = [line for line in lines() if line["message"] == "delivery"][-1]
    assert delivered["session"] == "u/s"
    assert delivered["job"] == state["job"]
    assert delivered["traceId"] == TRACE
    queued = next(line for line in lines() if line["message"] == "queued")
    assert (queued["session"], queued["traceId"]) == ("u/s", TRACE)


async def test_the_trace_goes_on_into_the_models_of_the_server(store, server, spans, collector):
    trace_id = secrets.token_hex(16)
    caller = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    async with running(store, server.endpoints.grpc, headers=caller) as stack:
        await stack.post()
        async with stack.working():
            await stack.over()
    kept = await asyncio.to_thread(
        collector.of, trace_id, {"inpaint_stream", "call patch_fill", "patch_fill"}
    )
    own = {trace.format_span_id(each.context.span_id): each for each in spans.get_finished_spans()}
    theirs = {each.id: each for each in kept}
    patch_fill = next(each for each in kept if each.name == "patch_fill")
    chain, parent = [patch_fill.name], patch_fill.parent
    while parent in theirs:
        chain.append(theirs[parent].name)
        parent = theirs[parent].parent
    while parent in own:
        chain.append(own[parent].name)
        parent = trace.format_span_id(own[parent].parent.span_id)
    post = "POST /v1/users/{uid}/sessions/{sid}/inpaint"
    models = ["patch_fill", "call patch_fill", "inpaint_stream"]
    between = [link for link in chain if not link.startswith("fastapi")]
    assert between == [*models, FILL, "job", "publish", post]
    assert parent == "00f067aa0ba902b7"


async def test_a_failure_is_logged_with_its_attempt_and_marks_its_spans(alone: Stack, spans, lines):
    job = await alone.queued()
    await alone.files.delete(f"{HERE}/original.jpg")
    await alone.deliver(job)
    failure = next(line for line in lines() if line["message"] == "failure")
    assert (failure["attempt"], failure["session"], failure["kind"]) == (1, "u/s", "INVALID_ARG")
    asked = [line for line in lines() if line["message"] == "request"]
    assert {line["session"] for line in asked} == {"u/s"}
    failed = next(s for s in spans.get_finished_spans() if s.name == "read files")
    assert failed.status.status_code is trace.StatusCode.ERROR
    assert "original.jpg" in str(failed.status.description)


def test_a_line_holds_no_message_of_a_foreign_exception_but_its_place(lines):
    log = logging.getLogger("pawfect.test")
    with log_fields(session="u/s"):
        try:
            open("/srv/secret/place")  # noqa: SIM115
        except OSError:
            log.exception("broken", extra={"count": 2})
    (line,) = lines()
    assert "secret" not in json.dumps(line)
    assert (line["error"], line["count"], line["session"]) == ("FileNotFoundError", 2, "u/s")
    assert line["at"].startswith("tests.service.telemetry.test_traces:")
    assert line["severity"] == "ERROR"
    assert line["time"].endswith("Z")


@pytest.mark.parametrize("given", ["", "00-0-0-0", "zz", f"00-{'0' * 32}-{'0' * 16}-01", "\x00"])
def test_a_traceparent_that_is_none_starts_a_trace_of_its_own(spans, given):
    with span("work", parent=context_of({"traceparent": given})) as opened:
        assert opened.get_span_context().is_valid
        assert carried()["traceparent"].split("-")[1] != TRACE


def test_nothing_is_sent_where_no_collector_is_named(monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    before = trace.get_tracer_provider()
    assert send_traces("pawfect-api") is None
    assert trace.get_tracer_provider() is before
