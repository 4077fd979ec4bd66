"""Followers of jobs: by server-sent events and by WebSocket, again and again where they break."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from perf.service.soak.ledger import Accepted, Ledger

_AGAIN_S: Final = 0.5
# A stream that says nothing for so long is left and asked again, s.
_SILENT_S: Final = 20.0


class _Heard:
    """What one follower has heard; messages of runs are numbered, those of sessions are not."""

    def __init__(self, ledger: Ledger, job: Accepted) -> None:
        self._ledger, self._job = ledger, job
        self.last = 0
        self.over = False

    def take(self, message: dict[str, Any]) -> None:
        """Take a message; what comes twice, or after the end, must not be."""
        name = f"{self._job.uid}/{self._job.sid}"
        if "seq" in message:
            if message["seq"] <= self.last:
                self._ledger.wrong.append(f"{name}: message {message['seq']} after {self.last}")
            self.last = message["seq"]
        if self.over:
            self._ledger.wrong.append(f"{name}: a message after the end")
        status = message.get("status", message.get("processingStatus"))
        self.over = message.get("type") == "end" or (
            "type" not in message and status in ("completed", "failed", "cancelled")
        )
        self._ledger.told["messages to followers"] += 1


def _stream_of(job: Accepted, events: bool) -> str:
    if job.version is None:
        return f"{job.url}/{'events' if events else 'ws'}"
    token, _, uid = job.url.removeprefix("/api/v1/runs/").partition(".")
    name = f"{token}-{job.version:04d}.{uid}"
    return f"/api/v1/jobs/{name}/events" if events else f"/api/v1/ws/{name}"


async def by_events(
    http: httpx.AsyncClient, ledger: Ledger, job: Accepted, over: asyncio.Event
) -> None:
    """Follow a job by server-sent events to its end; come again where the stream breaks."""
    heard = _Heard(ledger, job)
    while not (heard.over or over.is_set()):
        after = {"after": str(heard.last)} if job.version is not None else {}
        try:
            async with (
                asyncio.timeout(_SILENT_S),
                http.stream("GET", _stream_of(job, True), params=after) as answer,
            ):
                if answer.status_code == 200:
                    async for line in answer.aiter_lines():
                        if line.startswith("data:"):
                            heard.take(json.loads(line[5:]))
        except (httpx.HTTPError, OSError, TimeoutError):
            pass
        if not heard.over:
            ledger.told["streams that broke off"] += 1
            await asyncio.sleep(_AGAIN_S)


async def by_socket(url: str, ledger: Ledger, job: Accepted, over: asyncio.Event) -> None:
    """Follow a job by WebSocket to its end; come again where it breaks."""
    heard = _Heard(ledger, job)
    base = url.replace("http", "ws", 1)
    while not (heard.over or over.is_set()):
        after = f"?after={heard.last}" if job.version is not None else ""
        try:
            async with (
                asyncio.timeout(_SILENT_S),
                connect(f"{base}{_stream_of(job, False)}{after}", proxy=None) as socket,
            ):
                async for text in socket:
                    heard.take(json.loads(text))
        except (WebSocketException, OSError, TimeoutError):
            pass
        if not heard.over:
            ledger.told["streams that broke off"] += 1
            await asyncio.sleep(_AGAIN_S)
