"""The report of an audit: one HTML page with the pictures side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from perf.audit.cells import Cell
from perf.audit.choice import RULE, Choice, loss_of
from perf.audit.journal import Record, save_whole
from perf.audit.matrix import AXES

HTML: Final = "audit.html"
SCORES: Final = ("st_lpips", "seam_step", "sharpness", "strange")
# The plot's width and height, units of its own.
PLOT: Final = (640, 300)


@dataclass(frozen=True)
class Content:
    """What the report is made of.

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


def write_report(folder: Path, content: Content) -> Path:
    """Write the report into the audit's folder and return where it is.

    Raises:
        AuditError: the disk is full; the report stays as it was.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html.j2").render(**_values(content))
    save_whole(folder / HTML, page.encode(), HTML)
    return folder / HTML


def _values(content: Content) -> dict[str, Any]:
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
