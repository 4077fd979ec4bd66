"""What a proof says: a page with pictures for people, and a result of numbers to be committed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from pawfect.contract.files import write_whole
from perf.audit.choice import loss_of
from perf.audit.journal import Record
from perf.pages import render
from perf.prove.criteria import Criterion, criteria_of
from perf.prove.evidence import Evidence
from perf.prove.verdict import Verdict
from perf.publish import as_markdown, publish, table

HTML: Final = "prove.html"
TEMPLATE: Final = Path(__file__).with_name("page.html.j2")
MEANINGLESS: Final = (
    "A rehearsal with tiny random weights on a CPU: its pictures are noise and its seconds say "
    "nothing of a card. What it shows is that every step runs."
)
Verdicts = Sequence[tuple[Criterion, Verdict]]


def verdicts_of(found: Evidence) -> list[tuple[Criterion, Verdict]]:
    """Return every criterion of the roadmap and of the engine with how it came out."""
    return [(criterion, criterion.verdict(found)) for criterion in criteria_of(found.engine)]


def write_page(folder: Path, found: Evidence, verdicts: Verdicts) -> Path:
    """Write the page into a proof's folder and return where it is.

    Raises:
        OSError: the disk is full; the page stays as it was.
    """
    (session,) = found.run.note["sessions"]
    page = render(
        TEMPLATE,
        found=found,
        verdicts=verdicts,
        counts=Counter(verdict.status for _, verdict in verdicts),
        meaningless=MEANINGLESS if found.plan.rehearsal else "",
        session=session,
        columns=_columns(found),
        stands_for=_stands_for(found),
        stages=_stages(found),
        run=found.run.note,
    )
    write_whole(folder / HTML, page)
    return folder / HTML


def write_result(results: Path, name: str, found: Evidence, verdicts: Verdicts) -> None:
    """Write NAME.json and NAME.md: verdicts, cells and numbers, no pictures."""
    source = found.run.note["provenance"]
    rows = [_row(record) for record in found.run.rows]
    result: dict[str, Any] = {
        "profile": found.profile.name,
        "engine": found.engine,
        "rehearsal": found.plan.rehearsal,
        "card": asdict(found.card),
        "session": found.run.note["sessions"][0]["name"],
        "criteria": [
            {"number": c.number, "text": c.text, "status": v.status, "how": v.how}
            for c, v in verdicts
        ],
        "cells": rows,
        "live": {
            "total_ms": [fill.report["total_ms"] for fill in found.live.fills],
            "stage_ms": found.live.fills[0].report["stage_ms"],
            "peak_gib": found.live.peak_gib,
            "perf_analyzer": found.live.analyzer,
            "labels_around": found.live.labels_around,
        },
        "source": source,
    }
    head = ("criterion", "what the roadmap asks", "came out", "how")
    told = table(head, ((c.number, c.text, v.status, v.how) for c, v in verdicts))
    cells = (
        table(list(rows[0]) if rows else [], (list(row.values()) for row in rows)) if rows else ""
    )
    card = found.card.name + (f", {found.card.gib:.1f} GiB" if found.card.gib else "")
    text = f"# The roadmap's criteria, profile `{found.profile.name}`, {found.title}\n\n"
    text += f"{MEANINGLESS}\n\n" if found.plan.rehearsal else ""
    text += f"{_stands_for(found)}\n\n"
    text += f"On {card}, session {result['session']}. {as_markdown(source)}\n{told}\n{cells}"
    publish(results, name, result, text)


def _stands_for(found: Evidence) -> str:
    """Say which entry each of the roadmap's quantisations is, or what stands for it."""
    told = ", ".join(f"{name}: {entry}" for name, entry in found.plan.quantisations.items())
    missing = f"; {found.plan.stands_for}" if found.plan.stands_for else ""
    return f"Weights that are compared: {told}{missing}."


def _row(record: Record) -> dict[str, Any]:
    return {
        "quantisation": record.setting.quantisation,
        "px": record.setting.size,
        "guidance": record.setting.guidance,
        "steps": record.setting.steps,
        "strength": record.setting.strength,
        "references": record.setting.references,
        "prompt": record.setting.prompt,
        "seed": record.seed,
        "status": record.status,
        "s": round(record.total_ms / 1000, 2) if record.report else None,
        "GiB": round(record.peak_mib / 1024, 2) if record.report else None,
        "loss": round(loss_of(record), 3) if record.scores else None,
        "strange labels": record.scores.get("strange"),
        "reason": record.reason,
    }


def _columns(found: Evidence) -> list[dict[str, Any]]:
    """Return the pictures that stand side by side: the service as it was, the product, the best."""
    columns = []
    for name in dict.fromkeys((found.plan.smallest, found.plan.largest)):
        if (row := found.baseline(name)) is not None:
            columns.append(_column(f"as it was, {name}", row))
    for seed, fill in enumerate(found.live.fills):
        columns.append(
            {
                "title": f"the product, seed {seed}",
                "crop": fill.crop,
                "picture": fill.picture,
                "seconds": fill.report["total_ms"] / 1000,
                "gib": found.live.peak_gib,
                "inside": fill.labels_inside,
                "around": found.live.labels_around,
                "prompt": fill.report["prompt"],
                "scores": fill.scores,
            }
        )
    if found.best is not None:
        rows = found.rows(lambda row: found.best is not None and row.setting == found.best.setting)
        columns += [_column("recommended by the audit", row) for row in rows[:1]]
    return columns


def _column(title: str, row: Record) -> dict[str, Any]:
    return {
        "title": title,
        "crop": row.crop,
        "picture": row.picture,
        "seconds": row.total_ms / 1000,
        "gib": round(row.peak_mib / 1024, 2),
        "inside": row.labels_inside,
        "around": row.labels_around,
        "prompt": row.report["prompt"],
        "scores": row.scores,
    }


def _stages(found: Evidence) -> list[tuple[str, list[float | None]]]:
    """Return the seconds of each stage: of the baseline, then of the product."""
    baseline = found.baseline()
    reports = [baseline.report if baseline else {}, found.live.fills[0].report]
    tables = [report.get("stage_ms", {}) for report in reports]
    names = dict.fromkeys(name for one in tables for name in one)

    def seconds(ms: float | None) -> float | None:
        return None if ms is None else round(ms / 1000, 2)

    rows = [(name, [seconds(one.get(name)) for one in tables]) for name in names]
    return [*rows, ("all together", [seconds(report.get("total_ms")) for report in reports])]
