"""What the command line says of a cut-out: what was found, how, and what was done instead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pawfect.contract.cutout import CutoutReport
from pawfect_client.cut_file import CutFile


def cut_summary(out: Path, cut: CutFile) -> str:
    """Return one line.

    Args:
        out: where the result is.
        cut: how it came about.
    """
    report = cut.report
    size = f"{report.width}x{report.height}"
    how = f"by {seen_by(report)}, edges {report.edges}, in {report.total_ms / 1000:.1f} s"
    if report.subject_found:
        share = f"{100 * report.subject_share:.1f} % of the photo"
        what = f"subject on {share}, confidence {report.confidence:.2f}"
    else:
        what = "no subject found"
    return "; ".join([f"{out}: {size}, {what}, {how}", *cut_remarks(cut)])


def seen_by(report: CutoutReport) -> str:
    """Return which network looked, and at what size."""
    return f"{report.network} at {report.seen[0]}x{report.seen[1]}"


def cut_remarks(cut: CutFile) -> Iterator[str]:
    """Return what there is to say about a result, for people."""
    report = cut.report
    if not report.subject_found:
        yield f"nothing of the photo is in it (output={report.output})"
    if cut.lost:
        yield f"not in this format: {', '.join(cut.lost)}"
    for fallback in report.fallbacks:
        yield f"fallback: {fallback.reason}, instead {fallback.instead}"
