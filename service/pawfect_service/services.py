"""What API and worker stand on: a store, Triton, and threads for what needs the CPU."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from pawfect.contract.errors import invalid
from pawfect_client.base import Headers
from pawfect_client.client import AsyncPawfectClient
from pawfect_client.retry import RetryPolicy
from pawfect_service.http.health import PATIENCE_S, Readiness
from pawfect_service.identity import nobody
from pawfect_service.jobs.base import BASE_INPUT
from pawfect_service.jobs.contract import JobContract
from pawfect_service.jobs.kinds import Kind, Tools
from pawfect_service.jobs.kinds.request import JobRequest
from pawfect_service.jobs.paths import session_path
from pawfect_service.sessions import Sessions
from pawfect_service.stores import open_stores
from pawfect_service.stores.base import Stores
from pawfect_service.stores.reached import say_until_reached
from pawfect_service.telemetry.traces import grpc_headers

T = TypeVar("T")

# A connection that breaks is made again at once; what takes longer comes again by the queue.
_RETRY: Final = RetryPolicy(attempts=2, first_wait_s=0.5)


@dataclass(frozen=True)
class Services:
    """What is shared by all requests and jobs of a process.

    Attributes:
        stores: documents, files and the queue.
        sessions: moves of the documents.
        tools: the server and threads, for the work of jobs.
        readiness: whether the server fills.
    """

    stores: Stores
    sessions: Sessions
    tools: Tools
    readiness: Readiness

    async def read_inputs(
        self, uid: str, sid: str, kind: Kind, request: JobRequest
    ) -> dict[str, bytes]:
        """Return a job's inputs by name: the session's own files, and another version's picture.

        Args:
            uid: whose session.
            sid: which.
            kind: the job's.
            request: what it was asked for.

        Raises:
            PawfectError: INVALID_ARG for one that is not there; else as the store failed.
        """
        paths = {name: session_path(uid, sid, file) for name, file in request.files(kind).items()}
        if request.base is not None:
            paths[BASE_INPUT] = request.base.path(uid, sid)

        async def read(path: str) -> bytes:
            try:
                return await self.stores.files.get(path)
            except FileNotFoundError:
                expected = "a file in storage"
                raise invalid(path.rpartition("/")[2], expected, "none") from None

        # All have ended before one fails: none is left reading from a store that closes.
        reads = [asyncio.ensure_future(read(path)) for path in paths.values()]
        await asyncio.gather(*reads, return_exceptions=True)
        return {name: own.result() for name, own in zip(paths, reads, strict=True)}


@asynccontextmanager
async def open_services(
    store: str,
    contract: JobContract,
    triton_url: str,
    caller: Callable[[], Headers] = nobody,
    trusted: bytes | None = None,
) -> AsyncIterator[Services]:
    """Open a store and a connection to Triton for the length of the block.

    Args:
        store: as `stores.open_stores` takes it.
        contract: the bounds of jobs.
        triton_url: of the server's gRPC endpoint, as the client takes it.
        caller: tells, before each call, as whom the server is called.
        trusted: PEM certificates that vouch for a server behind TLS; None: those that gRPC trusts.

    Raises:
        PawfectError: INVALID_ARG for a store or url of another form; UNAVAILABLE as `open_stores`.
    """

    def headers() -> Headers:
        return (*grpc_headers(), *caller())

    once = RetryPolicy(attempts=1)
    # What they say of failures is read by users.
    connected = partial(AsyncPawfectClient, triton_url, called="server", trusted=trusted)
    triton = connected(retry=_RETRY, headers=headers)
    labeller = connected(retry=once, headers=headers)
    prober = connected(retry=once, timeout_s=PATIENCE_S, headers=caller)
    stores = open_stores(store, contract)
    cpu = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="pictures")
    reaching = asyncio.create_task(say_until_reached(stores.documents, store))
    try:
        async with triton, labeller, prober:
            sessions = Sessions(stores.documents, contract)
            tools = Tools(triton, labeller, partial(_off_loop, cpu))
            yield Services(stores, sessions, tools, Readiness(prober))
    finally:
        reaching.cancel()
        await asyncio.gather(reaching, return_exceptions=True)
        cpu.shutdown(wait=False, cancel_futures=True)
        await stores.close()


async def _off_loop(cpu: Executor, work: Callable[..., T], *args: Any) -> T:
    """Return what CPU work gives, done in one of the threads."""
    return await asyncio.get_running_loop().run_in_executor(cpu, work, *args)
