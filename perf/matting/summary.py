"""What each edge step of one network costs and gains, in a few columns: docs/cutout.md shows it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from perf.matting.resources import SIZES, Taken
from perf.matting.run import Row
from perf.matting.tables import METRICS, means
from perf.publish import table

NETWORK: Final = "u2netp"
# What runs on the CPU wherever the network is.
_EDGES: Final = ("edges", "foreground")
HEAD: Final = (
    "edges", "1.1 MP: CPU s", "12 MP: CPU s", "of it edges and colours", "12 MP: s",
    "peak at 12 MP, GiB", "SAD, fur", "gradient, fur", "halo, fur", "SAD, all", "halo, all",
)  # fmt: skip


def summary(rows: Sequence[Row], costs: Sequence[Taken]) -> str:
    """Return a Markdown table, a line for each variant of U2-Net-p whose costs were measured.

    Args:
        rows: of all pictures and variants.
        costs: of photos of `SIZES`.
    """
    taken = {(one.variant, one.width, one.height): one for one in costs if not one.error}
    lines = []
    for name in dict.fromkeys(one.variant for one in costs):
        small, large = (taken.get((name, *size)) for size in SIZES)
        if name.split()[0] != NETWORK or small is None or large is None:
            continue
        seconds = (small.cpu_seconds, large.cpu_seconds, edge_seconds(large), large.seconds)
        fur = _of([row for row in rows if row.group == "fur"], name, ("sad", "gradient", "halo"))
        every = _of(rows, name, ("sad", "halo"))
        lines.append(
            (
                f"`{name.split()[-1]}`",
                *(f"{value:.2f}" for value in (*seconds, large.peak_gib)),
                *("" if math.isnan(value) else f"{value:.1f}" for value in (*fur, *every)),
            )
        )
    return table(HEAD, lines)


def edge_seconds(taken: Taken) -> float:
    """Return what edges and colours take of the CPU, s."""
    return sum(cpu for name, _, cpu in taken.stages if name in _EDGES) / 1000


def _of(rows: Sequence[Row], variant: str, names: Sequence[str]) -> tuple[float, ...]:
    found = means(rows, variant).metrics
    return tuple(found[METRICS.index(name)] for name in names)
