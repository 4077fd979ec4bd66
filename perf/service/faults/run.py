"""The run: real emulators, API, workers and server, and one who breaks them."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import click
import httpx
from google.cloud import firestore

from harness.emulators import BUCKET, PROJECT, all_running
from harness.local_server import HOST, free_ports
from harness.redelivery import Redelivery
from harness.relay import Relay
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.message import JobMessage
from pawfect_service.stores import make_queue, open_stores
from pawfect_service.stores.base import Stores
from pawfect_service.stores.google.topics import Names
from perf.service.faults.plan import Fault, Plan
from perf.service.faults.processes import Command
from perf.service.faults.result import RunResult
from perf.service.faults.uploads import Upload, uploads
from perf.service.faults.watch import SessionWatch

TOPIC: Final = "faults"
STORE: Final = f"google:{PROJECT}/{BUCKET}/{TOPIC}"
UID: Final = "u-faults"
# Different pictures; sessions with the same one must get the same bytes.
PICTURES: Final = 10
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


class Site:
    """Everything that runs: what is broken, and what breaks it."""

    def __init__(self, plan: Plan, folder: Path, seed: int) -> None:
        self.plan, self.folder = plan, folder
        self.rng = random.Random(seed)
        self.result = RunResult(plan)
        self.relays: list[Relay] = []
        self.workers: list[Command] = []
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
            ports = [f"--grpc-port={grpc}", f"--metrics-port={metrics}"]
            self._server = self._command("serve", "--profile=embedded", "--no-http", *ports)
            where = [f"--store={STORE}", f"--triton={HOST}:{grpc}"]
            api = self._command(
                "api", *where, f"--port={port}", "--no-auth", "--rate=100000/minute", **relayed
            )
            self.workers = [
                self._command("worker", *where, "--jobs=2", name=f"worker{n}", **relayed)
                for n in range(self.plan.workers)
            ]
            for command in (self._server, api, *self.workers):
                stack.callback(command.kill)
                command.start()
            self.api_url = f"http://{HOST}:{port}"
            async with httpx.AsyncClient(timeout=5) as client:
                await _until(lambda: _answers(client, f"{self.api_url}/readyz"), READY_S)
            yield self

    def _command(self, *arguments: str, name: str = "", **environment: str) -> Command:
        log = self.folder / f"{name or arguments[0]}.log"
        return Command(list(arguments), environment, log)

    async def do(self, fault: Fault) -> None:
        """Break something, and mend what has to be started again."""
        if fault is Fault.KILL_WORKER:
            worker = self.rng.choice(self.workers)
            await asyncio.to_thread(worker.kill)
            worker.start()
        elif fault is Fault.RESTART_SERVER:
            async with self._server_lock:
                await asyncio.to_thread(self._server.kill)
                self._server.start()
        else:
            broken = await asyncio.gather(*(relay.cut(CUT_S) for relay in self.relays))
            self.result.broken_connections += sum(broken)
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
    pictures = uploads(PICTURES)
    again = site.rng.sample(range(site.plan.jobs), round(site.plan.duplicates * site.plan.jobs))

    async def one(index: int, client: httpx.AsyncClient) -> None:
        sid = f"s{index:04d}"
        while index >= watch.finished() + site.plan.at_once:
            await asyncio.sleep(LOOK_S)
        job = await _queued(site, client, sid, pictures[index % PICTURES])
        site.result.pictures[f"users/{UID}/sessions/{sid}"] = index % PICTURES
        if index in again:
            await asyncio.sleep(site.rng.uniform(0, 20))
            await stores.queue.publish(JobMessage(UID, sid, job).to_bytes(), {})
            site.result.duplicates += 1

    async with httpx.AsyncClient(timeout=60) as client, asyncio.TaskGroup() as group:
        for index in range(site.plan.jobs):
            group.create_task(one(index, client))


async def _queued(site: Site, client: httpx.AsyncClient, sid: str, upload: Upload) -> str:
    """Queue a session as a client does that sends again what was not answered well."""
    url = f"{site.api_url}/v1/users/{UID}/sessions/{sid}/inpaint"
    files = {
        "photo": ("photo.jpg", upload.photo, "image/jpeg"),
        "mask": ("mask.png", upload.mask, "image/png"),
    }
    while True:
        try:
            answer = await client.post(url, files=files, data={"parameters": '{"seed": 7}'})
            if answer.status_code == 202:
                return str(answer.json()["job"])
            if answer.status_code not in (429, 500, 503, 504):
                raise RuntimeError(f"{sid}: expected 202, got {answer.status_code}: {answer.text}")
        except httpx.TransportError:
            pass
        site.result.retried_posts += 1
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
                click.echo(f"  {fault.value} ...")
                group.create_task(site.do(fault))


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == 200
    except httpx.TransportError:
        return False


async def _until(holds: Any, timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        while not await holds():
            await asyncio.sleep(LOOK_S)
