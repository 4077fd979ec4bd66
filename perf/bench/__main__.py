"""`make bench`: perf_analyzer on every model of a profile, its budget and the goals, one page."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click

from harness.local_server import running_server
from pawfect.contract.tables import TableError
from pawfect.contract.tensors import Array
from pawfect.local import LocalModels
from pawfect.models import MODELS
from pawfect.orchestrator.deployment import Deployment, read_deployment
from pawfect.profile import Profile, ProfileError, load_profile
from pawfect.weights.store import Store, weights_root
from pawfect_triton.installation import MachineError
from pawfect_triton.prerequisites import prepare
from pawfect_triton.server import TritonServer
from perf.bench.analyzer import Analyzer, AnalyzerError, Measurement
from perf.bench.configs import AnalyzerConfig, load_configs
from perf.bench.goals import measure_goals
from perf.bench.history import FILE, HistoryError, append, machine_class, read_history, slower
from perf.bench.inputs import (
    NONCES,
    arrays_of,
    median_ms,
    never_the_same,
    record_requests,
    work_of,
)
from perf.bench.page import Outcome, markdown
from perf.bench.stages import Split, measure_split
from perf.publish import provenance, publish
from perf.scenes import load_scene

BUILD: Final = Path("build/bench")
PACKAGES: Final = ("pawfect", "numpy", "opencv-contrib-python-headless", "pypatchmatch",
                   "nvidia-pytriton", "tritonclient")  # fmt: skip
TEXT_ENCODER: Final = "flux_text_encoder"
NEURAL_PACKAGES: Final = ("torch", "diffusers", "transformers")
# How often what looks slower than before is measured again; the middle one of all counts.
AGAIN: Final = 2


class CannotMeasure(RuntimeError):  # noqa: N818 - it is what the user is told
    """This machine cannot measure this profile; the text says what it lacks."""


@click.command()
@click.option("--profile", default="embedded", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
@click.option("--check", is_flag=True, help="Only check configurations, history and machine.")
def bench(profile: str, out: Path, check: bool) -> None:
    """Measure a profile's models and write `bench-PROFILE.json` and `.md`, and the history.

    Exit code 1: over the profile's budget, a goal missed, or slower than earlier runs. 2: nothing
    was measured, for a reason that is told.
    """
    machine = machine_class()
    try:
        chosen = load_profile(profile)
        configs = load_configs(chosen.models, profile)
        earlier = read_history(out / FILE, profile, machine)
        check_machine(chosen)
        run = Run(chosen, configs, Analyzer(BUILD), earlier)
        if check:
            click.echo(f"{len(configs)} configurations, {len(earlier)} earlier runs on {machine}")
            return
        outcome = run.measured(machine)
    except (ProfileError, TableError, HistoryError, CannotMeasure, MachineError,
            AnalyzerError) as error:  # fmt: skip
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    page = markdown(outcome)
    publish(out, f"bench-{profile}", outcome.as_json(), page)
    append(out / FILE, profile, machine, outcome.source, outcome.measurements, outcome.regressions)
    click.echo(page)
    for problem in outcome.problems:
        click.echo(problem, err=True)
    sys.exit(1 if outcome.problems else 0)


def check_machine(profile: Profile) -> None:
    """Make sure that a profile can be measured here; weights that are built are built.

    A server starts without weights, and `inpaint` then falls back to patches: what would be
    measured is not what the profile is for.

    Raises:
        CannotMeasure: no GPU where the profile's models run on one, or weights that are missing or
            damaged, each with the command that mends it.
        MachineError: a package is missing, or weights could not be built.
    """
    prepare(profile)
    lacking = []
    if on_gpu(profile) and not gpu_here():
        lacking.append(
            f"profile {profile.name}: expected a CUDA GPU that torch sees, got none; run it where "
            "one is"
        )
    store = Store(weights_root())
    for entry in sorted(set(profile.weights.values())):
        problem = next(store.problems(entry), None)
        if problem is not None:
            lacking.append(
                f"weights {entry}: {problem.message}; run `pawfect weights fetch {profile.name}`"
            )
    if lacking:
        raise CannotMeasure("\n".join(lacking))


def on_gpu(profile: Profile) -> bool:
    """Say whether any of a profile's models runs on a GPU."""
    return any(profile.device(MODELS[model]) == "cuda" for model in profile.models)


def gpu_here() -> bool:
    """Say whether torch sees a GPU."""
    import torch

    return torch.cuda.is_available()


@dataclass
class Run:
    """One run: what is measured, with what, and what earlier ones found."""

    profile: Profile
    configs: list[AnalyzerConfig]
    analyzer: Analyzer
    earlier: list[dict[str, Any]]
    alone_ms: dict[str, float] = field(default_factory=dict)

    def measured(self, machine: str) -> Outcome:
        """Measure everything."""
        scene = load_scene()
        models, deployment = LocalModels(self.profile), read_deployment(self.profile)
        asked: dict[str, dict[str, Array]] = {}
        if self.profile.flux is not None:
            click.echo("what the chain asks its models for ...")
            asked = record_requests(models, deployment, scene.photo, scene.mask)
        arrays = {c.model: arrays_of(c, scene.photo, scene.mask, asked) for c in self.configs}
        if on_gpu(self.profile):
            # Before the server starts: a card may not hold the weights twice.
            for config in self.configs:
                self._alone(config, arrays[config.model], models, deployment)
            models = LocalModels(self.profile)
            empty_cache()
        measurements: list[Measurement] = []
        splits: list[Split] = []
        with running_server(self.profile.name, BUILD / "server.log") as server:
            url = server.endpoints.grpc
            for config in self.configs:
                sent = arrays[config.model]
                self._alone(config, sent, models, deployment)
                measurements += [
                    self.through_server(config, sent, server, n) for n in config.concurrency
                ]
                if MODELS[config.model].orchestration:
                    splits.append(measure_split(config, sent, url))
            # Goals of the serving side; they are stated of the engine that needs no weights.
            by_patches = self.profile.engines[0] == "patch"
            goals = measure_goals(server, scene) if by_patches else []
        became = [slower(self.earlier, item) for item in measurements]
        return Outcome(
            self.profile.name,
            machine,
            self._source(),
            measurements,
            self.alone_ms,
            splits,
            self.profile.budget,
            goals,
            [item for item in became if item],
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
            work = work_of(config.model, arrays, models, deployment)
            self.alone_ms[config.model] = median_ms(work, torch_threads=threads)

    def through_server(
        self,
        config: AnalyzerConfig,
        arrays: Mapping[str, Array],
        server: TritonServer,
        concurrency: int,
    ) -> Measurement:
        """Measure once, or three times where it looks slower than before: the middle one counts."""
        click.echo(f"{config.model}, {concurrency} in flight ...")
        taken: list[Measurement] = []
        while not taken or (len(taken) <= AGAIN and slower(self.earlier, taken[0])):
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


if __name__ == "__main__":
    bench()
