"""The reports of an audit: one HTML page with the pictures side by side, and one in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from perf.audit.cells import Cell
from perf.audit.choice import RULE, Choice, loss_of
from perf.audit.journal import Record, write_whole
from perf.publish import as_markdown

HTML: Final = "audit.html"
MARKDOWN: Final = "audit.md"
AXES: Final = ("quantisation", "size", "strength", "prompt", "guidance", "steps")
SCORES: Final = ("st_lpips", "seam_step", "sharpness", "strange")
# The plot's width and height, units of its own.
PLOT: Final = (640, 300)


@dataclass(frozen=True)
class Content:
    """What both reports are made of.

    Attributes:
        run: what the last run said of itself: profile, sessions, provenance.
        cells: of the matrix, in its order.
        records: by cell identity.
        choice: the settings, best first.
        links: by path below the audit's folder, where pictures were uploaded.
        links_end: until when the links hold; empty where there are none.
    """

    run: Mapping[str, Any]
    cells: Sequence[Cell]
    records: Mapping[str, Record]
    choice: Choice
    links: Mapping[str, str]
    links_end: str = ""


def write_reports(folder: Path, content: Content) -> tuple[Path, Path]:
    """Write both reports into the audit's folder and return where they are.

    Raises:
        AuditError: the disk is full; the reports stay as they were.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html.j2").render(**_told(content))
    pages = ((folder / HTML, page), (folder / MARKDOWN, as_text(content)))
    for path, text in pages:
        write_whole(path, text.encode(), path.name)
    return pages[0][0], pages[1][0]


def _told(content: Content) -> dict[str, Any]:
    rows = [content.records[c.identity] for c in content.cells if c.identity in content.records]
    values = {
        axis: _distinct(getattr(cell.setting, axis) for cell in content.cells) for axis in AXES
    }
    return {
        "run": content.run,
        "axes": values,
        "sessions": [
            {**session, "rows": [row for row in rows if row.session == session["name"]]}
            for session in content.run["sessions"]
        ],
        "rows": rows,
        "cells": len(content.cells),
        "counts": {
            status: sum(r.status == status for r in rows)
            for status in _distinct(row.status for row in rows)
        },
        "choice": content.choice,
        "points": _points(content.choice),
        "plot": PLOT,
        "rule": RULE,
        "loss_of": loss_of,
        "scores": SCORES,
        "link": lambda path: content.links.get(path, path),
        "links_end": content.links_end,
    }


def _distinct(values: Any) -> list[Any]:
    return sorted(set(values))


def _points(choice: Choice) -> list[dict[str, Any]]:
    """Place the settings on the plot: time from left to right, loss from bottom to top."""
    known = [one for one in choice.outcomes if one.loss is not None and one.mean_ms is not None]
    if not known:
        return []
    times = [one.mean_ms or 0.0 for one in known]
    losses = [one.loss or 0.0 for one in known]
    width, height = PLOT

    def placed(value: float, values: list[float], length: int) -> float:
        low, high = min(values), max(values)
        share = (value - low) / (high - low) if high > low else 0.5
        return round(40 + share * (length - 60), 1)

    return [
        {
            "x": placed(time, times, width),
            "y": round(height - placed(loss, losses, height), 1),
            "outcome": one,
        }
        for one, time, loss in zip(known, times, losses, strict=True)
    ]


def as_text(content: Content) -> str:
    """Return the report in Markdown, its pictures as links."""
    choice, run = content.choice, content.run
    lines = [f"# Audit of profile {run['profile']}", "", as_markdown(run["provenance"])]
    if choice.missing:
        lines += [
            f"**Incomplete: {choice.missing} of {len(content.cells)} cells are missing.**",
            "",
        ]
    lines += ["## Recommended setting", "", RULE, ""]
    best = choice.recommended
    if best is None:
        lines += [f"None: no complete setting keeps {choice.budget_ms} ms.", ""]
    else:
        lines += [
            "| " + " | ".join((*AXES, "loss", "mean s", "slowest s", "peak MiB")) + " |",
            "|---" * (len(AXES) + 4) + "|",
            "| " + " | ".join((*_axes(best.setting), *_numbers(best))) + " |",
            "",
        ]
    lines += ["## Settings, best first", ""]
    head = (*AXES, "done", "loss", "mean s", "slowest s", "peak MiB", "front", "in budget")
    lines += ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for one in choice.outcomes:
        marks = ("yes" if one.on_front else "", "yes" if one.in_budget else "")
        row = (*_axes(one.setting), f"{one.done}/{one.cells}", *_numbers(one), *marks)
        lines.append("| " + " | ".join(row) + " |")
    lines += ["", "## Cells", ""]
    if content.links_end:
        lines += [f"The links to pictures hold until {content.links_end}.", ""]
    columns = ("session", *AXES, "seed", "status", *SCORES, "loss", "s", "peak MiB", "picture")
    lines += ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for cell in content.cells:
        record = content.records.get(cell.identity)
        if record is not None:
            lines.append("| " + " | ".join(_cell_row(record, content.links)) + " |")
    return "\n".join(lines) + "\n"


def _axes(setting: Any) -> tuple[str, ...]:
    return tuple(_number(getattr(setting, axis)) for axis in AXES)


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else _plain(str(value))


def _numbers(one: Any) -> tuple[str, ...]:
    if one.loss is None:
        return ("", "", "", "")
    times = (f"{ms / 1000:.2f}" for ms in (one.mean_ms, one.slowest_ms))
    return (f"{one.loss:.3f}", *times, f"{one.peak_mib:.0f}")


def _cell_row(record: Record, links: Mapping[str, str]) -> tuple[str, ...]:
    scores = (f"{record.scores[n]:.3f}" if n in record.scores else "" for n in SCORES)
    status = f"{record.status}: {record.reason}" if record.reason else record.status
    picture = f"[picture]({links.get(record.picture, record.picture)})" if record.picture else ""
    measured = record.status != "failed"
    return (
        _plain(record.session),
        *_axes(record.setting),
        str(record.seed),
        _plain(status),
        *scores,
        f"{loss_of(record):.3f}" if measured else "",
        f"{record.total_ms / 1000:.2f}" if measured else "",
        f"{record.peak_mib:.0f}" if measured else "",
        picture,
    )


def _plain(text: str) -> str:
    """Return a text that stays within its cell of a Markdown table and is no markup."""
    for mark in "\\`*_[]<>|":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
