"""`make t4`: the T4's FLOP, seconds and memory, modelled, into perf/results."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

import pawfect
from pawfect.profile import load_profile
from perf.flux.cards import CARDS
from perf.flux.cost_table import cost_table, write_costs
from perf.flux.memory import plan_of
from perf.flux.storage import TORCH
from perf.flux.t4.engines import ENGINES, SIZES, cells, memory
from perf.flux.t4.page import markdown
from perf.flux.t4.plot import plot
from perf.flux.t4.stages import comparison_rows, flop_rows, rates, stage_rows, text_token_rows
from perf.provenance import provenance

PACKAGES: Final = ("pawfect", "numpy", "matplotlib")
# Where the profiles lie, whose costs are written.
PROFILES: Final = Path(pawfect.__file__).parent / "profiles"
STAGE_PX: Final = 768
# Variants of the memory table: tiles of the VAE, px, and steps that share a call.
TILES: Final = (1024, 768, 512)
BATCHES: Final = (1, 2, 4, 8)


def model() -> dict[str, Any]:
    """Return the whole result but for its provenance: the same on every machine."""
    engine = ENGINES[-1]
    named = {item.name: item for item in ENGINES}
    shown = [named["Q4_0, modulation in the layers"], named["Q4_0, cached modulation"], engine]
    return {
        "note": "seconds are modelled, not measured",
        "rates": rates(),
        "cells": [{**asdict(cell), "under_30_s": cell.verdict} for cell in cells()],
        "stage_px": STAGE_PX,
        "stage_engine": engine.name,
        "stages": stage_rows(engine, STAGE_PX),
        "text_tokens": text_token_rows(),
        "memory": [
            {
                "engine": item.name,
                "tile_px": tile_px,
                "batch": batch,
                **{
                    str(side): round(memory(item, side, batch, tile_px=tile_px).total, 2)
                    for side in SIZES
                },
            }
            for item in ENGINES
            for tile_px, batch in [
                *((tile_px, 1) for tile_px in TILES),
                *((TILES[0], batch) for batch in BATCHES[1:] if item is engine),
            ]
        ],
        "processes": [
            {
                "engine": item.name,
                **{
                    process.model: f"{process.weights:.2f} + {process.activations:.2f} + "
                    f"{process.context:.2f}"
                    for process in memory(item, SIZES[-1]).processes
                },
            }
            for item in shown
        ],
        "profiles": {name: _profile_gib(name) for name in ("t4", "l4", "h200")},
        "comparison": comparison_rows(),
        "flop": flop_rows(),
    }


def _profile_gib(name: str) -> float | None:
    plan = plan_of(load_profile(name), kernels=TORCH)
    return None if plan is None else round(plan.total, 2)


@click.command()
@click.option("--costs/--no-costs", default=True, help="Write the profiles' tables of costs too.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def t4(out: Path, costs: bool) -> None:
    """Write `t4-model.json`, `.md` and `.png`, and what stages cost into the profiles."""
    result = {"provenance": provenance("make t4", PACKAGES), **model()}
    out.mkdir(parents=True, exist_ok=True)
    (out / "t4-model.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    page = markdown(result)
    (out / "t4-model.md").write_text(page, "utf-8")
    plot(list(cells()), out / "t4-model.png")
    click.echo(page)
    for name in CARDS if costs else ():
        table = cost_table(load_profile(name))
        if table is None:
            click.echo(f"{name}: its costs stay as they are: its weights are not here")
        else:
            write_costs(PROFILES / f"{name}.toml", table)


if __name__ == "__main__":
    t4()
