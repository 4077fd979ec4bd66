"""The product as it is served: fills, seconds, memory, masks, and fills that lack labels."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import PawfectError
from pawfect.scores.seam import seam_step
from pawfect_client.results import Inpainted
from perf.audit.run import look_at, save_picture, shares
from perf.audit.server import AuditServer
from perf.audit.sessions import Place, Session, judge, judge_labels
from perf.bench.analyzer import Analyzer, AnalyzerError
from perf.bench.configs import AnalyzerConfig
from perf.pictures import view_of

# Fills as a user's requests come: a seed each.
SEEDS: Final = (0, 1, 2)
# Isolated white pixels that are strewn over the mask, and how far from it and each other, px: the
# mask's own components must not reach them when they grow.
SPECKS: Final = 40
APART_PX: Final = 40
# How long Triton may take to see that a model's process is gone, s.
GONE_S: Final = 30.0
SAM3: Final = "sam3_labeling"
FLORENCE2: Final = "florence2"
BUILD: Final = Path("build/bench")
# In place of a REPORT, why there is none.
ERROR: Final = "error"


@dataclass(frozen=True)
class Fill:
    """One request's answer.

    Attributes:
        picture: of the whole photo, a path below the proof's folder.
        crop: of the holes with some context.
        report: the server's REPORT.
        scores: as `judge` and `judge_labels` of `perf.audit.sessions` give them.
        labels_inside: surfaces in the fill, with the share of it that each covers.
    """

    picture: str
    crop: str
    report: Mapping[str, Any]
    scores: Mapping[str, float]
    labels_inside: Mapping[str, float]


@dataclass(frozen=True)
class Live:
    """What a running server showed.

    Attributes:
        fills: the product's own, by seed.
        labels_around: surfaces around the hole by SAM3, with the share of the ring of each.
        peak_gib: most memory in use while they were made, GiB.
        analyzer: perf_analyzer's p50_ms, p95_ms and requests; or `problem`.
        growth_px: how far the cleaned mask reaches from the marked one at most, px.
        dilate_px: how far REPORT says that it grew.
        specks: isolated white pixels that were added to the mask.
        specks_left: of them, those that the cleaned mask still has.
        truth_step: the truth's own colour step at the hole's rim, CIE76; None without a truth.
        without_sam3: REPORT of a fill after SAM3's process was killed; None: not tried.
        without_any: REPORT of one after Florence-2's was killed too.
    """

    fills: tuple[Fill, ...]
    labels_around: Mapping[str, float]
    peak_gib: float
    analyzer: Mapping[str, Any]
    growth_px: float
    dilate_px: float
    specks: int
    specks_left: int
    truth_step: float | None = None
    without_sam3: Mapping[str, Any] | None = None
    without_any: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Self:
        """Read what `asdict` made of it, through JSON."""
        fills = tuple(Fill(**fill) for fill in table["fills"])
        return cls(**{**table, "fills": fills})


def observe(server: AuditServer, session: Session, folder: Path, config: AnalyzerConfig) -> Live:
    """Watch a server that serves the profile as it is.

    Args:
        server: started with all of the profile's models, the engine that is proved first.
        session: what is filled.
        folder: the proof's, where pictures go.
        config: how perf_analyzer measures `inpaint`.

    Raises:
        PawfectError: as the server answers.
        OSError: the disk is full.
    """
    place = look_at(server, folder, session)
    # The first request pays for pages and caches that no later one does.
    server.fill(session, None)
    fills = []
    with server.watched() as memory:
        for seed in SEEDS:
            fills.append(_fill(server, place, folder, server.fill(session, None, seed=seed)))
    added, strewn = strew(session.mask)
    cleaned, _ = server.clean(Session(session.source, session.photo, strewn, session.protect))
    return Live(
        fills=tuple(fills),
        labels_around=shares(place.around),
        peak_gib=round(memory.bytes / 2**30, 2),
        analyzer=_analyzed(server, session, config),
        growth_px=growth(session.mask, place.hole),
        dilate_px=float(fills[0].report["dilate_px"]),
        specks=int(added.sum()),
        specks_left=int(np.count_nonzero(cleaned[added])),
        truth_step=None if session.truth is None else seam_step(session.truth, place.hole > 0),
    )


def observe_without(server: AuditServer, session: Session) -> dict[str, Any]:
    """Kill who names surfaces, one after the other, and fill each time; the last thing to do.

    Returns:
        `without_sam3` and `without_any`, REPORTs, or why there is none under ERROR; nothing of a
        model that the profile lacks.
    """
    found: dict[str, Any] = {}
    for name, model in (("without_sam3", SAM3), ("without_any", FLORENCE2)):
        if model in server.profile.models:
            kill(server.stubs, model)
            try:
                found[name] = json.loads(server.fill(session, None).report.to_json())
            except PawfectError as error:
                # What is not to happen: it is judged, and ends nothing.
                found[name] = {ERROR: str(error)}
    return found


def kill(stubs: Callable[[], Mapping[int, str]], model: str) -> None:
    """Kill a model's processes and wait until they are gone.

    Raises:
        TimeoutError: they are still there.
    """
    for pid, name in stubs().items():
        if name == model:
            os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + GONE_S
    while model in stubs().values():
        if time.monotonic() > until:
            raise TimeoutError(f"{model}: expected its process to end, it did not")
        time.sleep(0.05)


def strew(mask: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Return where isolated white pixels were added to a mask UINT8 [H, W], and the mask with them.

    BOOL [H, W] and UINT8 [H, W]; each at least APART_PX from all that is white, and the same for
    the same mask.
    """
    given = mask >= 128
    height, width = mask.shape
    added = np.zeros(mask.shape, bool)
    far = cv2.distanceTransform(np.where(given, 0, 255).astype(np.uint8), cv2.DIST_L2, 5)
    rng = np.random.default_rng(0)
    rows, columns = (range(APART_PX, side - APART_PX, APART_PX) for side in (height, width))
    grid = [(y, x) for y in rows for x in columns if far[y, x] > APART_PX]
    for index in rng.permutation(len(grid))[:SPECKS]:
        added[grid[index]] = True
    return added, np.where(added, 255, mask).astype(np.uint8)


