"""Ten refinements of one run at once while workers die: ten versions, one result each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.process import LoggedProcess
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.document import attempt_paths
from pawfect_service.jobs.kinds import REFINE
from pawfect_service.jobs.moves import claim_result, take_up
from pawfect_service.jobs.paths import RunId
from pawfect_service.stores import make_queue
from tests.pawfect.photo.pictures import encoded, scene
from tests.service.api.runs.inverting import Inverting
from tests.service.api.runs.test_versions import imported, refined
from tests.service.jobs.session import COST
from tests.service.process.test_commands import process
from tests.service.stack import Stack, running

FINAL = ("completed", "failed", "cancelled")
# A dead worker's job is taken over soon.
CONTRACT = JobContract(lease_s=0.5, backoff_min_s=0.1, backoff_max_s=0.5, deliveries=4000)
PATIENCE_S = 240.0


def run_of(here: str) -> RunId:
    run = RunId.parse(here.rpartition("/")[2])
    assert run is not None
    return run


class Watched:
    """A run's manifest, read all the time: never torn, and what is over stays as it is."""

    def __init__(self, stack: Stack, here: str) -> None:
        self._stack, self._here = stack, here
        self.last: dict[str, Any] = {}
        self.read = 0
        self._over: dict[int, Any] = {}
        self._changed = asyncio.Condition()

    async def look(self) -> None:
        while True:
            answer = await self._stack.http.get(f"{self._here}/run.json")
            manifest = json.loads(answer.content)
            numbers = [one["version"] for one in manifest["refinements"]]
            assert numbers == list(range(2, 2 + len(numbers)))
            assert len(numbers) >= len(self.last.get("refinements", []))
            assert len({one["job_id"] for one in manifest["refinements"]}) == len(numbers)
            for one in manifest["refinements"]:
                assert (one["image_path"] is not None) == (one["status"] == "completed")
                if one["status"] in FINAL:
                    assert self._over.setdefault(one["version"], one) == one
            async with self._changed:
                self.last = manifest
                self.read += 1
                self._changed.notify_all()

    async def until(self, holds: Any) -> None:
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: self.last and holds(self.last["refinements"]))

    async def passed(self, holds: Any) -> None:
        """Return once `holds()`, asked after each reading, says so."""
        async with asyncio.timeout(PATIENCE_S):
            while not await holds():
                async with self._changed:
                    await self._changed.wait()

    @property
    def seeds(self) -> list[int]:
        return sorted(one["report"]["seed"] for one in self.last["refinements"])


@asynccontextmanager
async def watching(stack: Stack, here: str) -> AsyncIterator[Watched]:
    watched = Watched(stack, here)
    looking = asyncio.create_task(watched.look())
    try:
        yield watched
        assert not looking.done(), looking.exception()
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


def all_over(versions: list[Any]) -> bool:
    return len(versions) == 10 and all(one["status"] in FINAL for one in versions)


async def ten(stack: Stack, here: str) -> None:
    asked = (refined(stack, here, parameters={"seed": seed}) for seed in range(10))
    answers = await asyncio.gather(*asked)
    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 12))


# On the emulators with all tests: a message that was put back may be lost to Pub/Sub's for long.
@pytest.mark.parametrize(
    "store_url", ["embedded", pytest.param("google", marks=pytest.mark.slow)], indirect=True
)
async def test_ten_refinements_survive_workers_that_die(
    store_url, nowhere, uid, inverting: Inverting
):
    make_queue(store_url, CONTRACT)
    async with running(store_url, nowhere, contract=CONTRACT) as stack:
        here = await imported(stack, user=uid)
        run = run_of(here)
        async with watching(stack, here) as watched:
            await ten(stack, here)
            for version in (2, 5, 8):
                # One that dies at work, and one that dies before its result is published.
                await died(stack, run, version)
                await died(stack, run, version + 1, claims=True)
            async with stack.working(jobs=3):
                await watched.until(all_over)
        versions = watched.last["refinements"]
        assert [one["status"] for one in versions] == ["completed"] * 10
        claimed = {one["version"] for one in versions if one["report"] == {"seed": one["version"]}}
        assert claimed == {3, 6, 9}, "what a dead worker has claimed is not made again"
        documents = [await stack.documents.get(uid, run.sid(n)) for n in range(2, 12)]
        assert [each["counts"]["starts"] for each in documents] == [2, 1, 1, 2, 1, 1, 2, 1, 1, 1]
        left = [await stack.files.list(f"users/{uid}/sessions/{run.sid(n)}/attempts")
                for n in range(2, 12)]  # fmt: skip
        assert left == [[]] * 10
        assert watched.read > 3


async def died(stack: Stack, run: RunId, version: int, *, claims: bool = False) -> None:
    """Have a worker take a job up, perhaps claim a result, and never be heard of again."""
    move, where = stack.services.sessions.move, (run.uid, run.sid(version))
    document = await stack.documents.get(*where)
    mine = {"job": document["job"], "owner": "dead"}
    await move(*where, take_up, **mine)
    if claims:
        paths = attempt_paths(*where, document["job"], 1, REFINE)
        await stack.files.put(dict.fromkeys(paths.values(), encoded(scene(8, 8), "PNG")))
        await move(*where, claim_result, **mine, report=json.dumps({"seed": version}), cost=COST)


async def taken_up(documents: Any, owners: set[str]) -> bool:
    """Whether a worker holds a job that none of `owners` is; it is one of them from then on."""
    leases = [each["lease"] for each in await documents() if each["lease"]]
    new = {lease["owner"] for lease in leases} - owners
    owners |= new
    return bool(new)


@pytest.mark.slow
async def test_ten_refinements_survive_worker_processes_that_are_killed(
    tmp_path: Path, server, uid
):
    """Two workers of two jobs are killed four times, each time with a job in their hands."""
    store = f"embedded:{tmp_path / 'data'}"
    common = ("--store", store, "--triton", server.endpoints.grpc)
    photo = encoded(scene(900, 700), "JPEG", quality=92)
    workers: list[LoggedProcess] = []

    def start() -> None:
        for _ in range(2):
            folder = tmp_path / f"worker{len(workers)}"
            folder.mkdir()
            workers.append(process(folder, "worker", *common))

    async with running(store, server.endpoints.grpc) as stack:
        here = await imported(stack, photo, user=uid)
        run = run_of(here)

        async def documents() -> list[Any]:
            return [await stack.documents.get(uid, run.sid(n)) for n in range(2, 12)]

        try:
            async with watching(stack, here) as watched:
                await ten(stack, here)
                owners: set[str] = set()
                for _ in range(4):
                    start()
                    await watched.passed(lambda: taken_up(documents, owners))
                    for each in workers[-2:]:
                        each.process.kill()
                        each.process.wait()
                start()
                await watched.until(all_over)
            versions = watched.last["refinements"]
            assert [one["status"] for one in versions] == ["completed"] * 10
            assert watched.seeds == list(range(10)), "none lost, none doubled"
            for one in versions:
                found = await stack.http.get(f"{here}/{one['image_path']}")
                assert found.content[:4] == b"\x89PNG"
            ended = await documents()
            assert all(each["cost"]["seconds"] > 0 for each in ended)
            assert sum(each["counts"]["starts"] for each in ended) >= 14, "four died at work"
        finally:
            for each in workers:
                each.process.kill()
                each.process.wait()
