"""deploy/observability/rules.yaml, read: what is recorded, and what is an alert."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from perf.observability.queries import asked

FILE: Final = Path("deploy/observability/rules.yaml")


@dataclass(frozen=True)
class Alert:
    """One alert.

    Attributes:
        name: of it.
        query: PromQL.
        severity: page or ticket.
        summary: in words.
        runbook: the file that says what to do.
    """

    name: str
    query: str
    severity: str
    summary: str
    runbook: Path


def alerts() -> list[Alert]:
    """Return all alerts, as they stand in the file."""
    return [
        Alert(
            rule["alert"],
            rule["expr"],
            rule["labels"]["severity"],
            rule["annotations"]["summary"],
            Path(rule["annotations"]["runbook"]),
        )
        for rule in _rules()
        if "alert" in rule
    ]


def recorded() -> dict[str, str]:
    """Return the queries of recorded series by their names."""
    return {rule["record"]: rule["expr"] for rule in _rules() if "record" in rule}


def recorded_labels() -> dict[str, frozenset[str]]:
    """Return which labels recorded series have: those that their queries group by."""
    return {name: asked(query).grouped - {"le"} for name, query in recorded().items()}


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(FILE.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]
