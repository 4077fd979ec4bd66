"""`make versus`: what the window and the product's settings save, counted, timed and written.

`inpaint` against diffusers' own pipeline of the engine on the whole photo, one checkpoint of random
weights on both sides; how they are compared stands in `perf.diffusion.compared`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from pawfect.chains import CHAINS
from perf.diffusion.compared import COMPARED, LARGE, SMALL, Compared
from perf.diffusion.counted import (
    Counted,
    Runs,
    count_pipeline,
    count_product,
    one_hole,
    run_steps,
)
from perf.diffusion.pipelines import Pipeline
from perf.diffusion.product import SEED, Product
from perf.diffusion.versus_page import WINDOW_PX, markdown, times
from perf.publish import provenance, publish
from perf.scenes import Scene, load_scene

BUILD: Final = Path("build/versus")
PACKAGES: Final = ("pawfect", "numpy", "torch", "diffusers", "transformers",
                   "opencv-contrib-python-headless", "numba")  # fmt: skip
# All that are counted; None: the smallest that holds the hole and its context pixel for pixel.
WINDOWS_PX: Final = (WINDOW_PX, 768, None)
# Asked of the window at equal steps (FLOP and wall time), and at each side's own steps.
FLOP_BOUND: Final = 3.0
WALL_BOUND: Final = 2.5
OWN_BOUND: Final = 10.0


def timed_rounds(
    product: Product, pipeline: Pipeline, photo: Scene, prompt: str, runs: Runs, rounds: int
) -> dict[str, list[float]]:
    """Time both sides in turns, in the other order each round; seconds by the runs of `Runs`."""
    work: dict[str, Callable[[], object]] = {
        "product": lambda: product.fill(photo, runs.product.steps, WINDOW_PX),
        "equal": lambda: pipeline.fill(photo, prompt, runs.equal),
    }
    if not runs.alike:
        work["own"] = lambda: pipeline.fill(photo, prompt, runs.own)
    seconds: dict[str, list[float]] = {name: [] for name in work}
    product.fill(photo, 1, WINDOW_PX)
    for number in range(rounds):
        for name in list(work) if number % 2 == 0 else reversed(work):
            start = time.perf_counter()
            work[name]()
            seconds[name].append(round(time.perf_counter() - start, 3))
            click.echo(f"round {number + 1} of {rounds}: {name} {seconds[name][-1]:.1f} s")
    return seconds


def bounds(
    own: Counted,
    whole: Mapping[str, Counted],
    runs: Runs,
    seconds: Mapping[str, Sequence[float]],
) -> list[dict[str, Any]]:
    """Compare what was found with what was asked; wall times as medians of each round's ratio.

    Args:
        own: the product's.
        whole: the pipeline's, by `equal` and `own`.
        runs: of the engine.
        seconds: of `timed_rounds`; empty: nothing was timed, or nothing is asked of it.
    """
    asked = []
    steps = run_steps(runs.product)
    ways = [("equal", f" at {steps} steps each", FLOP_BOUND, WALL_BOUND)]
    if not runs.alike:
        ways.append(("own", f", {steps} steps against {run_steps(runs.own)}", OWN_BOUND, OWN_BOUND))
    for run, name, bound, wall_bound in ways:
        theirs = whole[run].total(run_steps(getattr(runs, run)))
        asked.append((f"FLOP{name}", theirs / own.total(steps), bound))
        if seconds:
            asked.append((f"wall time{name}", times(seconds, run), wall_bound))
    return [
        {"name": name, "measured": measured, "least": least, "reached": measured >= least}
        for name, measured, least in asked
    ]


def compare(compared: Compared, size: str, rounds: int, out: Path) -> bool:
    """Compare one engine, publish it, and return whether all bounds were reached."""
    engine, photo, runs = compared.engine, one_hole(load_scene()), Runs.of(compared)
    folder = BUILD / f"{engine}-{size}"
    compared.build(folder, SEED, compared.sizes[size])
    profile = compared.profile_of(size, compared.settings.sizes)
    product, pipeline = Product.load(engine, folder, profile), Pipeline.load(engine, folder)
    click.echo(f"{engine}: counting ...")
    found = [count_product(product, photo, window_px) for window_px in WINDOWS_PX]
    prompt = found[0][1]
    equal = own = count_pipeline(pipeline, photo, prompt, runs.equal.guidance)
    if CHAINS[engine].negative and not runs.alike:
        own = count_pipeline(pipeline, photo, prompt, runs.own.guidance)
    counted = [*(item for item, _ in found), equal, own]
    # Where a text encoder sees pictures, the pipeline shows it the whole megapixel.
    shown = [*(None for _ in found), *(2 * [equal.canvas[0] * equal.canvas[1]])]
    full_size = [item.at_full_size(engine, px) for item, px in zip(counted, shown, strict=True)]
    seconds = timed_rounds(product, pipeline, photo, prompt, runs, rounds) if rounds else {}

    def plain(item: Counted) -> dict[str, Any]:
        return asdict(item) | {"scale": round(item.scale, 4)}

    result = {
        "provenance": provenance(
            " ".join(["python -m perf.diffusion.versus", *sys.argv[1:]]), PACKAGES
        ),
        "engine": engine,
        "size": size,
        "parameters": sum(value.numel() for value in pipeline.pipe.transformer.parameters()),
        "product": [plain(item) for item in counted[:-2]],
        "pipeline": {"equal": plain(equal), "own": plain(own)},
        "full_size": [plain(item) for item in full_size],
        "seconds": seconds,
        # Beside steps as small as the tiny checkpoint's, patches and compositing take the time.
        "bounds": bounds(
            counted[0],
            {"equal": equal, "own": own},
            runs,
            seconds if size == LARGE else {},
        ),
    }
    page = markdown(compared, result, counted, full_size)
    publish(out, "versus" if engine == "flux" else f"versus-{engine}", result, page)
    click.echo(page)
    return all(bound["reached"] for bound in result["bounds"])


@click.command()
@click.option("--engine", "engines", type=click.Choice(list(COMPARED)), multiple=True,
              help="One of those that are compared; may be repeated; by default all.")  # fmt: skip
@click.option("--size", type=click.Choice([SMALL, LARGE]),
              help="Of the checkpoint; by default each engine's largest.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(0), default=3, show_default=True,
              help="Timed rounds; 0 only counts.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def main(engines: tuple[str, ...], size: str | None, rounds: int, out: Path) -> None:
    """Compare `inpaint` with diffusers' own pipelines; exit code 1: a bound was missed."""
    chosen = [COMPARED[engine] for engine in engines or COMPARED]
    for compared in chosen:
        if size not in (None, *compared.sizes):
            problem = f"{compared.engine}: expected one of {', '.join(compared.sizes)}, got {size}"
            raise click.BadParameter(problem, param_hint="--size")
    reached = [compare(compared, size or compared.size, rounds, out) for compared in chosen]
    sys.exit(not all(reached))


if __name__ == "__main__":
    main()
