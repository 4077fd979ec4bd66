"""The run: real emulators, API, workers and server, and one who breaks them."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unittest.mock import patch

import click
import httpx
from google.cloud import firestore

from harness.emulators import BUCKET, PROJECT, all_running
from harness.local_server import HOST, free_ports
from harness.process import PAWFECT, LoggedProcess
from harness.redelivery import Redelivery
from harness.relay import Relay
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.message import JobMessage
from pawfect_service.stores import make_queue, open_stores
from pawfect_service.stores.base import Stores
from pawfect_service.stores.google.topics import Names
from perf.service.faults.result import RunResult, SessionWatch
from perf.service.pictures import pictures

TOPIC: Final = "faults"
STORE: Final = f"google:{PROJECT}/{BUCKET}/{TOPIC}"
UID: Final = "u-faults"
# A cut lasts so long, s: longer than a client's patience with one connection.
CUT_S: Final = 3.0
READY_S: Final = 90.0
# How often progress is looked at, s.
LOOK_S: Final = 0.2
# Without any job finishing for so long, the run is given up: longer than all of a job's bounds.
STUCK_S: Final = 1200.0
# After the last job is final, deliveries that were put back come again within the longest backoff.
QUIET_S: Final = JobContract().backoff_max_s + 10
# Then what is left in the queue is looked for: longer than a lease.
LEFT_S: Final = JobContract().lease_s + 5
# At most so many jobs without a final state. The Pub/Sub emulator gives one worker up to 100
# messages, however few it asks for, and all of a killed worker's wait for a lease.
AT_ONCE: Final = 32
# Of every job. Equal pictures are to have equal results: on a busy machine a network that is late
# is done without, and the picture differs.
PARAMETERS: Final = '{"seed": 7, "protect": "none"}'
KILLED: Final = "workers killed"
RESTARTED: Final = "servers killed and started again"
CUT: Final = "connections to the emulators cut"


@dataclass(frozen=True)
class Plan:
    """The size of a run.

    Attributes:
        jobs: sessions that are queued.
        workers: processes that fill.
        kills: workers killed without warning, each started again.
        restarts: of the server, killed without warning.
        cuts: times that all connections to Firestore and Pub/Sub break for a while.
        duplicates: share of the jobs whose message is published again.
    """

    jobs: int = 200
    workers: int = 4
    kills: int = 40
    restarts: int = 5
    cuts: int = 5
    duplicates: float = 0.1

    def schedule(self, rng: random.Random) -> list[tuple[float, str]]:
        """Return the faults by the share of finished jobs at which they come, rising."""
        counts = {KILLED: self.kills, RESTARTED: self.restarts, CUT: self.cuts}
        return sorted(
            ((index + rng.random()) / count * 0.95, fault)
            for fault, count in counts.items()
            for index in range(count)
        )


class Site:
    """Everything that runs: what is broken, and what breaks it."""

    def __init__(self, plan: Plan, folder: Path, seed: int) -> None:
        self.plan, self.folder = plan, folder
        self.rng = random.Random(seed)
        self.result = RunResult(plan.jobs)
        self.relays: list[Relay] = []
        self.workers: list[LoggedProcess] = []
        self.api_url = ""
        self._server_lock = asyncio.Lock()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Site]:
        """Start all of it and stop all of it, whatever happens."""
        async with AsyncExitStack() as stack:
            environment = stack.enter_context(all_running(self.folder))
            stack.enter_context(patch.dict(os.environ, environment))
            make_queue(STORE, JobContract())
            self.redelivery = Redelivery(Names.of(PROJECT, TOPIC).subscription)
            relayed = dict(environment)
            for name in ("FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST"):
                relay = Relay(environment[name], ends=name == "PUBSUB_EMULATOR_HOST")
                await stack.enter_async_context(relay.running())
                self.relays.append(relay)
                relayed[name] = relay.address
            grpc, metrics, port = free_ports(3)

            def started(name: str, *arguments: str, **environment: str) -> LoggedProcess:
                log = self.folder / f"{name}.log"
                command = LoggedProcess(
                    [PAWFECT, *arguments], log, environment=os.environ | environment
                )
                return stack.enter_context(command)

            ports = [f"--grpc-port={grpc}", f"--metrics-port={metrics}"]
            self._server = started("serve", "serve", "--profile=embedded", "--no-http", *ports)
            where = [f"--store={STORE}", f"--triton={HOST}:{grpc}"]
            own = [f"--port={port}", "--no-auth", "--rate=100000/minute"]
            started("api", "api", *where, *own, **relayed)
            self.workers = [
                started(f"worker{n}", "worker", *where, "--jobs=2", **relayed)
                for n in range(self.plan.workers)
            ]
            self.api_url = f"http://{HOST}:{port}"
            async with httpx.AsyncClient(timeout=5) as client, asyncio.timeout(READY_S):
                while not await _answers(client, f"{self.api_url}/readyz"):
                    await asyncio.sleep(LOOK_S)
            yield self

    async def do(self, fault: str) -> None:
        """Break something, and mend what has to be started again."""
        if fault == KILLED:
            worker = self.rng.choice(self.workers)
            await asyncio.to_thread(worker.kill)
            worker.start()
        elif fault == RESTARTED:
            async with self._server_lock:
                await asyncio.to_thread(self._server.kill)
                self._server.start()
        else:
            broken = await asyncio.gather(*(relay.cut(CUT_S) for relay in self.relays))
            self.result.done["connections broken"] += sum(broken)
        self.result.done[fault] += 1


async def faulty_run(
    plan: Plan,
    folder: Path,
    seed: int = 0,
    stuck_s: float = STUCK_S,
    quiet_s: float = QUIET_S,
    left_s: float = LEFT_S,
) -> RunResult:
    """Queue jobs, break things while they are worked on, and wait for the last.

    Args:
        plan: how much of everything.
        folder: for logs and the emulators' data.
        seed: of who is killed and when, as far as that is ours to say.
        stuck_s: without a job that ends for so long, the run is given up.
        quiet_s: how long the workers go on after the last job is final, so that what was put back
            comes again.
        left_s: how long the queue is looked through afterwards.
    """
    began = time.monotonic()
    async with Site(plan, folder, seed).running() as site:
        stores, client = open_stores(STORE, JobContract()), firestore.Client(project=PROJECT)
        watch = SessionWatch(client)
        try:
            async with site.redelivery.kept_going():
                queueing = asyncio.create_task(_queue_all(site, stores, watch))
                await _break_things(site, watch, stuck_s)
                await queueing
                site.result.seconds = time.monotonic() - began
                await asyncio.sleep(quiet_s)
                for worker in site.workers:
                    await asyncio.to_thread(worker.stop)
            site.result.sessions = watch.sessions()
            await site.result.collect(stores, left_s)
        finally:
            watch.close()
            await stores.close()
        return site.result


async def _queue_all(site: Site, stores: Stores, watch: SessionWatch) -> None:
    uploads = [scene.encoded() for scene in pictures()]
    again = site.rng.sample(range(site.plan.jobs), round(site.plan.duplicates * site.plan.jobs))

    async def one(index: int, client: httpx.AsyncClient) -> None:
        sid, picture = f"s{index:04d}", index % len(uploads)
        while index >= watch.finished() + AT_ONCE:
            await asyncio.sleep(LOOK_S)
        job = await _queued(site, client, sid, uploads[picture])
        site.result.pictures[f"users/{UID}/sessions/{sid}"] = picture
        if index in again:
            await asyncio.sleep(site.rng.uniform(0, 20))
            await stores.queue.publish(JobMessage(UID, sid, job).to_bytes(), {})
            site.result.done["messages published again"] += 1

    async with httpx.AsyncClient(timeout=60) as client, asyncio.TaskGroup() as group:
        for index in range(site.plan.jobs):
            group.create_task(one(index, client))


async def _queued(
    site: Site, client: httpx.AsyncClient, sid: str, upload: tuple[bytes, bytes]
) -> str:
    """Queue a session as a client does that sends again what was not answered well."""
    url = f"{site.api_url}/v1/users/{UID}/sessions/{sid}/inpaint"
    files = {"photo": ("photo.jpg", upload[0]), "mask": ("mask.png", upload[1])}
    while True:
        try:
            answer = await client.post(url, files=files, data={"parameters": PARAMETERS})
            if answer.status_code == 202:
                return str(answer.json()["job"])
            if answer.status_code not in (429, 500, 503, 504):
                raise RuntimeError(f"{sid}: expected 202, got {answer.status_code}: {answer.text}")
        except httpx.TransportError:
            pass
        site.result.done["requests sent again"] += 1
        await asyncio.sleep(1)


async def _break_things(site: Site, watch: SessionWatch, stuck_s: float) -> None:
    """Do every fault when its share of the jobs is final; return once all are final."""
    schedule, finished, since = site.plan.schedule(site.rng), 0, time.monotonic()
    async with asyncio.TaskGroup() as group:
        while finished < site.plan.jobs and time.monotonic() - since < stuck_s:
            await asyncio.sleep(LOOK_S)
            now = watch.finished()
            if now > finished:
                finished, since = now, time.monotonic()
                click.echo(f"{finished} of {site.plan.jobs} jobs are over")
            while schedule and schedule[0][0] <= finished / site.plan.jobs:
                fault = schedule.pop(0)[1]
                click.echo(f"  {fault} ...")
                group.create_task(site.do(fault))


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == 200
    except httpx.TransportError:
        return False
