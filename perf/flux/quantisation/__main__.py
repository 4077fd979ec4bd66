"""Measures quantisation on a random model: `python -m perf.flux.quantisation`."""

from __future__ import annotations

import statistics
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import torch

from perf.flux.quantisation.measure import (
    VARIANTS,
    Row,
    in_half,
    measure,
    outlier_ratios,
    plain,
    quantised,
)
from perf.flux.quantisation.model import FULL, build_model, steps
from perf.publish import as_markdown, provenance, publish, table

RESULTS = Path("perf/results")
PACKAGES = ("pawfect", "torch", "diffusers", "gguf", "numpy")
# Image tokens of a 256 px window, and text tokens.
TOKENS, TEXT = 256, 128
# In float16 a CPU has no fast product: these rows are there for their error.
HALVES = ("int8", "int4")


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
@click.option("--threads", default=1, show_default=True, help="torch's, of the timed steps.")
def main(out: Path, threads: int) -> None:
    """Compare each scheme's velocity with float32's, and write one table."""
    torch.set_num_threads(threads)
    model = build_model(FULL)
    given = list(steps(FULL, TOKENS, TEXT))
    truth = plain(model, given)
    rows = [measure("plain", model, given, truth, "float32")]
    made: dict[str, Any] = {}
    for name, scheme in VARIANTS.items():
        own = made[name] = quantised(model, scheme)
        rows.append(measure(name, own, given, truth, "float32"))
        click.echo(f"{name}: {rows[-1].error:.2%}")
    rows += [measure(name, in_half(made[name]), given, truth, "float16") for name in HALVES]
    ratios = outlier_ratios(model, given[1])
    result = {
        "source": provenance(
            " ".join(["python -m perf.flux.quantisation", *sys.argv[1:]]), PACKAGES
        ),
        "parameters": sum(value.numel() for value in model.parameters()),
        "size": asdict(FULL),
        "tokens": TOKENS,
        "text_tokens": TEXT,
        "threads": threads,
        "outlier_ratio": {
            "least": min(ratios.values()),
            "median": statistics.median(ratios.values()),
            "largest": max(ratios.values()),
        },
        "rows": [asdict(row) | {"error": row.error} for row in rows],
    }
    publish(out, "quantisation", result, as_text(result, rows))
    click.echo(f"results in {out}")


def as_text(result: dict[str, Any], rows: list[Row]) -> str:
    """Return the result as Markdown."""
    ratio = result["outlier_ratio"]
    head = ("scheme", "rest in", "error", "block layers, MB", "whole, MB", "seconds per step")
    cells = [
        (row.name, row.dtype, f"{row.error:.2%}", f"{row.linear_bytes / 1e6:.1f}",
         f"{row.total_bytes / 1e6:.1f}", f"{row.seconds:.2f}")
        for row in rows
    ]  # fmt: skip
    return (
        "# Quantised transformers\n\n"
        f"A random FLUX-Fill transformer of {result['parameters'] / 1e6:.0f} M parameters with "
        "long-tailed weights and outlier channels (what and why: "
        "`perf/flux/quantisation/model.py`; input activations of its block layers reach "
        f"{ratio['least']:.0f} to {ratio['largest']:.0f} times their median, "
        f"{ratio['median']:.0f} in the middle one). Error of the velocity relative to float32, the "
        "largest of three timesteps. It ranks schemes and checks the code; how published weights "
        f"fare is not measured here.\n\n{table(head, cells)}\n"
        f"{result['tokens']} image and {result['text_tokens']} text tokens, "
        f"{result['threads']} thread(s) of a CPU: the seconds say nothing of a GPU.\n\n"
        f"{as_markdown(result['source'])}"
    )


if __name__ == "__main__":
    main()
