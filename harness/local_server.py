"""A server for the length of one measurement or demo, on free ports of this machine."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pawfect.profile import load_profile
from pawfect_triton.server import Endpoints, TritonServer

HOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback address that were free a moment ago, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for item in sockets:
            item.bind((HOST, 0))
        return [int(item.getsockname()[1]) for item in sockets]
    finally:
        for item in sockets:
            item.close()


@contextmanager
def running_server(profile: str, log: Path) -> Iterator[TritonServer]:
    """Start a profile's server, yield it when all models answer, stop it whatever happens.

    Args:
        profile: the profile's name.
        log: where the server's output goes.

    Raises:
        MachineError, PawfectError: it cannot start; see `TritonServer`.
    """
    endpoints = Endpoints(HOST, *free_ports(3))
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        server = TritonServer(load_profile(profile), endpoints, log=sink)
        try:
            server.start()
            server.wait_ready(server.profile.limits.ready_s)
            yield server
            server.stop()
        finally:
            server.close()
