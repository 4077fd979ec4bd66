"""Nothing of pictures or people gets into logs, metrics or traces: canaries are looked for there.

A session's address, which has its user's id, is what logs and traces go by. It stands where it is
meant to and nowhere else.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image
from prometheus_client import generate_latest

from pawfect.contract.errors import PawfectError
from pawfect_client import AsyncPawfectClient
from pawfect_service.http.callers import ApiKeys, GoogleTokens, KeptCertificates, new_api_key
from pawfect_service.stores.base import Change
from pawfect_service.telemetry.logs import JsonLines, without_got
from pawfect_service.telemetry.metrics import REGISTRY
from pawfect_triton import adapter
from tests.pawfect.photo.pictures import encoded, scene
from tests.scrape import page
from tests.service.api.runs.runs import RUNS
from tests.service.api.runs.test_refinements import sent
from tests.service.stack import MASK, Stack, running
from tests.service.telemetry.test_traces import spans
from tests.service.tokens import AUDIENCE, Certificates, token

__all__ = ["spans"]

UID = "person-4711"
# Each where a request may have it; none of them in a name or a word of ours.
CANARIES = {
    name: f"canary{name}{secrets.token_hex(4)}"
    for name in (
        "file", "prompt", "exif", "key", "bearer", "link", "query", "mail", "words", "payload",
        "comment", "parameter", "network", "cookie", "method", "message", "document", "kind", "run",
        "signin", "origin", "host", "agent", "forwarded", "charset", "socket", "cursor", "job",
    )
}  # fmt: skip
# Where a user's id may stand: the fields of a line, the attributes of a span.
ADDRESSES = {"session", "path", "pawfect.uid"}


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What this process's loggers write as `pawfect api` and `pawfect worker` have them write."""
    sink = io.StringIO()
    handler = logging.StreamHandler(sink)
    handler.setFormatter(JsonLines())
    root, ours = logging.getLogger(), logging.getLogger("httpx")
    levels = root.level, ours.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    # The caller's own.
    ours.setLevel(logging.ERROR)
    yield sink
    root.removeHandler(handler)
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def photo() -> bytes:
    exif = Image.Exif()
    # Artist and ImageDescription.
    exif[0x013B] = exif[0x010E] = CANARIES["exif"]
    return encoded(scene(160, 128), "JPEG", quality=92, exif=exif)


