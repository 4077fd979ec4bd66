"""The command line's last line: what was done, and what was left that may have been meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pawfect.contract.parameters import Scalar
from pawfect_client.one_file import FilledFile


def summary(out: Path, filled: FilledFile, parameters: Mapping[str, Scalar]) -> str:
    """Return one line.

    Args:
        out: where the result is.
        filled: how it came about.
        parameters: those of the request.
    """
    report = filled.report
    size = f"{report.width}x{report.height}"
    how = f"by {report.engine} in {report.total_ms / 1000:.1f} s, seed {report.seed}"
    line = f"{out}: {size}, {report.hole_px} px filled {how}"
    return "; ".join([line, *remarks(filled, parameters)])


def remarks(filled: FilledFile, parameters: Mapping[str, Scalar]) -> Iterator[str]:
    """Return what there is to say about a result, for people.

    Args:
        filled: how it came about.
        parameters: those of the request.
    """
    report, mask_note = filled.report, filled.mask_note
    if filled.lost:
        yield f"not in this format: {', '.join(filled.lost)}"
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
