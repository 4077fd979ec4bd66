"""A proof's evidence to judge, without a server: cells as the tiny profile's plan has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import product
from typing import Any

import pytest

from pawfect.profile import load_profile
from perf.audit.cells import Cell, Setting
from perf.audit.choice import choose
from perf.audit.journal import Record
from perf.audit.matrix import Source
from perf.audit.report import Run
from perf.prove.checks import Told
from perf.prove.evidence import Evidence
from perf.prove.jobs import Job, Jobs
from perf.prove.live import Fill, Live
from perf.prove.plan import Plan, plan_of
from perf.prove.preflight import Card

SCENE = Source(name="lawn", scene="reference_768")


def cells(plan: Plan) -> list[Cell]:
    """Return a plan's cells, each once, with made-up identities."""
    found: dict[tuple[Any, ...], Cell] = {}
    for matrix in plan.matrices:
        (axes,) = matrix.axes.by_engine(load_profile(matrix.profile)).values()
        for values in product(*axes.values(), matrix.seeds):
            *given, seed = values
            setting = Setting(**dict(zip(axes, given, strict=True)))
            found.setdefault((setting, seed), Cell(setting, "lawn", seed, f"{len(found):016}"))
    return list(found.values())


def record(cell: Cell, **instead: Any) -> Record:
    report = {"total_ms": 4000.0, "stage_ms": {"flux_transformer": 3000.0}, "prompt": "grass"}
    given: dict[str, Any] = {
        "picture": f"pictures/{cell.identity}.jpg",
        "crop": f"pictures/{cell.identity}-crop.jpg",
        "peak_mib": 2048.0,
        "scores": {"seam_off": 1.0, "strange": 0.0},
        "labels_inside": {"grass": 1.0},
        "labels_around": {"grass": 0.8},
        "report": report,
    }
    at = "2026-01-01T00:00:00"
    whole = {"status": "done", **given, **instead}
    return Record(cell.identity, cell.session, cell.seed, cell.setting, at=at, **whole)


def fill(seed: int, **report: Any) -> Fill:
    told = {
        "engine": "flux",
        "steps": 8,
        "steps_taken": 8,
        "strength": 1.0,
        "guidance_scale": 10.0,
        "weights": {"flux_transformer": "tiny-flux-fill@1"},
        "total_ms": 9000.0,
        "stage_ms": {"flux_transformer": 8000.0, "florence2": 900.0},
        "dilate_px": 10.0,
        "prompt": "grass with fallen leaves",
        "prompt_source": "labels",
        "labels_source": "sam3",
        "hole_px": 1000,
    }
    name = f"pictures/live-{seed}"
    scores = {"seam_off": 1.0, "strange": 0.0}
    return Fill(f"{name}.jpg", f"{name}-crop.jpg", told | report, scores, {"grass": 1.0})


JOB = Job(0.1, False, "completed", 6.0, 2, ("grass",), ("grass",), "request")
LIVE = Live(
    fills=tuple(map(fill, range(3))),
    labels_around={"grass": 0.8, "fallen leaves": 0.1},
    peak_gib=12.0,
    analyzer={"p50_ms": 9000.0, "p95_ms": 9500.0, "requests": 10},
    growth_px=10.4,
    dilate_px=10.0,
    specks=40,
    specks_left=0,
    truth_step=1.0,
    without_sam3=fill(0, labels_source="florence2", prompt_source="caption").report,
    without_any=fill(0, labels_source="none", prompt_source="none", prompt="").report,
)
EVENT = Told(0, "torch._dynamo.explain(): 1 graphs\n12 passed in 0.10s", 1.0)

# Takes what differs from a proof in which all is well, and a change of every record.
Build = Callable[..., Evidence]


@pytest.fixture
def evidence() -> Build:
    """Build evidence of a card whose profile is as small as tiny."""

    def build(
        changed: Callable[[Record], Record] = lambda row: row,
        *,
        rehearsal: bool = False,
        card: Card = Card("Tesla T4", 14.7, "7.5"),  # noqa: B008
        name: str = "tiny",
        **instead: Any,
    ) -> Evidence:
        profile = load_profile(name)
        plan = replace(plan_of(profile, SCENE, full=False), rehearsal=rehearsal)
        own = cells(plan)
        records = {cell.identity: changed(record(cell)) for cell in own}
        source = {"command": "c", "date": "d", "machine": "m", "versions": {"v": "1"}}
        session = {"name": "lawn", "photo": "pictures/p.jpg", "truth": ""}
        note = {"profile": name, "budget_ms": 30_000, "provenance": source, "sessions": [session]}
        note["cells"] = [asdict(cell) for cell in own]
        run = Run(json.loads(json.dumps(note)), own, records, choose(own, records, 30_000))
        given = {"live": LIVE, "jobs": Jobs(JOB, replace(JOB, labels_source="sam3", over_s=16.0)),
                 "compiled": EVENT, "attention": EVENT, "prompts": EVENT}  # fmt: skip
        return Evidence(profile, plan, card, run, **(given | instead))

    return build
