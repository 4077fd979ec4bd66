"""Prometheus itself scrapes the running system: rules hold, and the dashboard's queries answer."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from harness.process import LoggedProcess
from pawfect_service.telemetry.metrics import tell_metrics
from perf.observability.panels import rows
from tests.conftest import free_ports
from tests.deploy.alert_rules import FILE, alerts, recorded
from tests.deploy.test_dashboard import metrics_of
from tests.server.test_metrics import UNSEEN, worked
from tests.service.api.runs.runs import completed
from tests.service.repeat import Repeat
from tests.service.stack import Stack

# What has no series where all is well, and what this test has no occasion for.
QUIET = {
    "Requests of models: {{model}} {{reason}}",
    "Failures by route: {{route}} {{status}}",
    "No score: {{model}}",
}
SEEN_ELSEWHERE = UNSEEN | {"pawfect_comparisons_total"}
PATIENCE_S = 60.0


@pytest.fixture
async def prometheus(server, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A Prometheus that scrapes the suite's server and this process each second."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed: Debian's package of that name has it")
    own, port = free_ports(2)
    tell_metrics("127.0.0.1", own)
    text = re.sub(r"interval: \d+s", "interval: 1s", FILE.read_text("utf-8"))
    (tmp_path / "rules.yaml").write_text(text)
    targets = {"server": server.endpoints.metrics_port, "service": own}
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{at}"]}]}
            for name, at in targets.items()
        ],
    }
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config))
    command = [
        program,
        f"--config.file={tmp_path / 'prometheus.yaml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    url = f"http://127.0.0.1:{port}/api/v1"
    with LoggedProcess(command, tmp_path / "prometheus.log", environment=dict(os.environ)) as ran:
        ran.wait_for("Server is ready to receive web requests", timeout_s=PATIENCE_S)
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            yield http
        ran.stop()


async def found(prometheus: httpx.AsyncClient, query: str) -> list[Any]:
    asked = {"query": query.replace("$model", ".+")}
    answer = await prometheus.get("/query", params=asked)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"]["result"])


async def work(server: Any, stack: Stack, repeat: Repeat) -> None:
    """Have the system do all that it does, in a moment."""
    await asyncio.to_thread(worked, server)
    here = await completed(stack)
    assert (await stack.http.post(f"{here}/feedback", json={"rating": 5})).status_code == 200
    await stack.deliver(
        await stack.ordered(repeat, sid=f"f{repeat.done}", text=b""), sid=f"f{repeat.done}"
    )


@pytest.mark.slow
async def test_every_query_of_the_dashboard_finds_something_once_the_system_has_worked(
    server, gemini, prometheus: httpx.AsyncClient, alone: Stack, repeat: Repeat
):
    queries = {
        f"{plot.title}: {legend}": query
        for plots in rows().values()
        for plot in plots
        for legend, query in plot.queries.items()
        if not metrics_of(query) & SEEN_ELSEWHERE
    }
    assert set(queries) >= QUIET
    queries = {name: query for name, query in queries.items() if name not in QUIET}
    assert len(queries) > 40
    await work(server, alone, repeat)
    async with asyncio.timeout(PATIENCE_S):
        # Of each series a first sample; a rate needs another one.
        for first in ("pawfect_rating_count", 'pawfect_answers_total{kind="UNAVAILABLE"}'):
            while not await found(prometheus, f"{first} > 0"):
                await asyncio.sleep(0.2)
    await work(server, alone, repeat)
    until = time.monotonic() + PATIENCE_S
    empty = dict(queries)
    while empty:
        empty = {name: query for name, query in empty.items() if not await found(prometheus, query)}
        assert not empty or time.monotonic() < until, list(empty)
        await asyncio.sleep(0.5 if empty else 0)


@pytest.mark.slow
async def test_every_rule_is_evaluated_without_an_error(server, prometheus: httpx.AsyncClient):
    async with asyncio.timeout(PATIENCE_S):
        while True:
            groups = (await prometheus.get("/rules")).json()["data"]["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            if rules and all(rule["health"] != "unknown" for rule in rules):
                break
            await asyncio.sleep(0.2)
    assert {rule["name"] for rule in rules} == {alert.name for alert in alerts()} | set(recorded())
    assert [rule["lastError"] for rule in rules if rule.get("lastError")] == []
    assert {rule["health"] for rule in rules} == {"ok"}
