"""`make scaling`: jobs an hour, waits and cost against replicas, bursts and the rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import click

from perf.publish import as_markdown, provenance, publish, table
from perf.service.scaling.rule import Rule, load_rule
from perf.service.scaling.services import embedded, t4
from perf.service.scaling.simulation import HOUR_S, Load, Service, Simulated, Simulation

PACKAGES: Final = ("pawfect", "simpy", "numpy")
REPLICAS: Final = (1, 2, 4, 8)
# Of what the replicas can do at most.
BUSY: Final = (0.3, 0.6, 0.9)
BURST: Final = 10.0
# Jobs that one worker process holds at a time: `pawfect worker --jobs`.
JOBS_PER_WORKER: Final = 2
LABELS_S: Final = (0.0, 2.0, 5.0, 20.0)
HOURS: Final = 24.0


@dataclass(frozen=True)
class Row:
    """One simulation and what came of it."""

    service: Service
    jobs_per_hour: float
    burst: float
    replicas: str
    workers: int
    label_s: float
    found: Simulated

    def figures(self) -> dict[str, Any]:
        """Return it as numbers, s and US$."""
        done = self.found
        return {
            "service": self.service.name,
            "arrivals_per_hour": round(self.jobs_per_hour, 1),
            "burst": self.burst,
            "replicas": self.replicas,
            "workers": self.workers,
            "label_s": self.label_s,
            "finished_per_hour": round(len(done.totals_s) / HOURS, 1),
            "wait_p50_s": round(done.quantile(done.waits_s, 0.5), 1),
            "wait_p95_s": round(done.quantile(done.waits_s, 0.95), 1),
            "total_p95_s": round(done.quantile(done.totals_s, 0.95), 1),
            "unlabelled_share": round(done.unlabelled / max(len(done.totals_s), 1), 3),
            "usd_per_1000_jobs": round(self._cost(), 2),
        }

    def _cost(self) -> float:
        hours = self.found.replica_s / HOUR_S
        return 1000 * hours * self.service.price_per_hour / max(len(self.found.totals_s), 1)


def capacity(service: Service) -> float:
    """Return how many jobs an hour one replica can do at most."""
    return service.lanes * HOUR_S / (service.steps * service.step_s + service.label_s)


def row(
    service: Service,
    load: Load,
    replicas: int,
    rule: Rule | None = None,
    workers: int | None = None,
) -> Row:
    """Simulate one case; workers: None: enough for all replicas' places."""
    most = rule.max_replicas if rule else replicas
    enough = -(-most * service.in_flight // JOBS_PER_WORKER)
    count = workers or enough
    done = Simulation(service, load, count * JOBS_PER_WORKER, replicas, rule).run()
    shown = f"{rule.min_replicas}-{rule.max_replicas}, the rule" if rule else str(replicas)
    return Row(service, load.jobs_per_hour, load.burst, shown, count, load.label_s, done)


def all_rows(rule: Rule) -> dict[str, list[Row]]:
    """Simulate every table of the page."""
    found: dict[str, list[Row]] = {"replicas": [], "bursts": [], "workers": [], "labels": []}
    for service in (embedded(), t4()):
        for replicas in REPLICAS:
            for busy in BUSY:
                load = Load(busy * replicas * capacity(service), HOURS)
                found["replicas"].append(row(service, load, replicas))
        load = Load(1.5 * capacity(service), HOURS, BURST)
        for replicas in REPLICAS[1:]:
            found["bursts"].append(row(service, load, replicas))
        found["bursts"].append(row(service, load, rule.min_replicas, rule))
    service = t4()
    load = Load(0.6 * 4 * capacity(service), HOURS)
    found["workers"] = [row(service, load, 4, workers=count) for count in (1, 2, 4, 8, 16)]
    found["labels"] = [row(service, replace(load, label_s=late), 4) for late in LABELS_S]
    return found


HEAD: Final = ("service", "jobs an hour", "replicas", "workers", "labels after, s", "wait p50",
               "wait p95", "whole p95", "without labels", "US$ per 1000")  # fmt: skip
TITLES: Final = {
    "replicas": "## Steady arrivals",
    "bursts": f"## Bursts: {BURST:g} times the rate for 5 minutes of each hour",
    "workers": "## Too few workers: 4 T4 replicas at 60 %",
    "labels": "## Late labels: 4 T4 replicas at 60 %",
}


def page(found: dict[str, list[Row]], rule: Rule, source: dict[str, Any]) -> str:
    """Return the result as Markdown."""
    lines = [
        "# Replicas, workers and waits, simulated",
        "",
        as_markdown(source),
        "Poisson arrivals over 24 hours; a T4's times are **modelled** "
        "([t4-model.md](t4-model.md)), the embedded engine's measured "
        "([bench-embedded.md](bench-embedded.md)). Steps of the jobs that a T4 holds take turns. "
        "Wait: from queued to the start of the fill, the wait for labels in it. Cost: replicas' "
        "hours at list prices.",
        "",
        f"The rule (`deploy/scaling.toml`): one replica per {rule.jobs_per_replica:g} jobs queued "
        f"or under way, {rule.min_replicas} to {rule.max_replicas}; a new one serves after "
        f"{rule.start_s:g} s; one goes when it was not needed for {rule.scale_down_s:g} s.",
    ]  # fmt: skip
    for key, rows in found.items():
        lines += [
            "",
            TITLES[key],
            "",
            table(HEAD, (_shown(one.figures()) for one in rows)).rstrip(),
        ]
    return "\n".join(lines) + "\n"


def _shown(figures: dict[str, Any]) -> tuple[object, ...]:
    left_out = ("burst", "finished_per_hour")
    shown = {name: value for name, value in figures.items() if name not in left_out}
    return tuple((shown | {"unlabelled_share": f"{shown['unlabelled_share']:.1%}"}).values())


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def scaling(out: Path) -> None:
    """Simulate; write `scaling.json` and `.md`."""
    rule = load_rule()
    found, source = all_rows(rule), provenance("make scaling", PACKAGES)
    result = {
        "provenance": source,
        **{key: [one.figures() for one in rows] for key, rows in found.items()},
    }
    text = page(found, rule, source)
    publish(out, "scaling", result, text)
    click.echo(text)


if __name__ == "__main__":
    scaling()
