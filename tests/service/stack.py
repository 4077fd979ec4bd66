"""API, worker and store in the test's own event loop, the API behind a real port."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.asyncio.client import connect

from harness.slow_labels import slow_labels
from pawfect.photo.photo import Photo
from pawfect_service.api.app import ApiSettings, create_app
from pawfect_service.api.uploads import Order
from pawfect_service.http.callers import Anybody
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.message import JobMessage
from pawfect_service.jobs.moves import claim_result, take_up
from pawfect_service.process.processes import listen, serve_http
from pawfect_service.services import Services, open_services
from pawfect_service.stores.base import Change
from pawfect_service.worker.handler import Handler, Outcome
from pawfect_service.worker.pull import PullWorker
from tests.pawfect.photo.pictures import encoded, hole, scene
from tests.service.jobs.session import COST
from tests.service.repeat import Repeat

FINAL = ("completed", "failed", "cancelled")
# Nothing that a test waits for takes longer: a fill of a small photo takes under a second.
PATIENCE_S = 60.0
PHOTO = encoded(scene(160, 128), "JPEG", quality=92)
MASK = encoded(hole(160, 128), "PNG")
HOUR_USD = 3.6
# A message that was put back comes again soon.
SOON = JobContract(backoff_min_s=0.1)
# Where the session lies in the store, and its route.
HERE = "users/u/sessions/s"
ROUTE = f"/v1/{HERE}"


@dataclass(frozen=True)
class Stack:
    """What a test talks to."""

    services: Services
    http: httpx.AsyncClient
    app: Any

    @property
    def documents(self) -> Any:
        return self.services.stores.documents

    @property
    def files(self) -> Any:
        return self.services.stores.files

    async def post(
        self,
        photo: bytes = PHOTO,
        mask: bytes | None = MASK,
        uid: str = "u",
        sid: str = "s",
        **fields: Any,
    ) -> httpx.Response:
        """Send a form; `fields` are its texts, `protect` among them a file."""
        files = {"photo": photo} if mask is None else {"photo": photo, "mask": mask}
        if "protect" in fields:
            files["protect"] = fields.pop("protect")
        path = f"/v1/users/{uid}/sessions/{sid}/inpaint"
        return await self.http.post(path, files=files, data=fields)

    async def state(
        self, uid: str = "u", sid: str = "s", where: str | None = None
    ) -> dict[str, Any]:
        answer = await self.http.get(where or f"/v1/users/{uid}/sessions/{sid}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def until(
        self, holds: Any, uid: str = "u", sid: str = "s", where: str | None = None
    ) -> dict[str, Any]:
        """The session's state, or that of another route, once `holds` is true of it."""
        limit = time.monotonic() + PATIENCE_S
        while not holds(state := await self.state(uid, sid, where)):
            assert time.monotonic() < limit, state
            await asyncio.sleep(0.05)
        return state

    async def over(self, uid: str = "u", sid: str = "s") -> dict[str, Any]:
        """The session's state once its job is over."""
        return await self.until(lambda state: state["processingStatus"] in FINAL, uid, sid)

    async def file(self, name: str, uid: str = "u", sid: str = "s") -> bytes:
        answer = await self.http.get(f"/v1/users/{uid}/sessions/{sid}/files/{name}")
        assert answer.status_code == 200, answer.text
        return answer.content

    def socket(self) -> connect:
        """The session's WebSocket."""
        return connect(str(self.http.base_url).replace("http", "ws") + f"{ROUTE}/ws", proxy=None)

    async def queued(self, sid: str = "s", **fields: Any) -> str:
        """Queue a job whose labels are known to be none; return its id."""
        answer = await self.post(sid=sid, **fields)
        assert answer.status_code == 202, answer.text
        await self.labelled(sid)
        return str(answer.json()["job"])

    async def ordered(
        self, kind: Repeat, sid: str = "s", text: bytes = b"ab", times: int = 1, **more: bytes
    ) -> str:
        """Queue a job of the second kind; return its id."""
        order = Order({"text": text, **more}, {"times": times})
        session = await self.app.state.context.enqueuer.enqueue("u", sid, kind, order)
        return str(session.job)

    async def cancel(self, sid: str = "s") -> httpx.Response:
        return await self.http.delete(f"/v1/users/u/sessions/{sid}")

    async def edit(self, **fields: Any) -> None:
        """Edit the document by hand."""
        await self.documents.update("u", "s", lambda old, now: Change({**old, **fields}))

    async def edit_of(self, uid: str, sid: str, document: dict[str, Any]) -> None:
        """Write a document by hand, in place of what there was."""
        await self.documents.update(uid, sid, lambda *_: Change(document))

    async def claimed(self, job: str, report: str = "{}") -> None:
        """Have a job's result claimed at COST by a worker that then crashes."""
        move, mine = self.services.sessions.move, {"job": job, "owner": "crashed"}
        await move("u", "s", take_up, **mine)
        await move("u", "s", claim_result, **mine, report=report, cost=COST)

    def handler(self) -> Handler:
        return Handler(self.services, HOUR_USD)

    @asynccontextmanager
    async def working(self, jobs: int = 2, grace_s: float = 5.0) -> AsyncIterator[asyncio.Event]:
        """Run a pulling worker for the length of the block, or until the event is set."""
        stop = asyncio.Event()
        worker = PullWorker(self.services, self.handler(), jobs, grace_s)
        running = asyncio.create_task(worker.run(stop))
        try:
            yield stop
        finally:
            stop.set()
            await running

    async def deliver(self, job: str, uid: str = "u", sid: str = "s") -> Outcome:
        """Handle one delivery of a job, as a worker does."""
        return await self.handler().handle(JobMessage(uid, sid, job).to_bytes(), {}, held)

    async def labelled(self, sid: str = "s") -> dict[str, Any]:
        """The session's state once it is known whether there are labels."""
        return await self.until(
            lambda state: state["sceneLabels"] or state["sceneLabelsError"], sid=sid
        )


