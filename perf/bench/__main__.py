"""`make bench`: perf_analyzer on every model of a profile, and the goals, as one table."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from pawfect.contract import Array
from pawfect.local import LocalModels
from pawfect.profile import Profile, load_profile
from pawfect.setup import read_setup
from pawfect_triton.preparation import prepare
from perf.bench.analyzer import Analyzer, Measurement
from perf.bench.chain import NONCES, never_the_same, record_requests
from perf.bench.configs import AnalyzerConfig, load_configs
from perf.bench.goals import Goal, measure_goals
from perf.bench.in_process import median_ms, window_arrays, work_of
from perf.local_server import running_server
from perf.provenance import as_markdown, provenance
from perf.scene import ReferenceScene, render_scene

# What the page says of a profile whose first engine is FLUX.
NO_GOALS = (
    "The models that FLUX's chain calls are sent what it asks them for: its canvas, noise, "
    "condition and embeddings, recorded from one run. The text encoder is asked past the response "
    "cache. The goals of serving are stated of the patch engine: "
    "[bench-embedded.md](bench-embedded.md)."
)
BUILD = Path("build/bench")
PACKAGES = ("pawfect", "numpy", "opencv-contrib-python-headless", "pypatchmatch", "nvidia-pytriton",
            "tritonclient")  # fmt: skip
TEXT_ENCODER = "flux_text_encoder"
NEURAL_PACKAGES = ("torch", "diffusers", "transformers")


@click.command()
@click.option("--profile", default="embedded", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def bench(profile: str, out: Path) -> None:
    """Measure a profile's models and write `bench-PROFILE.json` and `.md`."""
    analyzer = Analyzer(BUILD)
    chosen = load_profile(profile)
    prepare(chosen)
    configs = load_configs(chosen.models)
    scene = render_scene(seed=0)
    models, setup = LocalModels(chosen), read_setup(chosen)
    asked: dict[str, dict[str, Array]] = {}
    if chosen.flux is not None:
        click.echo("what the chain asks its models for ...")
        asked = record_requests(models, setup, scene.photo, scene.mask)
    arrays = {config.model: arrays_of(config, scene, asked) for config in configs}
    measurements: list[Measurement] = []
    in_process: dict[str, float] = {}
    goals: list[Goal] = []

    def alone(model: str) -> None:
        if model not in in_process:
            threads = chosen.flux.text_threads if chosen.flux and model == TEXT_ENCODER else 1
            work = work_of(model, arrays[model], models, setup)
            in_process[model] = median_ms(work, torch_threads=threads)

    if on_gpu(chosen):
        # Before the server starts: a card may not hold the weights twice.
        for config in configs:
            alone(config.model)
        models = LocalModels()
        empty_cache()
    with running_server(profile, BUILD / "server.log") as server:
        for config in configs:
            alone(config.model)
            for concurrency in config.concurrency:
                click.echo(f"{config.model}, {concurrency} in flight ...")
                requests = [arrays[config.model]]
                if config.model == TEXT_ENCODER:
                    requests = never_the_same(requests[0], concurrency * NONCES)
                measurements.append(
                    analyzer.measure(config, requests, server.endpoints.grpc, concurrency)
                )
        # Goals of the serving side; they are stated of the engine that needs no weights.
        if chosen.engines[0] == "patch":
            click.echo("goals ...")
            goals = measure_goals(server, scene)
    packages = PACKAGES + (NEURAL_PACKAGES if chosen.neural else ())
    source = provenance(f"make bench PROFILE={profile}", packages)
    source["versions"]["perf_analyzer"] = analyzer.version().split(" (")[0].split()[-1]
    result = {
        "provenance": source,
        "perf_analyzer": [asdict(item) for item in measurements],
        "in_process_median_ms": in_process,
        "goals": [asdict(goal) for goal in goals],
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / f"bench-{profile}.json").write_text(json.dumps(result, indent=1) + "\n")
    page = markdown(profile, source, measurements, in_process, goals)
    (out / f"bench-{profile}.md").write_text(page)
    click.echo(page)
    missed = [goal.name for goal in goals if not goal.reached]
    if missed:
        click.echo(f"missed: {', '.join(missed)}", err=True)
        sys.exit(1)


def on_gpu(profile: Profile) -> bool:
    """Say whether any of a profile's models runs on a GPU."""
    return any(
        settings is not None and settings.device == "cuda"
        for settings in (profile.flux, profile.sam3, profile.florence2)
    )


def empty_cache() -> None:
    """Give back the GPU memory of models that are no longer held."""
    import torch

    gc.collect()
    torch.cuda.empty_cache()


def arrays_of(
    config: AnalyzerConfig, scene: ReferenceScene, asked: Mapping[str, Mapping[str, Array]]
) -> dict[str, Array]:
    """Return the input tensors of one configuration.

    Args:
        config: says what is sent.
        scene: the photo and its mask.
        asked: by model, what FLUX's chain asks it for.
    """
    arrays: Mapping[str, Array] = {"IMAGE": scene.photo, "MASK": scene.mask}
    if config.source == "window":
        arrays = window_arrays(scene.photo, scene.mask)
    elif config.source == "chain":
        arrays = asked[config.model]
    return {name: arrays[name] for name in config.inputs}


def markdown(
    profile: str,
    source: dict[str, Any],
    measurements: list[Measurement],
    in_process: dict[str, float],
    goals: list[Goal],
) -> str:
    """Return the result as one page."""
    lines = [
        f"# Serving, profile `{profile}`",
        "",
        as_markdown(source),
        "The reference scene, 1600x1200. Latencies are perf_analyzer's, in ms; in process: the "
        "median of the same work as a plain Python call in the same run; serving: p50 at one in "
        "flight less that.",
        *([] if goals else [NO_GOALS]),
        "",
        "| model | in flight | p50 | p90 | p99 | a second | queue | in process | serving |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for item in measurements:
        alone = in_process[item.model]
        beside = f"{alone:.1f} | {item.p50_ms - alone:+.1f}" if item.concurrency == 1 else " | "
        lines.append(
            f"| `{item.model}` | {item.concurrency} | {item.p50_ms:.1f} | {item.p90_ms:.1f} "
            f"| {item.p99_ms:.1f} | {item.throughput:.2f} | {item.queue_ms:.1f} | {beside} |"
        )
    if goals:
        lines += ["", "| goal | measured | asked | reached | how |", "|---|---|---|---|---|"]
    lines += [
        f"| {goal.name} | {goal.measured} {goal.unit} | {goal.bound} "
        f"| {'yes' if goal.reached else 'NO'} | {goal.detail} |"
        for goal in goals
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    bench()
