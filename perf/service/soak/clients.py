"""Clients of all tempers: they order, follow, cancel, ask twice, are slow, or are wrong."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from perf.service.soak import following, schedule
from perf.service.soak.ledger import BROKEN, Accepted, Ledger, run_sid
from perf.service.soak.orders import ORDERS, Material, Order, files_of, materials
from perf.service.soak.rough import hang_up, slowly_down, slowly_up
from perf.service.soak.wrong import WRONG, Wrong

FINAL: Final = frozenset({"completed", "failed", "cancelled"})
# What a client sends again: the answers of a service that is busy, or has to be mended.
AGAIN: Final = frozenset({429, 500, 502, 503, 504})
_PAUSE_S: Final = 0.5
_LOOK_S: Final = 0.25
# How often each temper comes, by weight.
TEMPERS: Final[Mapping[str, float]] = {
    "patient": 6, "follows by events": 2, "follows by WebSocket": 2, "cancels": 1, "asks twice": 1,
    "uploads slowly": 1, "downloads slowly": 1, "hangs up": 1, "is wrong": 1,
}  # fmt: skip


@dataclass
class Clients:
    """Some that never stop, each with one job at a time.

    Attributes:
        url: of the API.
        ledger: what they are told goes there.
        stop: no new jobs once it is set.
        over: followers of jobs give up once it is set.
    """

    url: str
    ledger: Ledger
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._numbers = itertools.count()
        limits = httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.AsyncClient(base_url=self.url, timeout=30, limits=limits)

    async def live(self, uid: str, rng: random.Random) -> None:
        """Be one client until `stop`."""
        tempers, weights = list(TEMPERS), list(TEMPERS.values())
        orders, shares = list(ORDERS.values()), [order.share for order in ORDERS.values()]
        while not self.stop.is_set():
            (temper,), (order,) = rng.choices(tempers, weights), rng.choices(orders, shares)
            self.ledger.told[f"client {temper}"] += 1
            await self.be(uid, temper, order, rng)

    async def be(self, uid: str, temper: str, order: Order, rng: random.Random) -> None:
        """Do one thing, as a client of this temper does."""
        if temper == "is wrong":
            await self.send_wrong(uid, rng.choice(WRONG))
        elif temper == "hangs up":
            await self._send_half(uid, rng)
        else:
            job = await self.ordered(uid, order, rng, temper)
            if job is not None:
                await self._accompany(job, temper, rng)

    async def ordered(
        self, uid: str, order: Order, rng: random.Random, temper: str = "patient"
    ) -> Accepted | None:
        """Order a job until it is taken or refused; None: it was not taken.

        Args:
            uid: whose.
            order: which kind.
            rng: chooses pictures and seed.
            temper: how it is sent.
        """
        material = rng.choice(order.material)
        run = None
        if order.on_run:
            run = await self._imported(uid, material)
            if run is None:
                return None
        sid = f"s{next(self._numbers):05d}"
        path = order.path.format(uid=uid, sid=sid, run=run)
        send = self._sender(order, path, materials()[material], rng.randrange(3), temper)
        answer = await self._until_taken(send, order)
        if answer is None:
            return None
        job = self._accepted(answer, order.name, material, uid, sid)
        job.hopeless = order.refused
        if temper == "asks twice" and "{sid}" in order.path:
            await self._again(send, job)
        return job

    def _sender(
        self, order: Order, path: str, material: Material, seed: int, temper: str
    ) -> Callable[[], Awaitable[httpx.Response]]:
        """Return what sends the request, the same one each time."""
        if order.body is not None:
            body = {**order.body, "parameters": {"seed": seed}}
            return lambda: self.http.post(path, json=body)
        form = {} if order.name == schedule.IMPORT else order.form(seed)
        if order.name == schedule.CUTOUT:
            form = {}
        files = files_of(order, material)
        if temper == "uploads slowly":
            request = self.http.build_request("POST", path, files=files, data=form)
            return lambda: slowly_up(self.http, request)
        return lambda: self.http.post(path, files=files, data=form)

    async def _imported(self, uid: str, material: str) -> str | None:
        order = ORDERS[schedule.IMPORT]
        send = self._sender(order, order.path.format(uid=uid), materials()[material], 0, "patient")
        answer = await self._until_taken(send, order)
        if answer is None:
            return None
        job = self._accepted(answer, order.name, material, uid, "")
        await self.followed(job)
        return str(answer["runId"]) if job.ended == "completed" else None

    async def _until_taken(
        self, send: Callable[[], Awaitable[httpx.Response]], order: Order
    ) -> dict[str, Any] | None:
        while not self.over.is_set():
            try:
                answer = await send()
            except (httpx.TransportError, OSError, EOFError):
                self.ledger.told["requests that broke off"] += 1
            else:
                if answer.status_code in (201, 202):
                    if order.refused is not None:
                        # The server was away, and what it can do not known.
                        self.ledger.told[f"{order.name}: taken, and has to fail"] += 1
                    return dict(answer.json())
                if order.refused is not None and order.refused in answer.text:
                    self.ledger.told[f"{order.name}: refused, {answer.status_code}"] += 1
                    return None
                self.ledger.told[f"answers {answer.status_code}"] += 1
                if answer.status_code not in AGAIN:
                    text = f"{order.name}: {answer.status_code} {answer.text[:300]}"
                    self.ledger.wrong.append(text)
                    return None
            await asyncio.sleep(_PAUSE_S)
            if self.stop.is_set():
                return None
        return None

    def _accepted(
        self, answer: Mapping[str, Any], kind: str, material: str, uid: str, sid: str
    ) -> Accepted:
        now = time.monotonic()
        if "runId" not in answer:
            url = f"/v1/users/{uid}/sessions/{sid}"
            job = Accepted(uid, sid, answer["job"], kind, material, url, now)
            return self.ledger.accept(job)
        known = answer["versions"][-1] if "versions" in answer else answer
        uid, sid = run_sid(answer["runId"], known["version"])
        url = f"/api/v1/runs/{answer['runId']}"
        return self.ledger.accept(Accepted(uid, sid, known.get("job"), kind, material, url, now))

    async def _again(self, send: Callable[[], Awaitable[httpx.Response]], job: Accepted) -> None:
        """Send the same request again: the same job while it is under way, else another one.

        Whether the first one was over by then only the store knows: `audit.displaced` asks it.
        """
        try:
            answer = await send()
        except (httpx.TransportError, OSError):
            # It may have begun another one, of which nobody has told us.
            job.job = None
            return
        if answer.status_code != 202:
            self.ledger.told[f"asked twice: {answer.status_code}"] += 1
            if answer.status_code >= 500:
                job.job = None
            return
        same = answer.json()["job"] == job.job
        self.ledger.told[f"asked twice: {'the same job' if same else 'a new job'}"] += 1
        job.job = answer.json()["job"]

    async def _accompany(self, job: Accepted, temper: str, rng: random.Random) -> None:
        if temper == "cancels":
            await asyncio.sleep(rng.uniform(0, 1.5))
            await self._cancel(job)
        if temper == "follows by events":
            await following.by_events(self.http, self.ledger, job, self.over)
        elif temper == "follows by WebSocket":
            await following.by_socket(self.url, self.ledger, job, self.over)
        await self.followed(job)
        if job.ended == "completed":
            await self._fetched(job, slow=temper == "downloads slowly")

    async def _cancel(self, job: Accepted) -> None:
        job.cancelled = True
        version = "" if job.version is None else f"/versions/{job.version}"
        try:
            answer = await self.http.delete(f"{job.url}{version}")
            self.ledger.told[f"cancelled: {answer.status_code}"] += 1
        except httpx.TransportError:
            self.ledger.told["requests that broke off"] += 1

    async def followed(self, job: Accepted) -> None:
        """Look until the job is over, or clients are to give up."""
        while job.ended is None and not self.over.is_set():
            state = await self.state(job)
            if state is not None and state["processingStatus"] in FINAL:
                job.ended, job.ended_s = state["processingStatus"], time.monotonic()
                job.error = (state.get("error") or {}).get("kind")
                return
            await asyncio.sleep(_LOOK_S)

    async def state(self, job: Accepted) -> dict[str, Any] | None:
        """Return the job's state; None where nobody tells it now."""
        try:
            answer = await self.http.get(job.url)
        except (httpx.TransportError, OSError):
            return None
        if answer.status_code != 200:
            self.ledger.told[f"answers {answer.status_code}"] += 1
            if answer.status_code not in AGAIN:
                self.ledger.wrong.append(f"{job.uid}/{job.sid}: {answer.text[:200]}")
            return None
        found = dict(answer.json())
        if job.version is None:
            return found
        versions = {one["version"]: dict(one) for one in found["versions"]}
        return versions[job.version]

    async def _fetched(self, job: Accepted, slow: bool) -> None:
        """Fetch what the job has made, and note what it is."""
        state = await self.state(job)
        for name, link in (state or {}).get("links", {}).items():
            if link is None:
                continue
            try:
                data = await (slowly_down(self.http, link) if slow else self._get(link))
            except (httpx.TransportError, OSError):
                continue
            if data:
                self.ledger.fetched(job, name, hashlib.sha256(data).hexdigest())

    async def _get(self, link: str) -> bytes:
        answer = await self.http.get(link)
        return answer.content if answer.status_code == 200 else b""

    async def _send_half(self, uid: str, rng: random.Random) -> None:
        order = ORDERS[schedule.SESSION]
        path = order.path.format(uid=uid, sid=f"half{next(self._numbers):05d}")
        files = files_of(order, materials()[rng.choice(order.material)])
        await hang_up(self.http, self.http.build_request("POST", path, files=files), rng.random())

    async def send_wrong(self, uid: str, wrong: Wrong) -> None:
        """Send a request that must be refused, or whose job must fail."""
        sid = f"w{next(self._numbers):05d}"
        path = wrong.path.format(uid=uid, sid=sid)
        try:
            answer = await self.http.request(wrong.method, path, **wrong.request())
        except (httpx.TransportError, OSError):
            return
        if answer.status_code == 202 and wrong.may_fail_later:
            job = self._accepted(answer.json(), schedule.SESSION, "ground 0", uid, sid)
            job.hopeless = BROKEN
            await self.followed(job)
        elif answer.status_code in wrong.expected or answer.status_code in AGAIN:
            self.ledger.told[f"{wrong.name}: {answer.status_code}"] += 1
        else:
            self.ledger.wrong.append(f"{wrong.name}: {answer.status_code} {answer.text[:200]}")
        if "Traceback" in answer.text or "/site-packages/" in answer.text:
            self.ledger.wrong.append(f"{wrong.name}: a traceback or a path in the answer")
