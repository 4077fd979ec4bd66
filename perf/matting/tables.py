"""The results as tables: means by variant and by group of pictures, and costs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from perf.matting.removers import PEER
from perf.matting.resources import Taken
from perf.matting.run import Row
from perf.publish import table

EXPLANATION: Final = (
    "SAD: sum of absolute differences of alpha (0 to 1), in thousands of px. MSE: mean square "
    "difference, in thousandths. Gradient and connectivity: as Rhemann et al. (CVPR 2009) define "
    "them, in thousands. All four over the whole picture, as there is no trimap. IoU: above 0.5. "
    "Halo: mean CIE76 colour error within 3 px of the true edge, laid on white and on green. "
    "Sharpness: one over the width of alpha's edge in px, beside the true alpha's. Lower is better "
    "but for IoU; a sharpness is best where it is the truth's. Seconds are "
    "of one answer, all warm, wall and of all threads, medians; every variant took its turn on "
    "each picture.\n"
)
HEAD: Final = (
    "variant", "pictures", "SAD", "MSE", "gradient", "connectivity", "IoU", "halo", "sharpness",
    "truth's", "s", "CPU s",
)  # fmt: skip
METRICS: Final = ("sad", "mse", "gradient", "connectivity", "iou", "halo")


@dataclass(frozen=True)
class Means:
    """A variant's means over pictures that were scored; NaN where there is nothing to average.

    Attributes:
        variant: its name.
        scored: how many pictures were.
        errors: how many failed; they are in no mean.
        metrics: by the names of METRICS, in their order.
        sharpness: of its alphas.
        true_sharpness: of the true alphas, of the same pictures.
        seconds: wall time, s.
        cpu_seconds: of all threads, s.
    """

    variant: str
    scored: int
    errors: int
    metrics: tuple[float, ...]
    sharpness: float
    true_sharpness: float
    seconds: float
    cpu_seconds: float


def means(rows: Iterable[Row], variant: str) -> Means:
    """Average a variant's rows."""
    own = [row for row in rows if row.variant == variant]
    scored = [row for row in own if row.scores is not None]
    edged = [row for row in scored if row.sharpness is not None and row.true_sharpness]
    return Means(
        variant,
        len(scored),
        len(own) - len(scored),
        tuple(_mean(getattr(row.scores, metric) for row in scored) for metric in METRICS),
        _mean(row.sharpness for row in edged),
        _mean(row.true_sharpness for row in edged),
        _mean(row.seconds for row in scored),
        _mean(row.cpu_seconds for row in scored),
    )


def by_group(rows: Sequence[Row]) -> dict[str, list[Means]]:
    """Return the means of all pictures and of each group, in the order of the rows' variants."""
    variants = list(dict.fromkeys(row.variant for row in rows))
    groups = {"all": list(rows)}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    return {
        group: [
            means(own, variant) for variant in variants if any(r.variant == variant for r in own)
        ]
        for group, own in groups.items()
    }


@dataclass(frozen=True)
class Said:
    """How often a variant says that there is a subject, in one kind of picture.

    Attributes:
        found: in how many pictures it says so.
        of: of how many.
        least: its least confidence among them, 0 to 1.
        most: its most.
    """

    found: int
    of: int
    least: float
    most: float


def said(rows: Sequence[Row]) -> dict[str, tuple[Said | None, Said | None]]:
    """Return what variants say where there is a subject, and where there is none.

    None where a variant says nothing, or there are no such pictures.
    """
    told: dict[str, tuple[list[Row], list[Row]]] = {}
    for row in rows:
        if row.found is not None:
            told.setdefault(row.variant, ([], []))[row.group == "none"].append(row)
    return {name: (_said(there), _said(none)) for name, (there, none) in told.items()}


def _said(rows: Sequence[Row]) -> Said | None:
    sure = [row.confidence or 0.0 for row in rows]
    return Said(sum(bool(r.found) for r in rows), len(rows), min(sure), max(sure)) if rows else None


