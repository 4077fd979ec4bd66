"""`make bench`: perf_analyzer on every model of a profile, and the goals, as one table."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from pawfect.contract import Array
from pawfect.profile import load_profile
from perf.bench.analyzer import Analyzer, Measurement
from perf.bench.configs import AnalyzerConfig, load_configs
from perf.bench.goals import Goal, measure_goals
from perf.bench.in_process import median_ms, window_arrays, work_of
from perf.local_server import running_server
from perf.provenance import as_markdown, provenance
from perf.scene import ReferenceScene, render_scene

BUILD = Path("build/bench")
PACKAGES = ("pawfect", "numpy", "opencv-contrib-python-headless", "pypatchmatch", "nvidia-pytriton",
            "tritonclient")  # fmt: skip


@click.command()
@click.option("--profile", default="embedded", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def bench(profile: str, out: Path) -> None:
    """Measure a profile's models and write `bench-PROFILE.json` and `.md`."""
    analyzer = Analyzer(BUILD)
    configs = load_configs(load_profile(profile).models)
    scene = render_scene(seed=0)
    measurements: list[Measurement] = []
    in_process: dict[str, float] = {}
    with running_server(profile, BUILD / "server.log") as server:
        for config in configs:
            arrays = arrays_of(config, scene)
            in_process[config.model] = median_ms(work_of(config.model, arrays))
            for concurrency in config.concurrency:
                click.echo(f"{config.model}, {concurrency} in flight ...")
                measurements.append(
                    analyzer.measure(config, arrays, server.endpoints.grpc, concurrency)
                )
        click.echo("goals ...")
        goals = measure_goals(server, scene)
    source = provenance(f"make bench PROFILE={profile}", PACKAGES)
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


def arrays_of(config: AnalyzerConfig, scene: ReferenceScene) -> dict[str, Array]:
    """Return the input tensors of one configuration."""
    arrays: dict[str, Array] = {"IMAGE": scene.photo, "MASK": scene.mask}
    if config.window:
        arrays = window_arrays(scene.photo, scene.mask)
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
    lines += ["", "| goal | measured | asked | reached | how |", "|---|---|---|---|---|"]
    lines += [
        f"| {goal.name} | {goal.measured} {goal.unit} | {goal.bound} "
        f"| {'yes' if goal.reached else 'NO'} | {goal.detail} |"
        for goal in goals
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    bench()
