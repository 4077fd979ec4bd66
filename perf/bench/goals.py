"""The goals of the serving side, each measured on the running server through our client."""

from __future__ import annotations

import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import psutil

from pawfect.local import inpaint_local
from pawfect_client import PawfectClient
from pawfect_triton.server import TritonServer
from perf.bench.inputs import timed_ms
from perf.scenes import Scene

PAIRS: Final = 5
CLIENTS: Final = 4
REQUESTS_PER_CLIENT: Final = 2
# One client and four in turn, so often: a shared machine's speed changes within a minute.
TURNS: Final = 3
# The hole that must cost the same in a small and in a large photo, px a side.
HOLE_PX: Final = 200
SMALL_SIZE: Final = (1156, 867)
LARGE_SIZE: Final = (4000, 3000)


@dataclass(frozen=True)
class Goal:
    """One goal: what was measured against what was asked."""

    name: str
    measured: float
    unit: str
    bound: str
    reached: bool
    detail: str


def measure_goals(server: TritonServer, scene: Scene) -> list[Goal]:
    """Measure all goals on a running server."""
    with PawfectClient(server.endpoints.grpc) as client:
        client.inpaint(scene.photo, scene.mask)
        return [
            *serving_cost(client, scene),
            *same_hole(client, server, scene),
            client_scaling(server, scene),
        ]


def serving_cost(client: PawfectClient, scene: Scene) -> list[Goal]:
    """Client encode to client decode, less the stages' own time, beside in-process calls."""
    walls, costs, locals_ms = [], [], []
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for _ in range(PAIRS):
            start = time.perf_counter()
            answer = client.inpaint(scene.photo, scene.mask)
            walls.append((time.perf_counter() - start) * 1000)
            costs.append(walls[-1] - sum(answer.report.stage_ms.values()))
            locals_ms.append(timed_ms(lambda: inpaint_local(scene.photo, scene.mask)))
    finally:
        cv2.setNumThreads(threads)
    wall, cost, local = map(statistics.median, (walls, costs, locals_ms))
    megapixels = scene.photo.shape[0] * scene.photo.shape[1] / 1e6
    detail = (
        f"medians of {PAIRS} pairs in turn: {wall:.0f} ms through the server, of which "
        f"{cost:.0f} ms beside the stages; {local:.0f} ms in process"
    )
    share, per_mp = cost / local, cost / megapixels
    return [
        Goal(
            "serving cost", round(100 * share, 1), "% of in-process", "< 15", share < 0.15, detail
        ),
        Goal("serving cost", round(per_mp, 1), "ms per megapixel", "< 60", per_mp < 60, detail),
    ]


def same_hole(client: PawfectClient, server: TritonServer, scene: Scene) -> list[Goal]:
    """The same 200x200 px hole, with the same surroundings, in a 1 MP and in a 12 MP photo."""
    large = cv2.resize(scene.truth, LARGE_SIZE, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    width, height = SMALL_SIZE
    left, top = 300, LARGE_SIZE[1] - height - 100
    small = np.ascontiguousarray(large[top : top + height, left : left + width])
    x, y = 470, 330
    in_large, in_small = (np.zeros(photo.shape[:2], np.uint8) for photo in (large, small))
    in_small[y : y + HOLE_PX, x : x + HOLE_PX] = 255
    in_large[top + y : top + y + HOLE_PX, left + x : left + x + HOLE_PX] = 255
    client.inpaint(small, in_small)
    idle = tree_bytes(server)
    times: dict[str, list[float]] = {"small": [], "large": []}
    peak = MemoryPeak(server)
    with peak:
        for _ in range(PAIRS):
            for name, photo, mask in (("small", small, in_small), ("large", large, in_large)):
                report = client.inpaint(photo, mask).report
                times[name].append(sum(report.stage_ms.values()))
    one, twelve = (statistics.median(times[name]) for name in ("small", "large"))
    above = (peak.bytes - idle) / 2**30
    return [
        Goal(
            "200x200 px hole, 12 MP against 1 MP", round(twelve / one, 2), "times the stage time",
            "<= 1.5", twelve <= 1.5 * one,
            f"medians of {PAIRS} in turn: {one:.0f} ms at 1 MP, {twelve:.0f} ms at 12 MP",
        ),
        Goal(
            "memory of the server above idle, 12 MP", round(above, 2), "GiB", "<= 0.93 (1 GB)",
            above <= 1e9 / 2**30,
            f"proportional set size of all its processes; idle {idle / 2**30:.2f} GiB",
        ),
    ]  # fmt: skip


def client_scaling(server: TritonServer, scene: Scene) -> Goal:
    """Requests a second of four clients at once against one client's, in turn."""

    def requests(count: int) -> None:
        with PawfectClient(server.endpoints.grpc) as client:
            for _ in range(count):
                client.inpaint(scene.photo, scene.mask, deadline_ms=300_000)

    def rate(clients: int) -> float:
        start = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(requests, [REQUESTS_PER_CLIENT] * clients))
        return clients * REQUESTS_PER_CLIENT / (time.perf_counter() - start)

    rate(1)
    turns = [(rate(1), rate(CLIENTS), machine_scaling()) for _ in range(TURNS)]
    one, four, machine = (statistics.median(figures) for figures in zip(*turns, strict=True))
    ratio = statistics.median(four / one for one, four, _ in turns)
    ratios = ", ".join(f"{four / one:.2f}" for one, four, _ in turns)
    return Goal(
        "four clients at once",
        round(ratio, 2),
        "times one client's throughput",
        ">= 1.6",
        ratio >= 1.6,
        f"medians of {TURNS} turns ({ratios}): {one:.3f} requests a second of one client, "
        f"{four:.3f} of four; two bare loops at once on this machine in the same turns: "
        f"{machine:.2f} times one",
    )


def machine_scaling() -> float:
    """Return the work of two busy processes at once against one's: what the machine itself gives.

    Two cores of a shared host may be anything between one and two.
    """
    loop = [sys.executable, "-c", "for _ in range(30_000_000): pass"]
    alone = timed_ms(lambda: subprocess.run(loop, check=True))

    def both() -> None:
        pair = [subprocess.Popen(loop) for _ in range(2)]
        for process in pair:
            process.wait()

    return 2 * alone / timed_ms(both)


def tree_bytes(server: TritonServer) -> int:
    """Return the proportional set size of the server and its models' processes, bytes."""
    total = 0
    if server.pid is None:
        return 0
    root = psutil.Process(server.pid)
    for process in (root, *root.children(recursive=True)):
        try:
            total += int(process.memory_full_info().pss)
        except psutil.NoSuchProcess:
            continue
    return total


class MemoryPeak:
    """Samples the server's memory while the block runs; `bytes` is the largest sample."""

    # Far shorter than the stages that hold the memory; a sample takes about 10 ms.
    EVERY_S = 0.05

    def __init__(self, server: TritonServer) -> None:
        self._server = server
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.bytes = 0

    def __enter__(self) -> MemoryPeak:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._end.wait(self.EVERY_S):
            self.bytes = max(self.bytes, tree_bytes(self._server))
