"""`make bench`: perf_analyzer on every model of a profile, its budget and the goals, one page."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

import click
import numpy as np

from harness.local_server import running_server
from pawfect.contract.tensors import Array
from pawfect.local import LocalModels
from pawfect.models import MODELS
from pawfect.orchestrator.deployment import Deployment, read_deployment
from pawfect.profile import Profile, ProfileError, load_profile
from pawfect_triton.installation import MachineError
from pawfect_triton.server import TritonServer
from perf.bench import history
from perf.bench.analyzer import Analyzer, AnalyzerError, Measurement
from perf.bench.budget import verdicts
from perf.bench.chain import NONCES, never_the_same, record_requests
from perf.bench.configs import AnalyzerConfig, ConfigError, load_configs
from perf.bench.goals import Goal, measure_goals
from perf.bench.history import HistoryError
from perf.bench.in_process import median_ms, window_arrays, work_of
from perf.bench.page import Outcome, markdown
from perf.bench.preflight import CannotMeasure, check_machine, machine_class, on_gpu
from perf.bench.stages import Split, measure_split
from perf.provenance import provenance
from perf.scenes import Scene, load_scene

BUILD: Final = Path("build/bench")
PACKAGES: Final = ("pawfect", "numpy", "opencv-contrib-python-headless", "pypatchmatch",
                   "nvidia-pytriton", "tritonclient")  # fmt: skip
TEXT_ENCODER: Final = "flux_text_encoder"
NEURAL_PACKAGES: Final = ("torch", "diffusers", "transformers")
# How often what looks slower than before is measured again; the middle one of all counts.
AGAIN: Final = 2


@click.command()
@click.option("--profile", default="embedded", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
@click.option("--check", is_flag=True, help="Only check configurations, history and machine.")
def bench(profile: str, out: Path, check: bool) -> None:
    """Measure a profile's models and write `bench-PROFILE.json` and `.md`, and the history.

    Exit code 1: over the profile's budget, a goal missed, or slower than earlier runs. 2: nothing
    was measured, for a reason that is told.
    """
    try:
        chosen = load_profile(profile)
        configs = load_configs(chosen.models, profile)
        runs = history.read_history(out / history.FILE)
        unjudged = [c.model for c in configs if c.model in chosen.budget and 1 not in c.concurrency]
        if unjudged:
            raise ConfigError(f"{unjudged[0]}: concurrency: expected 1 too: it has a budget")
        check_machine(chosen)
        analyzer = Analyzer(BUILD)
    except (ProfileError, ConfigError, HistoryError, CannotMeasure, MachineError,
            AnalyzerError) as error:  # fmt: skip
        _refuse(str(error))
    machine = machine_class()
    earlier = history.comparable(runs, profile, machine)
    if check:
        click.echo(f"{len(configs)} configurations, {len(earlier)} earlier runs on {machine}")
        return
    run = Run(chosen, configs, analyzer, earlier)
    try:
        outcome = run.measured(machine)
    except AnalyzerError as error:
        _refuse(str(error))
    _write(out, outcome)
    page = markdown(outcome)
    (out / f"bench-{profile}.md").write_text(page)
    click.echo(page)
    for problem in outcome.problems:
        click.echo(problem, err=True)
    sys.exit(1 if outcome.problems else 0)


def _refuse(message: str) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(2)


def _write(out: Path, outcome: Outcome) -> None:
    out.mkdir(parents=True, exist_ok=True)
    result = {
        "provenance": outcome.source,
        "perf_analyzer": [asdict(item) for item in outcome.measurements],
        "in_process_median_ms": outcome.in_process_ms,
        "budget": [asdict(item) | {"held": item.held} for item in outcome.verdicts],
        "stages": [asdict(item) for item in outcome.splits],
        "goals": [asdict(goal) for goal in outcome.goals],
        "regressions": [asdict(item) for item in outcome.regressions],
    }
    (out / f"bench-{outcome.profile}.json").write_text(json.dumps(result, indent=1) + "\n")
    history.append(
        out / history.FILE,
        history.record(
            outcome.profile,
            outcome.machine,
            outcome.source,
            outcome.measurements,
            outcome.regressions,
        ),
    )


@dataclass
class Run:
    """One run: what is measured, with what, and what earlier ones found."""

    profile: Profile
    configs: list[AnalyzerConfig]
    analyzer: Analyzer
    earlier: list[Mapping[str, Any]]
    alone_ms: dict[str, float] = field(default_factory=dict)

    def measured(self, machine: str) -> Outcome:
        """Measure everything."""
        scene = load_scene()
        models, deployment = LocalModels(self.profile), read_deployment(self.profile)
        asked: dict[str, dict[str, Array]] = {}
        if self.profile.flux is not None:
            click.echo("what the chain asks its models for ...")
            asked = record_requests(models, deployment, scene.photo, scene.mask)
        arrays = {config.model: arrays_of(config, scene, asked) for config in self.configs}
        if on_gpu(self.profile):
            # Before the server starts: a card may not hold the weights twice.
            for config in self.configs:
                self._alone(config, arrays[config.model], models, deployment)
            models = LocalModels(self.profile)
            empty_cache()
        measurements: list[Measurement] = []
        regressions, splits, goals = [], list[Split](), list[Goal]()
        with running_server(self.profile.name, BUILD / "server.log") as server:
            for config in self.configs:
                self._alone(config, arrays[config.model], models, deployment)
                for concurrency in config.concurrency:
                    item = self._through_server(config, arrays[config.model], server, concurrency)
                    measurements.append(item)
                    became = history.slower(self.earlier, item)
                    regressions += [became] if became else []
                if MODELS[config.model].orchestration:
                    splits.append(
                        measure_split(config, arrays[config.model], server.endpoints.grpc)
                    )
            # Goals of the serving side; they are stated of the engine that needs no weights.
            if self.profile.engines[0] == "patch":
                click.echo("goals ...")
                goals = measure_goals(server, scene)
        return Outcome(
            self.profile.name,
            machine,
            self._source(),
            measurements,
            self.alone_ms,
            splits,
            verdicts(measurements, self.profile.budget),
            goals,
            regressions,
            len(self.earlier),
        )

    def _alone(
        self,
        config: AnalyzerConfig,
        arrays: Mapping[str, Array],
        models: LocalModels,
        deployment: Deployment,
    ) -> None:
        if config.model not in self.alone_ms:
            flux = self.profile.flux
            threads = flux.text_threads if flux and config.model == TEXT_ENCODER else 1
            work = work_of(config.model, arrays, models, deployment, config.parameters)
            self.alone_ms[config.model] = median_ms(work, torch_threads=threads)

    def _through_server(
        self,
        config: AnalyzerConfig,
        arrays: Mapping[str, Array],
        server: TritonServer,
        concurrency: int,
    ) -> Measurement:
        """Measure once, or three times where it looks slower than before: the middle one counts."""
        click.echo(f"{config.model}, {concurrency} in flight ...")
        taken: list[Measurement] = []
        while not taken or (len(taken) <= AGAIN and history.slower(self.earlier, taken[0])):
            requests: Sequence[Mapping[str, Array]] = [arrays]
            if config.model == TEXT_ENCODER:
                # Another try's nonces are others too: the cache would know them.
                first = (len(taken) * max(config.concurrency) + concurrency) * NONCES
                requests = never_the_same(arrays, first)
            item = self.analyzer.measure(config, requests, server.endpoints.grpc, concurrency)
            taken.append(item)
        return sorted(taken, key=lambda item: item.p50_ms)[len(taken) // 2]

    def _source(self) -> dict[str, Any]:
        packages = PACKAGES + (NEURAL_PACKAGES if self.profile.neural else ())
        source = provenance(f"make bench PROFILE={self.profile.name}", packages)
        source["versions"]["perf_analyzer"] = self.analyzer.version().split(" (")[0].split()[-1]
        return source


def empty_cache() -> None:
    """Give back the GPU memory of models that are no longer held."""
    import torch

    gc.collect()
    torch.cuda.empty_cache()


def arrays_of(
    config: AnalyzerConfig, scene: Scene, asked: Mapping[str, Mapping[str, Array]]
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
    texts = {
        name: np.array([text.encode() for text in texts], np.object_)
        for name, texts in config.texts.items()
    }
    return {name: texts[name] if name in texts else arrays[name] for name in config.inputs}


if __name__ == "__main__":
    bench()