def growth(marked: NDArray[np.uint8], cleaned: NDArray[np.uint8]) -> float:
    """Return how far a cleaned mask reaches from the marked one at most, px; both UINT8 [H, W]."""
    outside = cv2.distanceTransform(
        np.where(marked >= 128, 0, 255).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    return round(float(outside[cleaned > 0].max(initial=0.0)), 2)


def _fill(server: AuditServer, place: Place, folder: Path, answer: Inpainted) -> Fill:
    inside = server.labels(answer.image, place.hole)
    name = f"live-{answer.report.seed}"
    return Fill(
        picture=save_picture(folder, name, answer.image),
        crop=save_picture(folder, f"{name}-crop", answer.image[view_of(place.hole)]),
        report=json.loads(answer.report.to_json()),
        scores=judge(answer.image, place) | judge_labels(place, inside, server.profile),
        labels_inside=shares(inside),
    )


def _analyzed(server: AuditServer, session: Session, config: AnalyzerConfig) -> dict[str, Any]:
    """Return what perf_analyzer measures of `inpaint`; its absence is told and costs nothing."""
    arrays: dict[str, Any] = {"IMAGE": session.photo, "MASK": session.mask}
    if session.protect is not None:
        arrays["PROTECT"] = session.protect
    try:
        measured = Analyzer(BUILD).measure(config, [arrays], server.address, 1)
    except (AnalyzerError, subprocess.TimeoutExpired) as error:
        return {"problem": str(error).splitlines()[0]}
    return {"p50_ms": measured.p50_ms, "p95_ms": measured.p95_ms, "requests": measured.requests}
