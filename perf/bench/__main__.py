"""`make bench`: perf_analyzer on every model of a profile, its budget and the goals, one page."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import click

from harness.local_server import running_server
from pawfect.contract.tables import TableError
from pawfect.contract.tensors import NONCE, Array
from pawfect.models import MODELS
from pawfect.profile import Profile, ProfileError, load_profile
from pawfect.weights.manifest import BUILT
from pawfect.weights.store import Store, weights_root
from pawfect_triton.installation import MachineError
from pawfect_triton.prerequisites import prepare
from pawfect_triton.server import TritonServer
from perf.bench.analyzer import VERSION, Analyzer, AnalyzerError, Measurement
from perf.bench.configs import AnalyzerConfig, load_configs
from perf.bench.files import file_goals
from perf.bench.goals import (
    FILE,
    append,
    budget_goals,
    machine_class,
    read_history,
    slower,
)
from perf.bench.inputs import (
    NONCES,
    arrays_of,
    never_the_same,
    record_requests,
)
from perf.bench.page import Outcome, markdown
from perf.bench.served import measure_goals, measure_split, reports
from perf.bench.stopping import measure_stopping
from perf.publish import provenance, publish
from perf.scenes import load_scene

BUILD: Final = Path("build/bench")
PACKAGES: Final = ("pawfect", "numpy", "opencv-contrib-python-headless", "numba",
                   "nvidia-pytriton", "tritonclient")  # fmt: skip
# Components without which a profile is measured, where their weights are not here.
OPTIONAL: Final = ("lama", "swap")
NEURAL_PACKAGES: Final = ("torch", "diffusers", "transformers")
# How often what looks slower than before is measured again; the middle one of all counts.
AGAIN: Final = 2


@click.command()
@click.option("--profile", default="embedded", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def bench(profile: str, out: Path) -> None:
    """Measure a profile's models and write `bench-PROFILE.json` and `.md`, and the history.

    Exit code 1: over the profile's budget, a goal missed, or slower than earlier runs. 2: nothing
    was measured, for a reason that is told.
    """
    machine = machine_class()
    try:
        chosen = with_what_is_here(load_profile(profile))
        configs = load_configs(chosen.models, profile)
        earlier = read_history(out / FILE, profile, machine)
        check_machine(chosen)
        outcome = Run(chosen, configs, Analyzer(BUILD), earlier).measured(machine)
    except (ProfileError, TableError, MachineError, AnalyzerError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    page = markdown(outcome)
    publish(out, f"bench-{profile}", outcome.as_json(), page)
    append(out / FILE, profile, machine, outcome.source, outcome.measurements)
    click.echo(page)
    for problem in outcome.problems:
        click.echo(problem, err=True)
    sys.exit(1 if outcome.problems else 0)


def with_what_is_here(profile: Profile) -> Profile:
    """Return a profile without LaMa and without a swap of faces where their weights are not here.

    Patches fill in LaMa's place.
    """
    store = Store(weights_root())
    for part in OPTIONAL:
        entry = profile.weights.get(part)
        if entry is None or store.entries[entry].kind == BUILT or not any(store.problems(entry)):
            continue
        own = {model.name for model in MODELS.values() if model.settings == part}
        profile = replace(
            profile,
            models=tuple(model for model in profile.models if model not in own),
            engines=tuple(engine for engine in profile.engines if engine != part),
            weights={name: entry for name, entry in profile.weights.items() if name != part},
            budget={name: ms for name, ms in profile.budget.items() if name not in own},
        )
    return profile


def check_machine(profile: Profile) -> None:
    """Make sure that a profile can be measured here; weights that are built are built.

    A server starts without weights, and `inpaint` then falls back to patches: what would be
    measured is not what the profile is for.

    Raises:
        MachineError: a package is missing; no GPU where the profile's models run on one; weights
            that are missing or damaged, each with the command that mends it.
    """
    prepare(profile)
    lacking = []
    on_gpu = any(profile.device(MODELS[model]) == "cuda" for model in profile.models)
    if on_gpu and not gpu_here():
        lacking.append(
            f"profile {profile.name}: expected a CUDA GPU that torch sees, got none; run it where "
            "one is"
        )
    store = Store(weights_root())
    for entry in sorted(set(profile.fill_weights.values())):
        problem = next(store.problems(entry), None)
        if problem is not None:
            lacking.append(
                f"weights {entry}: {problem.message}; run `pawfect weights fetch {profile.name}`"
            )
    if lacking:
        raise MachineError(lacking)


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

    def measured(self, machine: str) -> Outcome:
        """Measure everything."""
        scene = load_scene()
        asked: dict[str, dict[str, Array]] = {}
        if self.profile.chains:
            click.echo("what the chain asks its models for ...")
            asked = record_requests(self.profile, scene.photo, scene.mask)
            empty_cache()
        arrays = {c.model: arrays_of(c, scene.photo, scene.mask, asked) for c in self.configs}
        measurements, splits = [], []
        with running_server(self.profile.name, BUILD / "server.log") as server:
            for config in self.configs:
                sent = arrays[config.model]
                measurements += [
                    self.through_server(config, sent, server, n) for n in config.concurrency
                ]
                if reports(config.model):
                    splits.append(measure_split(config, sent, server.endpoints.grpc))
            # Goals of the serving side; they are stated of the engine that needs no weights.
            by_patches = self.profile.engines[0] == "patch"
            goals = []
            if by_patches:
                goals = [*measure_goals(server, scene), *measure_stopping(server, scene)]
                goals += file_goals(server.endpoints.grpc, scene, self.profile)
        goals += budget_goals(measurements, self.profile.budget)
        goals += filter(None, (slower(self.earlier, item) for item in measurements))
        source, earlier = self._source(), len(self.earlier)
        return Outcome(self.profile.name, machine, source, measurements, splits, goals, earlier)

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
            if any(tensor.name == NONCE for tensor in MODELS[config.model].spec.inputs):
                # Another try's nonces are others too: the cache would know them.
                first = (len(taken) * max(config.concurrency) + concurrency) * NONCES
                requests = never_the_same(arrays, first)
            item = self.analyzer.measure(config, requests, server.endpoints.grpc, concurrency)
            taken.append(item)
        return sorted(taken, key=lambda item: item.p50_ms)[len(taken) // 2]

    def _source(self) -> dict[str, Any]:
        packages = PACKAGES + (NEURAL_PACKAGES if self.profile.neural else ())
        source = provenance(f"make bench PROFILE={self.profile.name}", packages)
        source["versions"]["perf_analyzer"] = VERSION
        return source


def empty_cache() -> None:
    """Give back the memory of models that are no longer held: a card may not hold them twice."""
    import torch

    gc.collect()
    torch.cuda.empty_cache()


if __name__ == "__main__":
    bench()
