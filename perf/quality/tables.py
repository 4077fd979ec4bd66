"""The results as tables: means of every group by method, and each removal's figures."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from perf.publish import table
from perf.quality.run import TRUTH, Result, Row

# Who the others are compared with, removal by removal.
PEER: Final = "patchmatch"
HEAD: Final = (
    "method", "holes", "ST-LPIPS", f"of {PEER}'s", f"better than {PEER}", "rim colour",
    f"of {PEER}'s", "seam step", "off truth", "sharpness off truth", "s", "CPU s",
)  # fmt: skip
EXPLANATION: Final = (
    "ST-LPIPS to the truth on tight crops around the holes: lower is better. Better: on how many "
    f"holes it is lower than {PEER}'s. Rim colour: CIE76 between local means of fill and truth "
    "within 8 px inside the hole's rim. Seam step: CIE76 between local means on both sides of the "
    "rim, as the check and the audit measure it. The truth has a step of its own, which is the "
    "floor; less than that is a smear, not a better seam, so the column after it compares with the "
    "truth's step hole by hole. Sharpness: Laplacian energy inside over outside, compared with the "
    "truth's. CPU: of all threads of the process that fills; all were warm.\n"
)


@dataclass(frozen=True)
class Means:
    """A method's means over the removals that were scored.

    Attributes:
        scored: how many were.
        errors: how many failed; they are in no mean.
        better: on how many its ST-LPIPS is lower than PEER's.
        compared: on how many both were scored; 0 for PEER itself, or without it.
        st_lpips: distance to the truth.
        rim_colour: distance from the truth's colour along the rim, CIE76.
        seam_step: colour step, CIE76.
        seam_off: distance of the step from the truth's own on the same removal, either way.
        sharpness_off: |ln| of the ratio inside to outside, over the truth's own.
        seconds: wall time.
        cpu_seconds: time of all threads.
    """

    scored: int
    errors: int
    better: int
    compared: int
    st_lpips: float
    rim_colour: float
    seam_step: float
    seam_off: float
    sharpness_off: float
    seconds: float
    cpu_seconds: float


def means(results: Sequence[Result], method: str) -> Means:
    """Average a method's rows; NaN where no removal was scored."""
    scored, against = [], []
    for result in results:
        rows = {row.method: row for row in result.rows}
        row, truth = rows[method], rows[TRUTH].scores
        own, peer = row.scores, rows[PEER].scores if PEER in rows else None
        if own is None or truth is None:
            continue
        seam_off = abs(own.seam_step - truth.seam_step)
        sharpness_off = abs(math.log(own.sharpness / truth.sharpness))
        scored.append((own.st_lpips, own.rim_colour, own.seam_step, seam_off, sharpness_off,
                       row.seconds, row.cpu_seconds))  # fmt: skip
        if peer is not None and method not in (PEER, TRUTH):
            against.append(own.st_lpips < peer.st_lpips)
    columns = zip(*scored, strict=True) if scored else [(math.nan,)] * 7
    failed = len(results) - len(scored)
    return Means(len(scored), failed, sum(against), len(against), *map(statistics.fmean, columns))


def _by_group(results: Sequence[Result]) -> Iterator[tuple[str, dict[str, Means]]]:
    """Give the means of all and of each group, by method."""
    names = [row.method for row in results[0].rows]
    yield "all", {name: means(results, name) for name in names}
    for group in dict.fromkeys(result.removal.group for result in results):
        own = [result for result in results if result.removal.group == group]
        yield group, {name: means(own, name) for name in names}


def as_json(results: Sequence[Result]) -> dict[str, Any]:
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


def as_markdown(parts: Mapping[str, Sequence[Result]]) -> str:
    """Return the means of each part and each of its groups, and the table of removals.

    Args:
        parts: results by what their tables' headings start with, each with at least one.
    """
    texts = [EXPLANATION]
    for part, results in parts.items():
        for group, methods in _by_group(results):
            peer = methods.get(PEER)
            rows = [_means_row(name, value, peer) for name, value in methods.items()]
            texts.append(f"## {part}, {group}\n\n{table(HEAD, rows)}")
    texts.append("## One by one\n\nST-LPIPS / rim colour / seam step / CPU seconds.\n")
    results = [result for some in parts.values() for result in some]
    columns = ("name", "group", "hole", *(row.method for row in results[0].rows))
    cells = [
        (
            result.removal.name,
            result.removal.group,
            f"{float((result.removal.hole > 0).mean()):.1%}",
            *map(cell, result.rows),
        )
        for result in results
    ]
    return "\n".join([*texts, table(columns, cells)])


def _means_row(name: str, m: Means, peer: Means | None) -> tuple[str, ...]:
    count = f"{m.scored} ({m.errors} failed)" if m.errors else f"{m.scored}"
    better = f"{m.better} of {m.compared}" if m.compared else ""
    look = rim = ""
    if peer is not None and m.compared:
        look, rim = f"{m.st_lpips / peer.st_lpips:.2f}", f"{m.rim_colour / peer.rim_colour:.2f}"
    values = (m.seam_step, m.seam_off, m.sharpness_off, m.seconds, m.cpu_seconds)
    figures = (f"{value:.2f}" for value in values)
    return (name, count, f"{m.st_lpips:.4f}", look, better, f"{m.rim_colour:.2f}", rim, *figures)


def cell(row: Row) -> str:
    """Return a row in a few figures, or its error."""
    if row.scores is None:
        return f"error: {row.error}".replace("|", "/").replace("\n", " ")
    s = row.scores
    mark = f" unfilled {row.unfilled:.1%}" if row.unfilled else ""
    figures = (s.rim_colour, s.seam_step, row.cpu_seconds)
    return " / ".join([f"{s.st_lpips:.4f}", *(f"{value:.2f}" for value in figures)]) + mark
