"""Quotas as the API holds them: what is refused, with which words, and what users see of it."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from pawfect.contract.capabilities import Capability
from pawfect_service.http.callers import ApiKeys, new_api_key
from pawfect_service.quotas.limits import Limits, Rules
from pawfect_service.telemetry.metrics import REGISTRY
from tests.service.api.runs.runs import RUNS, delivered, made
from tests.service.api.runs.test_versions import imported, refined
from tests.service.repeat import Repeat
from tests.service.stack import MASK, PHOTO, Stack, running

SEARCH = {"k_global": 2, "m_global": 0, "remote": True}


def limited(store: str, nowhere: str, **limits: Any) -> Any:
    """A running API with quotas."""
    return running(store, nowhere, rules=Rules(Limits(**limits)))


def said(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"]["message"])


async def usage(stack: Stack, uid: str = "u") -> dict[str, Any]:
    answer = await stack.http.get(f"/v1/users/{uid}/usage")
    assert answer.status_code == 200, answer.text
    return answer.json()


def counted(quota: str) -> float:
    return REGISTRY.get_sample_value("pawfect_quota_refusals_total", {"quota": quota}) or 0.0


async def searched(stack: Stack, uid: str = "u", **parameters: Any) -> httpx.Response:
    data = {"parameters": json.dumps({**SEARCH, **parameters})}
    where = f"{RUNS}?kind=search&user={uid}"
    return await stack.http.post(where, files={"photo": PHOTO, "mask": MASK}, data=data)


async def test_one_job_too_many_is_refused_until_another_has_ended_in_whatever_way(
    store: str, nowhere: str
) -> None:
    async with limited(store, nowhere, jobs=2) as stack:
        before = counted("jobs")
        assert (await stack.post(sid="a")).status_code == 202
        assert (await stack.post(sid="b")).status_code == 202
        refused = await stack.post(sid="c")
        message = said(refused, 429)
        assert message == (
            "quota of jobs: expected at most 2 of yours to wait or run at a time, got 2 already; "
            "wait until one is over, or cancel one"
        )
        assert int(refused.headers["retry-after"]) == 10
        assert counted("jobs") == before + 1
        assert (await stack.http.get("/v1/users/u/sessions/c")).status_code == 404
        assert (await usage(stack))["jobs"] == {"used": 2, "limit": 2}
        # The same request once more is the job that there is.
        job = (await stack.state(sid="a"))["job"]
        assert (await stack.post(sid="a")).json()["job"] == job
        # Another user's place is nobody else's.
        assert (await stack.post(uid="v", sid="a")).status_code == 202
        await stack.cancel("a")
        assert (await usage(stack))["jobs"]["used"] == 1
        assert (await stack.post(sid="c")).status_code == 202
        await stack.documents.delete("u", "c")
        said(await stack.post(sid="d"), 429)


async def test_of_twelve_at_once_at_two_processes_as_many_get_in_as_may(
    store: str, nowhere: str
) -> None:
    async with AsyncExitStack() as both:
        stacks = [await both.enter_async_context(limited(store, nowhere, jobs=3)) for _ in "ab"]
        answers = await asyncio.gather(*(stacks[n % 2].post(sid=f"s{n}") for n in range(12)))
        assert sorted(answer.status_code for answer in answers) == [202] * 3 + [429] * 9
        assert (await usage(stacks[0]))["jobs"]["used"] == 3


async def test_versions_and_refinements_of_runs_take_places_too(
    store: str, nowhere: str, repeat: Repeat
) -> None:
    async with limited(store, nowhere, jobs=1) as stack:
        here = await imported(stack)
        assert (await refined(stack, here)).status_code == 201
        said(await refined(stack, here), 429)
        said(await made(stack), 429)
        assert len((await stack.state(where=here))["versions"]) == 2
        await stack.http.delete(here)
        state = (await made(stack)).json()
        said(await made(stack), 429)
        await delivered(stack, state)
        assert (await made(stack)).status_code == 202


async def test_an_upload_that_does_not_fit_is_refused_and_a_result_is_kept(
    store: str, nowhere: str
) -> None:
    room = len(PHOTO) + len(MASK) + 10
    async with limited(store, nowhere, kept_bytes=room) as stack:
        assert (await stack.post()).status_code == 202
        kept = (await usage(stack))["keptBytes"]
        assert kept == {"used": len(PHOTO) + len(MASK), "limit": room}
        # What a worker makes of it is kept, and the next upload is refused.
        await stack.files.put({"users/u/sessions/s/edited.jpg": bytes(50)})
        assert (await usage(stack))["keptBytes"]["used"] == room + 40
        refused = await stack.post(sid="t")
        message = said(refused, 413)
        assert message.startswith(f"quota of storage: expected at most {room} bytes of yours")
        assert "retry-after" not in refused.headers
        assert (await stack.post(uid="v")).status_code == 202


async def test_a_reference_counts_and_a_run_without_one_byte_more_works_on(
    store: str, nowhere: str
) -> None:
    async with limited(store, nowhere, kept_bytes=2**20) as stack:
        here = await imported(stack)
        first = await stack.http.post(f"{here}/files", files={"file": PHOTO})
        assert first.status_code == 201, first.text
        left = 2**20 - (await usage(stack))["keptBytes"]["used"]
        await stack.files.put({"users/u/sessions/s/original.jpg": bytes(left - len(PHOTO) + 1)})
        said(await stack.http.post(f"{here}/files", files={"file": PHOTO}), 413)
        # A region by its box brings no file.
        await stack.files.put({"users/u/sessions/s/edited.jpg": bytes(9000)})
        assert (await refined(stack, here)).status_code == 201


async def test_judges_are_paid_as_far_as_the_days_money_goes_and_without_them_all_goes_on(
    store: str, nowhere: str
) -> None:
    # Two candidates: 2 x (3 x 0.023 + 18 x 0.001) = 0.174 USD at most.
    async with limited(store, nowhere, judge_usd=0.4) as stack:
        for _ in range(2):
            assert (await searched(stack)).status_code == 202
        money = (await usage(stack))["judgeUsd"]
        assert money == {"used": 0.0, "held": pytest.approx(0.348), "limit": 0.4}
        refused = await searched(stack)
        message = said(refused, 429)
        assert "got 0 USD spent, 0.348 USD held for your jobs under way and up to 0.174" in message
        assert 0 < int(refused.headers["retry-after"]) <= 86_400
        alone = said(await searched(stack, k_global=5), 400)
        assert alone.endswith("ask for fewer candidates, or send it without remote")
        assert (await searched(stack, remote=False)).status_code == 202
        assert (await searched(stack, uid="v")).status_code == 202


async def test_a_judge_that_the_server_has_not_costs_nothing(
    store: str, nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with limited(store, nowhere, judge_usd=0.02) as stack:
        gate = stack.app.state.context.gate

        async def of(name: str) -> Capability:
            return Capability(name == "score_moondream", "not set up")

        monkeypatch.setattr(gate._abilities, "of", of)
        said(await searched(stack), 400)
        assert (await searched(stack, k_global=1)).status_code == 202
        assert (await usage(stack))["judgeUsd"]["held"] == pytest.approx(0.018)


async def test_without_quotas_nothing_is_counted_and_nothing_refused(alone: Stack) -> None:
    assert (await alone.post()).status_code == 202
    assert (await alone.services.stores.records.quota("u")) is None
    told = await usage(alone)
    assert told["jobs"] == {"used": None, "limit": None}
    assert told["keptBytes"]["used"] == len(PHOTO) + len(MASK)


async def test_a_file_of_exceptions_is_read_anew_while_the_api_runs(
    store: str, nowhere: str, tmp_path: Path
) -> None:
    file = tmp_path / "quotas.toml"
    file.write_text("")
    async with running(store, nowhere, rules=Rules(Limits(jobs=0), file)) as stack:
        said(await stack.post(), 429)
        file.write_text('[[users]]\nuid = "u"\njobs = 1\n')
        assert (await stack.post()).status_code == 202
        said(await stack.post(uid="v"), 429)


async def test_own_figures_are_for_oneself_and_for_keys_of_every_user(store: str, nowhere: str) -> None:
    keys = {
        name: new_api_key(name, uid, admin=name in ("root", "boss"))
        for name, uid in (("anna", "a"), ("bert", "b"), ("root", "*"), ("boss", "r"))
    }
    authenticators = [ApiKeys([line for _, line in keys.values()])]
    async with running(store, nowhere, authenticators, rules=Rules(Limits(jobs=7))) as stack:
        for path in ("usage", "consents"):
            for name, status in (("anna", 200), ("bert", 403), ("root", 200), ("boss", 403)):
                headers = {"x-api-key": keys[name][0]}
                answer = await stack.http.get(f"/v1/users/a/{path}", headers=headers)
                assert answer.status_code == status, (path, name)
            assert (await stack.http.get(f"/v1/users/a/{path}")).status_code == 401


async def test_a_store_that_is_away_lets_nobody_past_a_quota(
    store: str, nowhere: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from pawfect.contract.errors import ErrorKind, PawfectError

    caplog.set_level(logging.CRITICAL)
    async with limited(store, nowhere, jobs=2) as stack:

        async def away(uid: str, decide: Any) -> Any:
            raise PawfectError(ErrorKind.UNAVAILABLE, "store: away")

        monkeypatch.setattr(stack.services.stores.records, "update_quota", away)
        said(await stack.post(), 503)
        assert await stack.documents.get("u", "s") is None
