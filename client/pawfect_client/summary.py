"""The command line's last line: what was done, and what was left that may have been meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pawfect.contract.parameters import Scalar
from pawfect.contract.report import Report


def summary(
    out: Path,
    report: Report,
    mask_note: str | None,
    parameters: Mapping[str, Scalar],
    lost: Sequence[str],
) -> str:
    """Return one line.

    Args:
        out: where the result is.
        report: how it came about.
        mask_note: how the mask's file was read, where that had to be found out.
        parameters: those of the request.
        lost: what the result's format cannot hold.
    """
    size = f"{report.width}x{report.height}"
    how = f"by {report.engine} in {report.total_ms / 1000:.1f} s, seed {report.seed}"
    line = f"{out}: {size}, {report.hole_px} px filled {how}"
    if lost:
        line += f"; not in this format: {', '.join(lost)}"
    return "; ".join([line, *_remarks(report, mask_note, parameters)])


def _remarks(
    report: Report, mask_note: str | None, parameters: Mapping[str, Scalar]
) -> Iterator[str]:
    if mask_note:
        yield f"mask: {mask_note}"
    if report.specks:
        left = f"{report.specks} specks of the mask under {report.least_speck_px} px were left"
        yield f"{left} (--param least_speck_px=0 fills them too)"
    if report.outlines:
        drawn = "an outline was" if report.outlines == 1 else f"{report.outlines} outlines were"
        yield f"{drawn} filled along the stroke alone (--param fill_outlines=true fills inside)"
    if parameters.get("fill_outlines") and not report.outlines_filled:
        yield "fill_outlines found no closed outline"
    fallbacks = ", ".join(entry.stage for entry in report.fallbacks)
    if fallbacks:
        yield f"fallbacks: {fallbacks}"
