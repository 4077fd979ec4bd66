"""A search without networks: the protocol of the real one, with fills that their seed decides.

It stands in for `pawfect.local_search.LocalSearch`, found by an entry point as that is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pawfect.contract.candidates import FoundCandidate, read_done
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.scores import AXES, Judgement
from pawfect.contract.search import SWAP, SearchParams, search_plan
from pawfect.contract.search_report import GLOBAL, LOCAL, Candidate, SearchReport, SwapReport
from pawfect.contract.tensors import MASK_THRESHOLD

# Of a process: seconds that a candidate takes, and the file that gets the number of each as it is
# finished.
PACE, MADE = "FLOW_PACE_S", "FLOW_MADE"


@dataclass(frozen=True)
class Told:
    stage: str
    progress: float
    preview: Any = None
    candidate: FoundCandidate | None = None


@dataclass(frozen=True)
class Outcome:
    image: np.ndarray
    report: SearchReport


class Flow:
    """Makes candidates one after the other, but for those that are done.

    `failing` have an error in place of a picture, `late` is where the deadline comes; `refused`
    is raised before the first; with `hold` set, it waits at that candidate until it is stopped.
    """

    failing: frozenset[int] = frozenset()
    late: int | None = None
    refused: PawfectError | None = None
    hold: int | None = None
    requests: list[dict[str, Any]] = []  # noqa: RUF012 - of the class, whoever makes one
    made: list[int] = []  # noqa: RUF012

    def search(
        self,
        tensors: Mapping[str, np.ndarray],
        parameters: Mapping[str, Any],
        *,
        stop: Callable[[], bool] = lambda: False,
        notify: Callable[[Any], None] | None = None,
    ) -> Outcome:
        params = SearchParams.parse(parameters)
        plan = search_plan(params)
        image, mask = tensors["IMAGE"], hole_of(tensors)
        done = {one.candidate.number: one for one in read_done(tensors, *image.shape[:2])}
        told = {"parameters": dict(parameters), "known": sorted(done)}
        Flow.requests.append(told | {"names": sorted(tensors)})
        if self.refused is not None:
            raise self.refused
        found: dict[int, FoundCandidate] = {}
        tell = notify or (lambda told: None)
        tell(Told("validate", 0.01))
        for number in range(plan.total):
            if self.late is not None and number >= self.late:
                break
            while self.hold == number and not stop():
                time.sleep(0.002)
            if stop():
                raise PawfectError(ErrorKind.CANCELLED, "search: cancelled")
            if number in done:
                found[number] = done[number]
                continue
            found[number] = self._candidate(number, plan, params.seed, found, tensors)
            tell(Told(f"candidate {number}", (number + 1) / plan.total, None, found[number]))
        ranked = [_ranked(one.candidate, plan.weights) for one in found.values()]
        best = max(ranked, key=lambda one: (one.potential or 0.0, -one.number))
        result, won = image.copy(), found[best.number]
        x0, y0, x1, y1 = won.box
        result[y0:y1, x0:x1] = won.image
        height, width = mask.shape
        report = SearchReport(
            best=best.number,
            best_potential=best.potential,
            candidates=tuple(ranked),
            ended="done" if len(found) == plan.total else "deadline",
            judges=dict.fromkeys(AXES[:2], ("local",)),
            silent={"gemini": "no key"},
            # As the plan has them: a table that nobody can change.
            weights=plan.weights,
            floor=plan.floor,
            planned=plan.total,
            known=len(done),
            preset=params.preset,
            proposer=params.proposer,
            engine="patch",
            engine_reason="asked for",
            seed=params.seed,
            deadline_ms=params.deadline_ms,
            profile="test",
            width=width,
            height=height,
            hole_px=int((mask >= MASK_THRESHOLD).sum()),
            protect_source="none",
            stage_ms={"candidates": 1.0},
            total_ms=2.0,
            swap=_swap_of(params) if params.proposer == SWAP else None,
            notes=("<b>fine</b>",),
        )
        return Outcome(result, report)

    def _candidate(
        self,
        number: int,
        plan: Any,
        seed: int,
        found: Mapping[int, FoundCandidate],
        tensors: Mapping[str, np.ndarray],
    ) -> FoundCandidate:
        time.sleep(float(os.environ.get(PACE, "0")))
        parent = None
        if number >= plan.k_global:
            first = [one.candidate for one in found.values() if one.candidate.parent is None]
            able = [one for one in first if one.error is None]
            order = sorted(able, key=lambda one: -one.judgements[0].scores["consistency"])
            parent = order[(number - plan.k_global) // plan.k_local].number
        phase = GLOBAL if parent is None else LOCAL
        variation = "seed" if number else "undiffused"
        candidate = Candidate(number, phase, seed + number * 7, variation, parent, engine="patch")
        self.made.append(number)
        if MADE in os.environ:
            with open(os.environ[MADE], "a") as file:
                file.write(f"{number}\n")
        if number in self.failing:
            return FoundCandidate(replace(candidate, engine=None, error="<i>no memory</i>"))
        rng = np.random.default_rng([seed, number])
        scores = dict(zip(AXES[:2], rng.uniform(2, 10, 2).round(3).tolist(), strict=True))
        candidate = replace(candidate, judgements=(Judgement("local", scores),))
        mask = hole_of(tensors) >= MASK_THRESHOLD
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        x0, y0, x1, y1 = box
        crop = tensors["IMAGE"][y0:y1, x0:x1].copy()
        crop[mask[y0:y1, x0:x1]] = rng.integers(0, 256, 3)
        return FoundCandidate(candidate, crop, box)


def _swap_of(params: SearchParams) -> SwapReport:
    licences = {"faces": "research only", "swap": "research only"}
    return SwapReport(
        (12.0, 10.4, 28.0, 30.0), 2, "insightface", params.caller, 0.05, ("paw",), licences
    )


def hole_of(tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return a request's MASK; where it has none, the face that this flow finds in any photo."""
    if "MASK" in tensors:
        return tensors["MASK"]
    found = np.zeros(tensors["IMAGE"].shape[:2], np.uint8)
    found[10:30, 12:28] = 255
    return found


def _ranked(candidate: Candidate, weights: Mapping[str, float]) -> Candidate:
    if candidate.error is not None:
        return candidate
    scores = dict(candidate.judgements[0].scores)
    total = sum(weights[axis] for axis in scores)
    potential = sum(weights[axis] * score for axis, score in scores.items()) / total
    return replace(candidate, scores=scores, potential=potential)