def _photos() -> list[Photo]:
    # Not isinstance: it wakes up what libraries leave out until it is asked for.
    return [each for each in gc.get_objects() if type(each) is Photo]


@contextmanager
def uncollected() -> Iterator[None]:
    """Leave garbage where it is for the length of the block; at its end it has no new photo."""
    gc.collect()
    gc.disable()
    known = _photos()  # other tests' fixtures may have some
    try:
        yield
        assert [each for each in _photos() if not any(each is one for one in known)] == []
    finally:
        gc.enable()


async def held(seconds: float) -> None:
    """Holds a message that no queue has."""


@asynccontextmanager
async def running(
    store: str,
    triton: str,
    authenticators: Sequence[Any] = (Anybody(),),
    contract: JobContract = SOON,
    headers: dict[str, str] | None = None,
    **settings: Any,
) -> AsyncIterator[Stack]:
    """Run an API on a port of its own for the length of the block."""
    stop = asyncio.Event()
    settings.setdefault("rate", "100000/minute")
    async with open_services(store, contract, triton) as services:
        app = create_app(services, ApiSettings(authenticators, **settings))
        listening = listen("127.0.0.1", 0)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        serving = asyncio.create_task(serve_http(app, listening, stop))
        try:
            async with httpx.AsyncClient(
                base_url=url, timeout=PATIENCE_S, headers=headers, trust_env=False
            ) as http:
                yield Stack(services, http, app)
        finally:
            stop.set()
            await serving


@asynccontextmanager
async def slowly_labelled(
    store: str, server: Any, delay_s: float, **settings: Any
) -> AsyncIterator[tuple[Stack, Any]]:
    """Run an API whose server takes so long to label; what that was asked comes along."""
    async with (
        slow_labels(server.endpoints.grpc, delay_s) as (address, triton),
        running(store, address, **settings) as stack,
    ):
        yield stack, triton
