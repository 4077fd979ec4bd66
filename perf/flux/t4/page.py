"""The result as one page of Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pawfect.costs import CASES
from perf.flux.t4.engines import SIZES, STEPS
from perf.provenance import as_markdown
from perf.tables import table

ASSUMED = """\
**Every second on this page is modelled, none is measured: no T4 was at hand.** FLOP are counted
from the models' own configs and agree with torch's FlopCounterMode on the real modules (within
1 %, tests/perf/flux); rates are published measurements where there are any, with their sources
in `perf/flux/cards.py`; low takes the fastest rates, high the slowest. A step's time is its
products at the card's rate for their precision, attention at a share of it, and what kernels
between them read and write (norms, rotations, decoding and scaling of quantised weights) at the
memory's rate, one after another.

A request is: labels by SAM3 around the hole and again inside the fill, one square window encoded,
denoised with 128 text tokens and decoded, and the work around it on a photo of 1600x1200. Its
prompt is in the cache: a new one costs T5 on the CPU, see the stages. `fused kernels` are
comfy-kitchen's, assumed to quantise and scale within the product; `torch's kernels` are
`torch._int_mm` with all else in kernels of its own.
"""
COMPARED = """\
The H200's rates were chosen so that the published time comes out; the T4's were not chosen after
anything in this table. The earlier model of int8 and int4 has neither the kernels between the
products nor, for int4, their precision: it counts with 4-bit products and a FlashAttention for
Turing. Here 4-bit weights are computed in int8 and attention runs at 0.6 of an fp16 product's rate,
so int4 saves memory over int8, not time.
"""


def markdown(result: dict[str, Any]) -> str:
    """Return the page of a result."""
    parts = [
        "# FLUX.1-Fill on a T4, modelled\n",
        as_markdown(result["provenance"]),
        ASSUMED,
        "![seconds by engine, size and steps](t4-model.png)\n",
        "## Engine, size, steps\n",
        "Seconds of one request, likely (low to high). **Bold**: under 30 s in all three. *: the "
        "five processes do not fit into 14.7 GiB.\n",
        _time_table(result["cells"]),
        "## Stages\n",
        f"At {result['stage_px']} px, {result['stage_engine']}. Moved: what kernels that compute "
        "no product read and write, without decoding weights.\n",
        table(
            ("stage", "TFLOP", "weights, M", "moved, GB", "s likely", "low", "high"),
            (
                (
                    row["stage"],
                    row["tflop"],
                    row["weights_million"],
                    row["moved_gb"],
                    *(row["seconds"][case] for case in ("likely", "low", "high")),
                )
                for row in result["stages"]
            ),
        ),
        "## Text tokens\n",
        "Likely seconds of one step, at px / text tokens.\n",
        _text_table(result["text_tokens"]),
        "## Memory\n",
        "GiB in sum, of processes that hold their peaks: SAM3, Florence-2, VAE encoder, VAE "
        "decoder, transformer, each with a CUDA context of 0.45. 14.7 are usable. int8 and int4 "
        "have their modulation cached. Parameters as published, peaks followed through the real "
        "modules.\n",
        table(
            ("transformer", "VAE tiles, px", "batch", *(f"{side} px" for side in SIZES)),
            (
                (row["engine"], row["tile_px"], row["batch"], *(row[str(side)] for side in SIZES))
                for row in result["memory"]
            ),
        ),
        "By process at 1024 px, batch 1 (weights + activations + context):\n",
        table(
            ("transformer", *(name for name in result["processes"][0] if name != "engine")),
            (tuple(row.values()) for row in result["processes"]),
        ),
        "Other profiles, largest window: "
        + ", ".join(f"{name} {gib} GiB" for name, gib in result["profiles"].items())
        + ".\n",
        "## Against what is known\n",
        table(
            ("what", "known, s", "modelled, s (low to high)"),
            ((row["what"], row["known"], _range(row["modelled"])) for row in result["comparison"]),
        ),
        COMPARED,
        "FLOP of one step, beside the figures stated before:\n",
        table(
            ("px", "text tokens", "TFLOP", "stated"),
            (
                (row["side"], row["text_tokens"], row["tflop"], row["stated"])
                for row in result["flop"]
            ),
        ),
    ]
    return "\n".join(parts)


def _time_table(cells: Sequence[dict[str, Any]]) -> str:
    rows = []
    for engine in dict.fromkeys(cell["engine"] for cell in cells):
        for side in SIZES:
            own = {
                cell["steps"]: cell
                for cell in cells
                if cell["engine"] == engine and cell["side"] == side
            }
            star = "" if own[STEPS[0]]["fits"] else "*"
            told = []
            for steps in STEPS:
                text = _range(own[steps]["total_s"])
                told.append(f"**{text}**" if own[steps]["under_30_s"] == "yes" else text)
            rows.append((f"{engine}{star}", side, own[STEPS[0]]["step_s"]["likely"], *told))
    head = ("transformer", "px", "s a step", *(f"{steps} steps" for steps in STEPS))
    return table(head, rows)


def _text_table(rows: Sequence[dict[str, Any]]) -> str:
    head = tuple(rows[0])
    return table(("transformer", *head[1:]), (tuple(row.values()) for row in rows))


def _range(by_case: dict[str, float]) -> str:
    low, likely, high = (by_case[case] for case in CASES)
    return f"{likely:.1f} ({low:.1f}-{high:.1f})"
