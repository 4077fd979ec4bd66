"""What Grafana's dashboard shows: panels.toml, strictly read."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("panels.toml")


@dataclass(frozen=True)
class Plot:
    """One panel.

    Attributes:
        title: of it.
        unit: Grafana's name of it.
        queries: PromQL by legend; `{{label}}` in a legend is a label's value.
        now: whether it shows the last value alone, large.
        least: where the axis begins.
    """

    title: str
    unit: str
    queries: Mapping[str, str] = field(hash=False)
    now: bool = False
    least: float = 0.0


def rows() -> dict[str, list[Plot]]:
    """Return the panels of each row, by the row's title; TypeError for a key that is none."""
    read: list[dict[str, Any]] = tomllib.loads(FILE.read_text("utf-8"))["row"]
    return {row["title"]: [Plot(**panel) for panel in row["panel"]] for row in read}
