"""metrics.json: what won, by how much, and the tree of all candidates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from pawfect.contract.scores import CONSISTENCY, IDENTITY, REALISM
from pawfect.contract.search_report import Candidate, SearchReport
from pawfect_client.search.task_folder import name_of_candidate
from pawfect_client.search.tasks import Task

# What an axis is called there: the published pipelines say quality for realism.
AXIS_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {CONSISTENCY: "consistency", REALISM: "quality", IDENTITY: "identity"}
)


def metrics_of(task: Task, report: SearchReport, request: str) -> bytes:
    """Return the content of metrics.json.

    A score that no judge gave is not there: nothing stands in its place.

    Args:
        task: what was searched.
        report: what came of it.
        request: digest of the request.
    """
    best = report.winner
    entries = {
        "task_id": task.id,
        "character_name": task.character,
        "best_seed": best.seed,
        "best_phase": best.phase,
        "best_potential": report.best_potential,
        "best_scores": scores_by_judge(best),
        "total_candidates": len(report.candidates),
        "best_file": None if best.error is not None else name_of_candidate(best),
        "complete": report.complete,
        "request": request,
        "tree": tree_of(report.candidates),
        "report": json.loads(report.to_json()),
    }
    return json.dumps(entries, ensure_ascii=False, indent=2).encode() + b"\n"


def scores_by_judge(candidate: Candidate) -> dict[str, float]:
    """Return what each judge gave, by `{judge}_{axis}`."""
    return {
        f"{one.judge}_{AXIS_NAMES[axis]}": score
        for one in candidate.judgements
        for axis, score in one.scores.items()
    }


def tree_of(candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    """Return the candidates of the first stage, each with its children."""

    def entry(one: Candidate) -> dict[str, Any]:
        return {
            "number": one.number,
            "parent": one.parent,
            "phase": one.phase,
            "seed": one.seed,
            "variation": one.variation,
            "engine": one.engine,
            "potential": one.potential,
            "above_floor": one.above_floor,
            "keeps_identity": one.keeps_identity,
            "scores": scores_by_judge(one),
            "error": one.error,
            "file": None if one.error is not None else name_of_candidate(one),
            "children": [entry(child) for child in children_of(one, candidates)],
        }

    return [entry(one) for one in children_of(None, candidates)]


def children_of(parent: Candidate | None, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return a candidate's children; of None those that have no parent among them."""
    numbers = {one.number for one in candidates}

    def parent_of(one: Candidate) -> int | None:
        # A parent comes before its children.
        known = one.parent is not None and one.parent in numbers and one.parent < one.number
        return one.parent if known else None

    wanted = None if parent is None else parent.number
    return [one for one in candidates if parent_of(one) == wanted]
