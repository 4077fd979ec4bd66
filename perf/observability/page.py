"""docs/metrics.md: the table of metrics between two marks of the page."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pawfect.contract.metrics import METRICS, Metric, Source

PAGE: Final = Path("docs/metrics.md")
_BEGIN: Final = "<!-- table: python -m perf.observability -->\n"
_END: Final = "<!-- end of the table -->\n"
_WHERE: Final = {
    Source.MODELS: "Of models, on Triton's metrics page",
    Source.TRITON: "Triton's own that rules and dashboard use, on the same page",
    Source.SERVICE: "Of API and worker",
    Source.API: "Of the API",
    Source.WORKER: "Of the worker",
}


def table() -> str:
    """Return the table of all metrics, a part for each place, in Markdown."""
    parts = []
    for source, title in _WHERE.items():
        rows = [_row(metric) for metric in METRICS.values() if metric.source is source]
        head = ("| name | type | labels | meaning |", "|---|---|---|---|")
        parts.append("\n".join((f"### {title}", "", *head, *rows)))
    return "\n\n".join(parts) + "\n"


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
    return f"| `{metric.name}` | {metric.type.value} | {labels} | {metric.meaning} |"


def with_table(text: str) -> str:
    """Return the page with today's table in the place of what stands between the marks."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"{PAGE}: expected the marks of the table, got none")
    return f"{before}{begin}\n{table()}\n{end}{after}"
