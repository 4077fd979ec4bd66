"""A report as a table on the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pawfect.contract.report import Report


def print_report(report: Report, console: Console | None = None) -> None:
    """Print a report as a table of two columns.

    Args:
        report: what the server said about one result.
        console: where to; None: stdout.
    """
    table = Table(title="Report", show_header=False, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value in _rows(report):
        # As Text: labels and prompts may hold what rich would read as markup.
        table.add_row(Text(name), Text(value))
    (console or Console()).print(table)


def _rows(report: Report) -> Iterator[tuple[str, str]]:
    yield "engine", f"{report.engine} ({report.engine_reason})"
    yield "photo", f"{report.width} x {report.height} px"
    yield "filled", f"{report.hole_px} px ({_share(report)} of the photo)"
    yield "mask", ", ".join(_cleaned(report))
    for number, window in enumerate(report.windows, 1):
        x0, y0, x1, y1 = window.box
        size = f"{x1 - x0} x {y1 - y0} px at ({x0}, {y0})"
        yield f"window {number}", f"{size}, {window.method}, worked at {window.working_px} px"
    if report.labels:
        yield "surroundings", f"{', '.join(report.labels)} ({report.labels_source})"
    if report.prompt is not None:
        yield "prompt", report.prompt
    if report.steps is not None:
        guided = f"guidance {report.guidance_scale}, strength {report.strength}"
        yield "steps", f"{report.steps}, {guided}"
    yield "seed", str(report.seed)
    for stage, spent in report.stage_ms.items():
        yield f"  {stage}", f"{spent:.0f} ms"
    yield "total", f"{report.total_ms:.0f} of {report.deadline_ms} ms"
    for fallback in report.fallbacks:
        yield "fallback", f"{fallback.stage}: {fallback.reason}; instead: {fallback.instead}"
    for model, identity in report.weights.items():
        yield f"weights of {model}", identity
    yield "server", f"pawfect {report.version}, profile {report.profile}"


def _cleaned(report: Report) -> Iterator[str]:
    least, most = report.least_dilate_px, report.dilate_px
    yield f"grown by {most:g} px" if least in (None, most) else f"grown by {least:g} to {most:g} px"
    under = f" under {report.least_speck_px} px" if report.specks and report.least_speck_px else ""
    yield f"{report.specks} specks{under} dropped"
    yield f"{report.pinholes} pinholes closed"
    if report.outlines:
        yield f"{report.outlines} outlines not filled inside"
    if report.outlines_filled:
        yield f"{report.outlines_filled} outlines filled inside"


def _share(report: Report) -> str:
    return f"{report.hole_px / (report.width * report.height):.1%}"
