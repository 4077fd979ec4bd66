"""Processes: an HTTP server, a worker, Triton beside them, until a signal ends all of it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from fastapi import FastAPI

from pawfect_service.addresses import refused
from pawfect_service.http.connections import MAX_SAID, BoundedHttp
from pawfect_service.telemetry.logs import log_json
from pawfect_service.telemetry.traces import send_traces

LOG: Final = logging.getLogger("pawfect.process")

# How long requests may go on once the process is told to stop, s; streams of progress go on for as
# long as they are let.
REQUESTS_END_S: Final = 10
# `pawfect serve` lets what is in flight finish, for up to a minute.
_BESIDE_ENDS_S: Final = 75.0
# Proxies whose X-Forwarded-For is believed, by address or network with commas between them;
# uvicorn's own variable, but that it believes this machine's where none is named.
_PROXIES: Final = "FORWARDED_ALLOW_IPS"


class _Server(uvicorn.Server):
    """Leaves the signals to `run`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def serve_http(
    app: FastAPI, listening: socket.socket, stop: asyncio.Event, grace_s: float = REQUESTS_END_S
) -> None:
    """Serve an app on a socket until `stop` is set and running requests have ended.

    Args:
        app: what answers.
        listening: the socket.
        stop: ends it; is set too when the server ends by itself.
        grace_s: how long running requests may take to end then, s; after that they are cancelled.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        # Below, it tells of each WebSocket by its whole address.
        log_level="warning",
        access_log=False,
        lifespan="on",
        server_header=False,
        http=BoundedHttp,
        ws_max_size=MAX_SAID,
        forwarded_allow_ips=os.environ.get(_PROXIES, ""),
        # It waits by asyncio, which takes parts of a second too.
        timeout_graceful_shutdown=grace_s,  # type: ignore[arg-type]
    )
    server = _Server(config)
    host, port = listening.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    LOG.info("listening", extra={"url": url, "page": f"{url}/docs"})
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    server.should_exit = True
    await serving
    stop.set()


def listen(host: str, port: int, *, shared: bool = False, option: str = "--port") -> socket.socket:
    """Return a socket that listens.

    Args:
        host: the address.
        port: of it.
        shared: other processes of this user may listen there too; the kernel deals connections out.
        option: that names the port.

    Raises:
        PawfectError: INVALID_ARG where the address is not to be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    address = (host, port)
    try:
        return socket.create_server(address, family=family, backlog=2048, reuse_port=shared)
    except OSError as error:
        raise refused(host, port, "an address to listen on", option, error) from None


async def serve_triton(profile: str, triton_url: str, stop: asyncio.Event) -> str | None:
    """Run `pawfect serve` as a process of its own until `stop` is set.

    Args:
        profile: what it serves.
        triton_url: HOST:PORT of its gRPC endpoint; its metrics are on the next port.
        stop: is set too when the server ends by itself.

    Returns:
        As `run_child`.
    """
    host, _, port = triton_url.rpartition(":")
    ports = ["--grpc-port", port, "--metrics-port", str(int(port) + 1), "--no-http"]
    return await run_child(["serve", "--profile", profile, "--host", host, *ports], stop)


async def run_child(arguments: Sequence[str], stop: asyncio.Event) -> str | None:
    """Run a `pawfect` command as a process of its own until `stop` is set.

    It ends with this process too, where that is killed: see `pawfect_service.process.child`.

    Args:
        arguments: the command and its options.
        stop: is set too when the command ends by itself.

    Returns:
        None; where the command ended by itself, which it was.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pawfect_service.process.child",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        # Ctrl-C reaches this process alone, which passes the word on once.
        start_new_session=True,
    )
    ended = asyncio.create_task(process.wait())
    stopped = asyncio.create_task(stop.wait())
    early = None
    try:
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            early = f"pawfect {arguments[0]}"
            LOG.error("a process beside this one ended", extra={"command": early})
    finally:
        stopped.cancel()
        stop.set()
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(_BESIDE_ENDS_S):
                    await ended
            except BaseException:
                process.kill()
                raise
    return early


def keep_imports() -> None:
    """Have the garbage collector leave alone what the process has imported.

    The libraries' hundred thousand objects are for good: each time the collector goes through
    them, the process stands still for 80 ms.
    """
    gc.collect()
    gc.freeze()


def run(
    service: str, level: str, main: Callable[[], Coroutine[Any, Any, None]], stop: asyncio.Event
) -> None:
    """Run a process's work with its logs, traces and signals.

    Args:
        service: its name in traces.
        level: of the log.
        main: does the work; it ends once `stop` is set.
        stop: set by SIGTERM and SIGINT.

    Raises:
        PawfectError: INVALID_ARG for a collector of traces of another form; and as `main` does.
    """
    log_json(level)
    provider = send_traces(service)
    keep_imports()

    async def work() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await main()

    try:
        asyncio.run(work())
    finally:
        if provider is not None:
            provider.shutdown()
