"""What is measured on the running server through our client: goals of serving, and its stages."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import tritonclient.grpc as triton

from pawfect.contract.cutout import CutoutReport
from pawfect.contract.errors import from_message
from pawfect.contract.find import FindReport
from pawfect.contract.refine_report import RefineReport
from pawfect.contract.report import Report
from pawfect.contract.search_report import SearchReport
from pawfect.contract.tensors import CANDIDATE_SEARCH, REFINE, REPORT, Array
from pawfect.local import inpaint_local
from pawfect.models import MODELS
from pawfect_client import PawfectClient
from pawfect_client.results import Done
from pawfect_triton.probe import infer_inputs
from pawfect_triton.server import TritonServer
from perf.bench.configs import AnalyzerConfig
from perf.bench.goals import Goal
from perf.peak_memory import PeakMemory, tree_bytes
from perf.scenes import Scene

# Requests whose medians are quoted.
REQUESTS: Final = 5
CLIENTS: Final = 4
REQUESTS_PER_CLIENT: Final = 2
# One client and four in turn, so often: a shared machine's speed changes within a minute.
TURNS: Final = 3
# The hole that must cost the same in a small and in a large photo, px a side.
HOLE_PX: Final = 200
SMALL_SIZE: Final = (1156, 867)
LARGE_SIZE: Final = (4000, 3000)
# Far shorter than the stages that hold the memory; a sample takes about 10 ms.
MEMORY_EVERY_S: Final = 0.05
AnyReport = Report | CutoutReport | FindReport | RefineReport | SearchReport
# How an orchestrator's REPORT is read where it is not a fill's.
_READ: Final[Mapping[str, Callable[[bytes], AnyReport]]] = {
    "find_masks": FindReport.from_json,
    "background_removal": CutoutReport.from_json,
    "background_removal_file": CutoutReport.from_json,
}
# gRPC refuses answers over 4 MB by default; a picture is larger.
_ANY_SIZE: Final = [("grpc.max_receive_message_length", -1)]


@dataclass(frozen=True)
class Split:
    """Where an orchestrator's time goes: medians of its reports, one request in flight.

    Attributes:
        model: an orchestrator.
        requests: how many.
        stage_ms: by stage, of the requests that had it; those that run side by side share a time.
        total_ms: from the request's arrival to its answer.
        engines: which engine filled, or which network looked at, how many of them.
        fallbacks: stages that were missing or failed, all requests together.
    """

    model: str
    requests: int
    stage_ms: Mapping[str, float]
    total_ms: float
    engines: Mapping[str, int]
    fallbacks: tuple[str, ...]


def reports(model: str) -> bool:
    """Say whether a model is an orchestrator that reports its stages; a judge only scores."""
    definition = MODELS[model]
    return bool(definition.orchestration) and REPORT in definition.spec.outputs


def measure_split(
    config: AnalyzerConfig, arrays: Mapping[str, Array], url: str, requests: int = REQUESTS
) -> Split:
    """Send what perf_analyzer sends, and read the reports.

    Args:
        config: of an orchestrator.
        arrays: its inputs by name.
        url: HOST:PORT of gRPC.
        requests: how many, at least 1.

    Raises:
        PawfectError: as the server answers.
    """
    if config.streaming:
        with PawfectClient(url) as client:
            reports: list[AnyReport] = [_streamed(client, config, arrays) for _ in range(requests)]
    else:
        reports = _reports(config, arrays, url, requests)
    return split_of(config.model, reports)


def _reports(
    config: AnalyzerConfig, arrays: Mapping[str, Array], url: str, requests: int
) -> list[AnyReport]:
    inputs, given = infer_inputs(config.model, arrays), dict(config.parameters)
    client = triton.InferenceServerClient(url, channel_args=_ANY_SIZE)
    try:
        answers = [client.infer(config.model, inputs, parameters=given) for _ in range(requests)]
    except triton.InferenceServerException as error:
        raise from_message(error.message()) from None
    finally:
        client.close()
    read = _READ.get(config.model, Report.from_json)
    return [read(answer.as_numpy("REPORT")[0]) for answer in answers]


def split_of(model: str, reports: Sequence[AnyReport]) -> Split:
    """Return the medians of reports, stages in the order in which they first came."""
    names = dict.fromkeys(name for report in reports for name in report.stage_ms)
    engines = [done for report in reports if (done := _done_by(report)) is not None]
    fallbacks = [entry for report in reports for entry in getattr(report, "fallbacks", ())]
    return Split(
        model,
        len(reports),
        {
            name: _median([r.stage_ms[name] for r in reports if name in r.stage_ms])
            for name in names
        },
        _median([report.total_ms for report in reports]),
        {engine: engines.count(engine) for engine in sorted(set(engines))},
        tuple(sorted({entry.stage for entry in fallbacks})),
    )


def _done_by(report: AnyReport) -> str | None:
    """Return the engine that filled or the network that looked; None: there is but one."""
    if isinstance(report, FindReport):
        return None
    return report.network if isinstance(report, CutoutReport) else report.engine


def _median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 2)


def _streamed(
    client: PawfectClient, config: AnalyzerConfig, arrays: Mapping[str, Array]
) -> AnyReport:
    if config.model == REFINE.name:
        kind, payload = (arrays[name][0].decode() for name in ("TYPE", "PAYLOAD"))
        return client.refine(arrays["IMAGE"].astype(np.uint8), kind, payload).report
    image, mask = arrays["IMAGE"].astype(np.uint8), arrays["MASK"].astype(np.uint8)
    if config.model == CANDIDATE_SEARCH.name:
        return client.search(image, mask).report
    labels = config.texts.get("SCENE_LABELS", ())
    events = client.inpaint_stream(image, mask, scene_labels=labels)
    return next(event for event in events if isinstance(event, Done)).report


def measure_goals(server: TritonServer, scene: Scene) -> list[Goal]:
    """Measure the goals of serving on a running server."""
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
        for _ in range(REQUESTS):
            start = time.perf_counter()
            answer = client.inpaint(scene.photo, scene.mask)
            walls.append((time.perf_counter() - start) * 1000)
            costs.append(walls[-1] - sum(answer.report.stage_ms.values()))
            locals_ms.append(timed_ms(lambda: inpaint_local(scene.photo, scene.mask)))
    finally:
        cv2.setNumThreads(threads)
    wall, cost, local = map(statistics.median, (walls, costs, locals_ms))
    detail = (
        f"medians of {REQUESTS} pairs in turn: {wall:.0f} ms through the server, of which "
        f"{cost:.0f} ms beside the stages; {local:.0f} ms in process"
    )
    share, per_mp = 100 * cost / local, cost / (scene.mask.size / 1e6)
    return [
        Goal("serving cost", round(share, 1), "% of in-process", "< 15", share < 15, detail),
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

    def held() -> float:
        assert server.pid is not None
        return tree_bytes(server.pid, "pss")

    idle = held()
    times: dict[str, list[float]] = {"small": [], "large": []}
    with PeakMemory(held, MEMORY_EVERY_S) as peak:
        for _ in range(REQUESTS):
            for name, photo, mask in (("small", small, in_small), ("large", large, in_large)):
                report = client.inpaint(photo, mask).report
                times[name].append(sum(report.stage_ms.values()))
    one, twelve = (statistics.median(times[name]) for name in ("small", "large"))
    above = (peak.bytes - idle) / 2**30
    return [
        Goal(
            "200x200 px hole, 12 MP against 1 MP", round(twelve / one, 2), "times the stage time",
            "<= 1.5", twelve <= 1.5 * one,
            f"medians of {REQUESTS} in turn: {one:.0f} ms at 1 MP, {twelve:.0f} ms at 12 MP",
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
        with ThreadPoolExecutor(clients) as pool:
            ms = timed_ms(lambda: list(pool.map(requests, [REQUESTS_PER_CLIENT] * clients)))
        return 1000 * clients * REQUESTS_PER_CLIENT / ms

    rate(1)
    turns = [(rate(1), rate(CLIENTS)) for _ in range(TURNS)]
    one, four = (statistics.median(figures) for figures in zip(*turns, strict=True))
    ratio = statistics.median(four / one for one, four in turns)
    ratios = ", ".join(f"{four / one:.2f}" for one, four in turns)
    detail = (
        f"medians of {TURNS} turns ({ratios}): {one:.3f} requests a second of one client, "
        f"{four:.3f} of four"
    )
    unit = "times one client's throughput"
    return Goal("four clients at once", round(ratio, 2), unit, ">= 1.6", ratio >= 1.6, detail)


def timed_ms(work: Callable[[], object]) -> float:
    """Return the wall time of one call, ms."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000
