"""What a cancelled request leaves behind on the running server: how long it goes on working."""

from __future__ import annotations

import contextlib
import itertools
import statistics
import time
from typing import Any, Final

import psutil
import tritonclient.grpc as triton

from pawfect_client import PawfectClient
from pawfect_triton.probe import infer_inputs
from pawfect_triton.server import TritonServer
from perf.bench.goals import Goal
from perf.scenes import Scene

# Of a whole request's time, when all that are in flight are cancelled: in all parts of a fill.
MOMENTS: Final = (0.15, 0.35, 0.55, 0.75, 0.9)
IN_FLIGHT: Final = 2  # as many as there are processes that fill
# The processes count as idle from the begin of so long a time, s, in which they used next to none.
QUIET_S: Final = 0.2
QUIET_CPU_S: Final = 0.03
EVERY_S: Final = 0.02
# After so long they never were, s: longer than the fills themselves take.
GIVEN_UP_S: Final = 30.0
IDLE_S: Final = 1.0
SLOWER: Final = 1.25


def measure_stopping(server: TritonServer, scene: Scene) -> list[Goal]:
    """Cancel requests at several moments, wait until the cores are idle, or send the next one."""
    with PawfectClient(server.endpoints.grpc) as client:
        alone = [_seconds(client, scene) for _ in MOMENTS]
        whole_s = statistics.median(alone)
        idle, following = [], []
        for moment in MOMENTS:
            _cancelled(server, scene, moment * whole_s)
            idle.append(_idle_s(server))
            _cancelled(server, scene, moment * whole_s)
            following.append(_seconds(client, scene))
    worst, ratio = max(idle), statistics.median(following) / whole_s
    parts = ", ".join(f"{moment:.0%}" for moment in MOMENTS)
    return [
        Goal(
            "all cores idle after a cancel", round(worst, 2), "s", f"< {IDLE_S:g}", worst < IDLE_S,
            f"the worst of {len(MOMENTS)}, median {statistics.median(idle):.2f}; {IN_FLIGHT} "
            f"requests in flight, both cancelled {parts} through one's {whole_s:.2f} s",
        ),
        Goal(
            "the next request after a cancel", round(ratio, 2), "times an undisturbed one",
            f"<= {SLOWER:g}", ratio <= SLOWER,
            f"medians of {len(MOMENTS)}: {statistics.median(following):.2f} s, sent at once, "
            f"against {whole_s:.2f} s",
        ),
    ]  # fmt: skip


def _seconds(client: PawfectClient, scene: Scene) -> float:
    start = time.perf_counter()
    client.inpaint(scene.photo, scene.mask)
    return time.perf_counter() - start


def _cancelled(server: TritonServer, scene: Scene, after_s: float) -> None:
    """Send requests, and cancel them all after some seconds."""
    inputs = infer_inputs("inpaint", {"IMAGE": scene.photo, "MASK": scene.mask})
    with contextlib.closing(triton.InferenceServerClient(server.endpoints.grpc)) as raw:
        calls: list[Any] = [
            raw.async_infer("inpaint", inputs, callback=_dropped) for _ in range(IN_FLIGHT)
        ]
        time.sleep(after_s)
        for call in calls:
            call.cancel()


def _dropped(result: Any, error: Any) -> None:
    """Take an answer that nobody looks at."""


def _idle_s(server: TritonServer) -> float:
    """Return how many seconds it takes from now until the server's processes rest."""
    start = time.monotonic()
    readings = [(start, _cpu_s(server))]
    while time.monotonic() - start < GIVEN_UP_S:
        time.sleep(EVERY_S)
        now = time.monotonic(), _cpu_s(server)
        readings.append(now)
        while now[0] - readings[0][0] > QUIET_S:
            at, used = readings.pop(0)
            if now[1] - used < QUIET_CPU_S:
                return at - start
    return GIVEN_UP_S


def _cpu_s(server: TritonServer) -> float:
    """Return the CPU time of the server and all its processes, s."""
    assert server.pid is not None
    root, total = psutil.Process(server.pid), 0.0
    for process in itertools.chain([root], root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total
