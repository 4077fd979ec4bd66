"""The T4's model as one page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from perf.diffusion.chains_page import (
    edit_parts,
    klein_parts,
    process_table,
    ranged,
    stage_table,
)
from perf.publish import as_markdown, table

INTRODUCTION: Final = """\
**Every second on this page is modelled, none is measured: no T4 was at hand.** FLOP are counted
from the models' own configs and agree with torch's FlopCounterMode on the real modules (within
1 %, tests/perf/diffusion); rates are published measurements where there are any, with their sources
in `perf/diffusion/cards.py`; low takes the fastest rates, high the slowest. A step's time is its
products at the card's rate for their precision, attention at a share of it, and what kernels
between them read and write (norms, rotations, decoding and scaling of quantised weights) at the
memory's rate, one after another.

A request is: labels by SAM3 around the hole and again inside the fill, one square window encoded,
denoised and decoded, and the work around it on a photo of 1600x1200. FLUX.1-Fill sees 128 text
tokens; its prompt is in the cache: a new one costs T5 on the CPU, see the stages. `fused kernels`
are comfy-kitchen's, assumed to quantise and scale within the product; `torch's kernels` are
`torch._int_mm` with all else in kernels of its own.
"""


def markdown(result: dict[str, Any]) -> str:
    """Return the result as one page."""
    sizes = dict.fromkeys(cell["side"] for cell in result["cells"])
    parts = [
        "# FLUX.1-Fill and FLUX.2 [klein] on a T4, modelled\n",
        as_markdown(result["provenance"]),
        INTRODUCTION,
        "## FLUX.1-Fill: engine, size, steps\n",
        "Seconds of one request, likely (low to high). **Bold**: under 30 s in all three. *: the "
        "five processes do not fit into 14.7 GiB.\n",
        _time_table(result["cells"]),
        "## Stages\n",
        f"At {result['stage_px']} px, {result['stage_engine']}. Moved: what kernels that compute "
        "no product read and write, without decoding weights.\n",
        stage_table(result["stages"]),
        "## Memory\n",
        "GiB in sum, of processes that hold their peaks: SAM3, Florence-2, VAE encoder, VAE "
        "decoder, transformer, each with a CUDA context of 0.45. 14.7 are usable. int8 and int4 "
        "have their modulation cached. Parameters as published, peaks followed through the real "
        "modules.\n",
        table(
            ("transformer", "VAE tiles, px", "batch", *(f"{side} px" for side in sizes)),
            (tuple(row.values()) for row in result["memory"]),
        ),
        f"By process at 1024 px, {result['stage_engine']}:\n",
        process_table(result["processes"]),
        "Profiles, largest window, torch's kernels: "
        + ", ".join(f"{name} {gib} GiB" for name, gib in result["profiles"].items())
        + ".\n",
        *klein_parts(result),
        *edit_parts(result),
        "## Against what is known\n",
        table(
            ("what", "known, s", "modelled, s (low to high)"),
            ((row["what"], row["known"], ranged(row["modelled"])) for row in result["comparison"]),
        ),
        "The H200's rates were chosen so that the published time comes out; the T4's were not "
        "chosen after anything in this table.\n",
    ]
    return "\n".join(parts)


def _time_table(rows: Sequence[Mapping[str, Any]]) -> str:
    found: dict[tuple[str, int], list[Any]] = {}
    for row in rows:
        star = "" if row["fits"] else "*"
        line = found.setdefault(
            (row["engine"], row["side"]),
            [row["engine"] + star, row["side"], row["step_s"]["likely"]],
        )
        text = ranged(row["total_s"])
        line.append(f"**{text}**" if row["under_30_s"] == "yes" else text)
    head = (
        "transformer",
        "px",
        "s a step",
        *(f"{steps} steps" for steps in dict.fromkeys(row["steps"] for row in rows)),
    )
    return table(head, found.values())