def ratios(rows: Sequence[Row]) -> dict[str, tuple[float, ...]]:
    """Return by variant its median ratio to the peer's, picture by picture, with the same edges.

    Returns:
        For SAD, gradient, halo, and CPU seconds; empty where no peer ran.
    """
    peers = {(r.picture, r.variant): r for r in rows if r.variant.startswith(PEER) and r.scores}
    found = {}
    for variant in dict.fromkeys(row.variant for row in rows):
        edges = variant.split()[-1]
        peer = f"{PEER} standard {'none' if edges == 'none' else 'matting'}"
        pairs = [
            (row, peers[row.picture, peer])
            for row in rows
            if row.variant == variant and row.scores and (row.picture, peer) in peers
        ]
        if pairs and not variant.startswith(PEER):
            found[variant] = (
                *(_ratio(pairs, metric) for metric in ("sad", "gradient", "halo")),
                statistics.median(own.cpu_seconds / other.cpu_seconds for own, other in pairs),
            )
    return found


def as_markdown(rows: Sequence[Row], costs: Sequence[Taken], peer: str) -> str:
    """Return the results as Markdown.

    Args:
        rows: of all pictures and variants.
        costs: what variants take; none where that was not measured.
        peer: how the peer ran, or why it did not.
    """
    parts = [EXPLANATION, peer + "\n"]
    for group, some in by_group(rows).items():
        parts.append(f"## {group.capitalize()}\n")
        parts.append(table(HEAD, (_cells(one) for one in some)))
    parts.append(_ratio_table(rows))
    parts.append(_found_table(rows))
    if costs:
        parts += ["## What it takes\n", _COSTS, cost_table(costs)]
    return "\n".join(part for part in parts if part)


_COSTS: Final = (
    "Each in a fresh process. Cold: the first answer, with loading and the check of the weights. "
    "Memory: the most that the process held, and what of it was there before. The rest are medians "
    "of the answers after it; stages as wall time and CPU time of all threads.\n"
)


def cost_table(costs: Sequence[Taken]) -> str:
    """Return what variants take as a table."""
    head = (
        "variant",
        "photo",
        "cold, s",
        "s",
        "CPU s",
        "peak, GiB",
        "before, GiB",
        "stages: wall / CPU, ms",
    )
    return table(
        head,
        (
            (one.variant, f"{one.width}x{one.height}", one.error, *[""] * 5)
            if one.error
            else (
                one.variant,
                f"{one.width}x{one.height}",
                *(f"{value:.2f}" for value in (one.cold_s, one.seconds, one.cpu_seconds)),
                f"{one.peak_gib:.2f}",
                f"{one.idle_gib:.2f}",
                ", ".join(f"{name} {wall:.0f} / {cpu:.0f}" for name, wall, cpu in one.stages),
            )
            for one in costs
        ),
    )


def _cells(one: Means) -> tuple[str, ...]:
    digits = (2, 2, 2, 2, 3, 1)
    figures = (_fixed(value, many) for value, many in zip(one.metrics, digits, strict=True))
    count = f"{one.scored}" + (f" ({one.errors} failed)" if one.errors else "")
    rest = (one.sharpness, one.true_sharpness, one.seconds, one.cpu_seconds)
    return (one.variant, count, *figures, *(_fixed(value, 2) for value in rest))


def _ratio_table(rows: Sequence[Row]) -> str:
    found = ratios(rows)
    if not found:
        return ""
    head = ("variant", "SAD", "gradient", "halo", "CPU s")
    text = (
        "Medians over the pictures of this project's figure over rembg's: without edges over its "
    )
    text += "plain cut-out, with edges over its own matting.\n"
    lines = ((name, *(_fixed(value, 2) for value in values)) for name, values in found.items())
    return f"## Beside {PEER}\n\n{text}\n{table(head, lines)}"


def _found_table(rows: Sequence[Row]) -> str:
    found = said(rows)
    if not found:
        return ""
    head = ("variant", "says so where there is one", "says so where there is none")
    lines = ((name, *map(_said_cell, kinds)) for name, kinds in found.items())
    return f"## Whether there is a subject\n\n{table(head, lines)}"


def _said_cell(one: Said | None) -> str:
    if one is None:
        return ""
    return f"{one.found} of {one.of}, confidence {one.least:.2f} to {one.most:.2f}"


def _ratio(pairs: Sequence[tuple[Row, Row]], metric: str) -> float:
    values = []
    for own, peer in pairs:
        mine, other = getattr(own.scores, metric), getattr(peer.scores, metric)
        if mine is not None and other:
            values.append(mine / other)
    return statistics.median(values) if values else math.nan


def _mean(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else math.nan


def _fixed(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"
