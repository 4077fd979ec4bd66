"""The picture: seconds by steps, one panel per size, low to high as whiskers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.ticker import NullLocator

from perf.flux.t4.engines import SIZES, STEPS, TARGET_S, Cell

# The engines that are shown, with colour and marker that can be told apart without colour.
SHOWN: Final = {
    "Q4_0, modulation in the layers": ("#7f7f7f", "s"),
    "Q4_0, cached modulation": ("#d95f02", "o"),
    "int4, torch's kernels": ("#7570b3", "^"),
    "int4, fused kernels": ("#1b9e77", "D"),
}
TICKS: Final = (10, 20, 30, 60, 120, 240)


def plot(cells: Sequence[Cell], path: Path) -> None:
    """Draw the cells of the shown engines into a PNG."""
    figure, panels = plt.subplots(1, len(SIZES), figsize=(13, 5.6), sharey=True)
    shape: Any = panels
    for panel, side in zip(shape, SIZES, strict=True):
        panel.axhline(TARGET_S, color="#b2182b", linestyle="--", linewidth=1.5, zorder=1)
        for place, (name, (colour, marker)) in enumerate(SHOWN.items()):
            own = [cell for cell in cells if cell.engine == name and cell.side == side]
            own.sort(key=lambda cell: cell.steps)
            at = [STEPS.index(cell.steps) + 0.17 * (place - 1.5) for cell in own]
            likely = [cell.total_s["likely"] for cell in own]
            below = [cell.total_s["likely"] - cell.total_s["low"] for cell in own]
            above = [cell.total_s["high"] - cell.total_s["likely"] for cell in own]
            panel.errorbar(
                at, likely, yerr=[below, above], fmt=marker, color=colour, label=name,
                markersize=7, capsize=4, elinewidth=1.8, zorder=2,
            )  # fmt: skip
        panel.set_title(f"{side} x {side} px", fontsize=14)
        panel.set_yscale("log")
        panel.set_yticks(TICKS, [str(tick) for tick in TICKS], fontsize=12)
        panel.yaxis.set_minor_locator(NullLocator())
        panel.set_ylim(7, 330)
        panel.set_xticks(range(len(STEPS)), [str(steps) for steps in STEPS], fontsize=12)
        panel.set_xlim(-0.5, len(STEPS) - 0.5)
        panel.set_xlabel("denoising steps", fontsize=13)
        panel.grid(axis="y", color="#dddddd", linewidth=0.8, zorder=0)
    shape[0].set_ylabel("seconds of one request (modelled)", fontsize=13)
    shape[0].text(-0.45, TARGET_S * 1.04, "30 s", color="#b2182b", fontsize=12, va="bottom")
    handles, labels = shape[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=len(SHOWN), fontsize=12, frameon=False)
    figure.suptitle("FLUX.1-Fill on a T4, modelled: likely, with low to high", fontsize=15)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
