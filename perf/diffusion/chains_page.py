"""The parts of the T4's page that are about FLUX.2 [klein] and Qwen-Image-Edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pawfect.costs import CASES
from perf.publish import table

THREE: Final = ("likely", "low", "high")
KLEIN: Final = """\
Profile `t4-klein`: 4 steps, 512 text tokens as its pipeline pads each prompt, otherwise the same
request. A step without references sees the canvas alone; with them, the photo as its floor fills it
too, as many tokens again. A known prompt is in the cache; an unseen one is encoded first, in 4 bits
on the card beside all else, or as published by four threads of a CPU. Encoder and transformer use
the same kernels. *: the six processes do not fit into 14.7 GiB.
"""
GOALS: Final = """\
The goals, a known prompt. A goal is reached where both seconds are kept and the processes fit.
"""
EDIT: Final = """\
It needs bfloat16, which a T4 lacks. A request edits one window, which each step is shown beside the
canvas; Qwen2.5-VL looks at it with each prompt, in 4 bits on an L4, and so is in every row. 8 steps
are those of the Lightning LoRA, without guidance; guided ones take both branches. The modulation is
cached. *: the processes do not fit into the card's 22 or 138 GiB.
"""


def klein_parts(result: Mapping[str, Any]) -> list[str]:
    """Return klein's sections.

    Args:
        result: of `t4.model`.
    """
    return [
        "## FLUX.2 [klein]\n",
        KLEIN,
        table(
            ("transformer", "references", "px", "s a step", "known prompt", "unseen, on the card",
             "unseen, on the CPU", "GiB"),
            (
                (
                    f"{row['scheme']}, {kernels_of(row)}",
                    "yes" if row["references"] else "no",
                    row["side"],
                    row["step_s"]["likely"],
                    *(ranged(row[name]) for name in ("known_s", "unseen_s", "unseen_cpu_s")),
                    f"{row['memory_gib']}{'' if row['fits'] else '*'}",
                )
                for row in result["klein"]
            ),
        ),
        GOALS,
        table(
            ("transformer", "references", "px", "likely, s", "goal", "high, s", "goal", "reached"),
            (
                (
                    f"{row['scheme']}, {kernels_of(row)}",
                    "yes" if row["references"] else "no",
                    f"{row['side']}{'' if row['fits'] else '*'}",
                    row["likely_s"], f"under {row['likely_under_s']:g}",
                    row["high_s"], f"under {row['high_under_s']:g}",
                    "yes" if row["reached"] else "**NO**",
                )
                for row in result["klein_goals"]
            ),
        ),
        f"Its stages at {result['stage_px']} px, fused kernels:\n",
        stage_table(result["klein_stages"]),
        "By process at 1024 px with references, torch's kernels:\n",
        process_table(result["klein_processes"]),
    ]  # fmt: skip


def edit_parts(result: Mapping[str, Any]) -> list[str]:
    """Return Qwen-Image-Edit's section; argument as of `klein_parts`."""
    return [
        "## Qwen-Image-Edit on larger cards\n",
        EDIT,
        table(
            ("card and way", "px", "s a step", "s, likely (low to high)", "GiB"),
            (
                (
                    row["way"], row["side"], row["step_s"]["likely"], ranged(row["total_s"]),
                    f"{row['memory_gib']}{'' if row['fits'] else '*'}",
                )
                for row in result["edit"]
            ),
        ),
    ]  # fmt: skip


def kernels_of(row: Mapping[str, Any]) -> str:
    """Return the kernels of a row in words."""
    return "fused kernels" if row["kernels"] == "fused" else "torch's kernels"


def stage_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return stages: their work, and seconds by case."""
    return table(
        ("stage", "TFLOP", "weights, M", "moved, GB", "s likely", "low", "high"),
        (
            (*list(row.values())[:4], *(row["seconds"][case] for case in THREE))
            for row in rows
        ),
    )  # fmt: skip


def process_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return processes and their GiB."""
    return table(
        ("process", "weights", "activations", "context"),
        (tuple(v if isinstance(v, str) else f"{v:.2f}" for v in row.values()) for row in rows),
    )


def ranged(by_case: Mapping[str, float]) -> str:
    """Return seconds as `likely (low-high)`."""
    low, likely, high = (by_case[case] for case in CASES)
    return f"{likely:.1f} ({low:.1f}-{high:.1f})"
