"""`python -m perf.diffusion.gpu`: all that a GPU is needed to measure, in one run that may be cut.

Each part's figures are printed as a line of JSON and written to the file as they come.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import torch

from pawfect.contract.files import write_whole
from pawfect.diffusion.quantised.scheme import SCHEMES
from perf.diffusion.gpu import parts
from perf.diffusion.gpu.chains import measure_chain
from perf.diffusion.gpu.layers import layer_costs
from perf.diffusion.gpu.models import CHAINS, build, full, small
from perf.publish import provenance
from perf.scenes import load_scene

PACKAGES: Final = ("pawfect", "torch", "diffusers", "transformers", "triton", "numpy", "gguf",
                   "comfy-kitchen", "opencv-contrib-python-headless", "numba")  # fmt: skip
# In this order: what is asked first comes first, should the run be cut.
PARTS: Final = ("eager", "compiled", "layers", "capped", *CHAINS)


class Results:
    """The figures so far, on disk after each part.

    Args:
        path: of the JSON file.
        head: provenance and scale.
    """

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self.content: dict[str, Any] = {**head, "parts": {}, "goals": [], "complete": False}
        self._write()

    def take(self, name: str, work: Callable[[], Any]) -> None:
        """Run a part; an exception is its result, and the next part goes on."""
        start = time.perf_counter()
        found: Any
        try:
            found = work()
        except Exception as error:  # noqa: BLE001 - whatever fails, the other figures are wanted
            traceback.print_exc()
            found = {"error": f"{type(error).__name__}: {error}"}
        took = round(time.perf_counter() - start, 2)
        part = found if isinstance(found, dict) else {"rows": found}
        self.content["parts"][name] = part | {"part_s": took}
        self._write()
        click.echo(json.dumps({name: self.content["parts"][name]}))

    def finish(self, goals: list[dict[str, Any]]) -> None:
        """Add the goals and mark the file complete."""
        self.content |= {"goals": goals, "complete": True}
        self._write()

    def _write(self) -> None:
        write_whole(self._path, (json.dumps(self.content, indent=1) + "\n").encode())


@click.command()
@click.option("--tiny", is_flag=True, help="Every step at toy size on the CPU: a rehearsal.")
@click.option("--out", type=click.Path(path_type=Path), help="A folder; $OUT, else build/gpu.")
@click.option(
    "--parts", "asked", default=",".join(PARTS), show_default=True, help="Comma-separated."
)
def main(tiny: bool, out: Path | None, asked: str) -> None:
    """Measure the models at full size with random weights on this machine's GPU.

    Exit code 1: a part failed or a goal was missed. 2: there is no GPU.
    """
    chosen = asked.split(",")
    unknown = sorted(set(chosen) - set(PARTS))
    if unknown:
        raise click.BadParameter(f"expected some of {', '.join(PARTS)}, got {unknown}")
    if not tiny and not torch.cuda.is_available():
        click.echo("Error: expected a CUDA GPU that torch sees, got none; try --tiny", err=True)
        sys.exit(2)
    folder = out or Path(os.environ.get("OUT", "build/gpu"))
    results = measure(tiny, folder / ("gpu-tiny.json" if tiny else "gpu.json"), chosen)
    for goal in results["goals"]:
        said = "reached" if goal["reached"] else "MISSED"
        click.echo(f"{said}: {goal['name']}: {goal['measured']} (asked {goal['bound']})")
    failed = [name for name, part in results["parts"].items() if "error" in part]
    click.echo(f"failed: {', '.join(failed) or 'nothing'}")
    sys.exit(bool(failed) or not (tiny or all(goal["reached"] for goal in results["goals"])))


def measure(tiny: bool, path: Path, chosen: list[str]) -> dict[str, Any]:
    """Run the chosen parts and return what the file then holds."""
    scale = small() if tiny else full()
    source = provenance("python -m perf.diffusion.gpu" + (" --tiny" if tiny else ""), PACKAGES)
    card = torch.cuda.get_device_name() if scale.device == "cuda" else "none"
    results = Results(path, {"provenance": source, "gpu": card, "tiny": tiny})
    photo = load_scene().resized(*scale.photo)

    def chain(pipe: Any, how: str) -> None:
        results.take(f"stages {how}", lambda: parts.stage_seconds(pipe, scale))
        for window in scale.windows:
            work = partial(parts.product_seconds, pipe, scale, photo, window)
            results.take(f"product {window} {how}", work)
        results.take(f"batch {how}", lambda: parts.batched_steps(pipe, scale))
        results.take(f"pipeline {how}", lambda: parts.pipeline_seconds(pipe, scale, photo))

    if {"eager", "compiled"} & set(chosen):
        pipe = build(scale)
        if "eager" in chosen:
            chain(pipe, "eager")
        if "compiled" in chosen:
            results.take("compile", partial(parts.compile_blocks, pipe, scale))
            chain(pipe, "compiled")
            results.take("compiled graphs", parts.compiled_graphs)
        del pipe
    if "layers" in chosen:
        results.take("layers", partial(layer_costs, scale))
    for scheme in SCHEMES if "capped" in chosen else ():
        gc.collect()
        results.take(f"capped {scheme}", partial(parts.capped_fill, scale, photo, scheme))
    for name in CHAINS:
        if name in chosen:
            gc.collect()
            measure_chain(scale, name, results.take)
    results.finish(parts.goals(results.content["parts"], scale.windows))
    return results.content


if __name__ == "__main__":
    main()