async def ask_all(stack: Stack) -> None:
    """Send requests with a canary in each place that has room for one, well formed and not."""
    http, one = stack.http, CANARIES
    files = {
        "photo": (f"{one['file']}.jpg", photo(), "image/jpeg"),
        "mask": (f"{one['file']}.png", MASK, "image/png"),
    }
    unmasked = {"photo": files["photo"]}
    here = f"/v1/users/{UID}/sessions/s"
    ways: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("POST", f"{here}/inpaint", {"files": files, "data": {"prompt": one["prompt"]}}),
        ("POST", f"{here}2/inpaint", {"files": unmasked, "data": {"remove": one["words"]}}),
        ("POST", f"{here}/inpaint", {"files": files, "data": {one["parameter"]: "1"}}),
        ("GET", f"{here}?token={one['query']}", {}),
        ("GET", f"/v1/users/{one['mail']}@example.com/sessions/s", {}),
        ("GET", f"/v1/audits/{one['link']}/audit.html", {}),
        ("GET", f"{here}/files/{one['file']}.jpg", {}),
        ("GET", f"/{one['file']}.jpg", {}),
        ("GET", here, {"headers": {"X-API-Key": one["key"]}}),
        ("GET", here, {"headers": {"X-API-Key": "", "Authorization": f"Bearer {one['bearer']}"}}),
        ("GET", here, {"headers": {"X-API-Key": "", "Cookie": f"pawfect={one['cookie']}"}}),
        (one["method"], here, {}),
        ("POST", f"{RUNS}?kind={one['kind']}", {"files": files}),
        ("GET", f"{RUNS}/{one['run']}@example.com", {}),
        ("POST", "/api/v1/sign-in", {"json": {"key": one["signin"]}}),
        ("GET", here, {"headers": {
            "Origin": f"https://{one['origin']}.example", "Host": f"{one['host']}.example",
            "User-Agent": one["agent"], "Referer": f"https://a.example/?{one['agent']}",
            "X-Forwarded-For": one["forwarded"], "X-Forwarded-Host": one["forwarded"],
        }}),
        ("POST", f"{here}/inpaint", {"content": b"", "headers": {
            "Content-Type": f"multipart/form-data; boundary=x; charset={one['charset']}"}}),
        ("GET", f"{RUNS}?before={one['cursor']}", {}),
        ("GET", f"/api/v1/jobs/{one['job']}/events", {}),
        ("GET", f"/api/v1/ws/{one['socket']}", {"headers": {
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Cookie": f"x={one['socket']}"}}),
    )  # fmt: skip
    for method, url, given in ways:
        answer = await http.request(method, url, **given)
        assert answer.status_code != 500, answer.text
    made = await http.post(f"{RUNS}?kind=import", files={"photo": files["photo"]})
    assert made.status_code == 202, made.text
    run = f"{RUNS}/{made.json()['runId']}"
    await stack.until(
        lambda state: state["versions"][0]["processingStatus"] == "completed", where=run
    )
    said = {"rating": 5, "comment": one["comment"]}
    assert (await http.post(f"{run}/feedback", json=said)).status_code == 200
    box = {"bbox": [40, 40, 20, 20], "text": one["payload"]}
    answer = await sent(stack, run, {"type": "text", "payload": {"corrections": [box]}})
    assert answer.status_code == 201, answer.text
    await stack.until(
        lambda state: state["versions"][1]["processingStatus"] in ("completed", "failed"), where=run
    )


async def break_jobs(stack: Stack) -> None:
    """Have a worker meet a message that it cannot read, and a document that somebody edited."""
    await stack.services.stores.queue.publish(
        json.dumps({"uid": CANARIES["message"], "x": 1}).encode(), {}
    )
    posted = await stack.post(uid=UID, sid="edited")
    assert posted.status_code == 202, posted.text

    def edit(old: dict[str, Any], now: float) -> Change:
        request = {**old["request"], "seed": CANARIES["document"]}
        return Change({**old, "request": request})

    await stack.documents.update(UID, "edited", edit)


async def ask_models(url: str, trace: str) -> None:
    """Call models past the API, with canaries in what they refuse."""
    header = ("traceparent", f"00-{trace}-00f067aa0ba902b7-01")
    image = scene(96, 96)
    async with AsyncPawfectClient(url, headers=lambda: (header,)) as client:
        for refused in (
            client.background_removal(image, network=CANARIES["network"]),
            client.find_masks(image, CANARIES["words"]),
        ):
            with pytest.raises(PawfectError):
                await refused


async def test_no_canary_is_in_a_log_a_metric_or_a_trace(store, server, collector, spans, log):
    trace = secrets.token_hex(16)
    key, line = new_api_key("shop", UID)
    told = len(server.output())
    ways = [ApiKeys([line]), GoogleTokens([AUDIENCE], KeptCertificates(Certificates()))]
    headers = {"X-API-Key": key, "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    mail = f"{CANARIES['mail']}@example.com"
    async with running(store, server.endpoints.grpc, ways, headers=headers) as stack:
        await break_jobs(stack)
        async with stack.working():
            await ask_all(stack)
            signed = {"Authorization": f"Bearer {token(sub=UID, email=mail)}"}
            async with httpx.AsyncClient(base_url=stack.http.base_url, trust_env=False) as other:
                found = await other.get(f"/v1/users/{UID}/sessions/s", headers=signed)
            assert found.status_code == 200, found.text
            for sid in ("s", "edited"):
                await stack.over(UID, sid)
    await ask_models(server.endpoints.grpc, trace)
    theirs = await asyncio.to_thread(collector.of, trace, {"inpaint_stream", "background_removal"})
    lines = [json.loads(each) for each in log.getvalue().splitlines()]
    of_server = server.output()[told:]
    metrics_url = f"http://127.0.0.1:{server.endpoints.metrics_port}/metrics"
    pages = generate_latest(REGISTRY).decode() + page(metrics_url)
    own = [
        {"name": each.name, "status": each.status.description, **dict(each.attributes or {})}
        for each in spans.get_finished_spans()
    ]

    # All of it happened, and was written about.
    messages = {each["message"] for each in lines}
    assert {"request", "queued", "delivery", "failure", "buried"} <= messages
    everything = {
        "log": json.dumps(lines), "server": of_server, "metrics": pages,
        "spans": json.dumps(own), "models' spans": repr(theirs),
    }  # fmt: skip
    for where, text in everything.items():
        for canary in [*CANARIES.values(), key, mail, signed["Authorization"].split()[1]]:
            at = text.find(canary)
            assert at < 0, f"{where}: {text[max(at - 300, 0) : at + 60]}"
            assert base64.b64encode(canary.encode()).decode().rstrip("=") not in text, where
    # A user's id stands in addresses alone.
    for each in [*lines, *own]:
        elsewhere = {name: value for name, value in each.items() if name not in ADDRESSES}
        assert UID not in json.dumps(elsewhere), each
    assert UID not in of_server + pages + everything["models' spans"]
    assert max(len(json.dumps(each)) for each in lines) < 2000, "no picture fits"


def test_a_message_is_logged_without_what_came():
    said = "prompt: expected at most 10 letters, got 'a white dog'"
    assert without_got(said) == "prompt: expected at most 10 letters"
    assert without_got("server: away") == "server: away"


def test_a_models_log_has_an_errors_place_and_not_the_text_it_stumbled_over():
    def stumbles() -> None:
        try:
            {}["the owner's words"]
        except KeyError as error:
            raise RuntimeError("CUDA error: device-side assert") from error

    with pytest.raises(RuntimeError) as caught:
        stumbles()
    said = adapter.told(caught.value)
    assert "owner" not in said.replace('{}["the owner\'s words"]', "")
    assert said.endswith("RuntimeError: CUDA error: device-side assert")
    assert "KeyError" in said
    assert "in stumbles" in said
