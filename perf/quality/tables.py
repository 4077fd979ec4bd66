"""The results as files: `quality.json` with every row, `quality.md` with means and tables."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from perf.publish import table
from perf.quality.run import TRUTH, Row, SceneResult
from perf.scenes import QUALITY_GROUPS


@dataclass(frozen=True)
class Means:
    """A method's means over the scenes that were scored.

    Attributes:
        scenes: how many were scored.
        errors: how many failed; they are in no mean.
        st_lpips: distance to the truth.
        seam_step: colour step, CIE76.
        seam_off: distance of the step from the truth's own on the same scene, either way.
        sharpness_off: |ln| of the ratio inside to outside, over the truth's own.
        seconds: wall time.
    """

    scenes: int
    errors: int
    st_lpips: float
    seam_step: float
    seam_off: float
    sharpness_off: float
    seconds: float


def means(results: Sequence[SceneResult], method: str) -> Means:
    """Average a method's rows; NaN where no scene was scored."""
    scored = []
    for result in results:
        rows = {row.method: row for row in result.rows}
        own, truth = rows[method].scores, rows[TRUTH].scores
        if own is not None and truth is not None:
            seam_off = abs(own.seam_step - truth.seam_step)
            sharpness_off = abs(math.log(own.sharpness / truth.sharpness))
            seconds = rows[method].seconds
            scored.append((own.st_lpips, own.seam_step, seam_off, sharpness_off, seconds))
    columns = zip(*scored, strict=True) if scored else [(math.nan,)] * 5
    return Means(len(scored), len(results) - len(scored), *map(statistics.fmean, columns))


def _by_group(results: Sequence[SceneResult]) -> Iterator[tuple[str, dict[str, Means]]]:
    """Give the means of all scenes and of each group, by method."""
    names = [row.method for row in results[0].rows]
    yield "all scenes", {name: means(results, name) for name in names}
    for group in QUALITY_GROUPS:
        own = [result for result in results if result.scene.group == group]
        if own:
            yield group, {name: means(own, name) for name in names}


def as_json(results: Sequence[SceneResult]) -> dict[str, Any]:
    """Return means and every row; NaN is null."""

    def plain(value: Means) -> dict[str, float | None]:
        return {k: None if math.isnan(v) else v for k, v in asdict(value).items()}

    return {
        "means": {
            group: {name: plain(value) for name, value in methods.items()}
            for group, methods in _by_group(results)
        },
        "rows": [asdict(row) for result in results for row in result.rows],
    }


def as_markdown(results: Sequence[SceneResult]) -> str:
    """Return the means of the set and of each group, and the table of scenes."""
    parts = [
        "ST-LPIPS to the truth on tight crops around the holes: lower is better. Seam step: CIE76 "
        "between local means on both sides of the hole's rim, as the check and the audit measure "
        "it. The truth has a step of its own, which is the floor; less than that is a smear, not a "
        "better seam, so the column after it compares with the truth's step scene by scene. "
        "Sharpness: Laplacian energy inside over outside, compared with the truth's. Seconds are "
        "wall time.\n"
    ]
    head = ("method", "scenes", "ST-LPIPS", "seam step", "off truth", "sharpness off truth", "s")
    for group, methods in _by_group(results):
        rows = [_means_row(name, value) for name, value in methods.items()]
        parts.append(f"## {group.capitalize()}\n\n{table(head, rows)}")
    columns = ("scene", "group", "hole", *(row.method for row in results[0].rows))
    cells = [
        (
            result.scene.name,
            result.scene.group,
            f"{float((result.hole > 0).mean()):.1%}",
            *map(cell, result.rows),
        )
        for result in results
    ]
    parts.append("## Scene by scene\n\nST-LPIPS / seam step / sharpness ratio / seconds.\n")
    return "\n".join([*parts, table(columns, cells)])


def _means_row(name: str, m: Means) -> tuple[str, ...]:
    count = f"{m.scenes} ({m.errors} failed)" if m.errors else f"{m.scenes}"
    values = (m.seam_step, m.seam_off, m.sharpness_off, m.seconds)
    return (name, count, f"{m.st_lpips:.4f}", *(f"{value:.2f}" for value in values))


def cell(row: Row) -> str:
    """Return a row in a few figures, or its error."""
    if row.scores is None:
        return f"error: {row.error}".replace("|", "/").replace("\n", " ")
    s = row.scores
    mark = f" unfilled {row.unfilled:.1%}" if row.unfilled else ""
    return f"{s.st_lpips:.4f} / {s.seam_step:.2f} / {s.sharpness:.2f} / {row.seconds:.2f}{mark}"
