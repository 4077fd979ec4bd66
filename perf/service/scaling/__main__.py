"""`make scaling`: jobs an hour, waits and cost against replicas, bursts and the rule.

What a job takes is from this project's own results: measured on a CPU, modelled on a T4.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from perf.publish import as_markdown, provenance, publish, table
from perf.service.scaling.rule import Rule, load_rule
from perf.service.scaling.simulation import HOUR_S, Load, Service, Simulation, quantile

RESULTS: Final = Path(__file__).parents[2] / "results"
PACKAGES: Final = ("pawfect", "simpy", "numpy")
ENGINE: Final = "int4, fused kernels"
SIDE: Final = 768
STEPS: Final = 8
# On demand, us-central1, Google Cloud's price list, US$ an hour: n1-standard-4 0.19 and a T4 0.35;
# e2-standard-2 0.067. Node and cluster fees are left out.
T4_PRICE: Final = 0.54
CPU_PRICE: Final = 0.067
REPLICAS: Final = (1, 2, 4, 8)
# Of what the replicas can do at most.
BUSY: Final = (0.3, 0.6, 0.9)
BURST: Final = 10.0
# Jobs that one worker process holds at a time: `pawfect worker --jobs`.
JOBS_PER_WORKER: Final = 2
# What is tried for the rule's pending_per_replica.
PENDING: Final = (4.0, 2.0, 1.0, 0.5)
# A backlog that asks for no replica: nobody comes by the queue, or it cannot be seen.
UNSEEN: Final = 1e6
LABELS_S: Final = (0.0, 2.0, 5.0, 20.0)
HOURS: Final = 24.0
# Of a row, as the page has them.
HEAD: Final = ("service", "jobs an hour", "replicas", "workers", "labels after, s", "wait p50",
               "wait p95", "whole p95", "without labels", "US$ per 1000")  # fmt: skip
TITLES: Final = {
    "replicas": "Steady arrivals",
    "bursts": f"Bursts: {BURST:g} times the rate for 5 minutes of each hour",
    "pending": "The same bursts, scaled by pending requests alone, for callers past the queue",
    "workers": "Too few workers: 4 T4 replicas at 60 %",
    "labels": "Late labels: 4 T4 replicas at 60 %",
}


def embedded() -> Service:
    """Return the patch engine on two cores, as `make bench` measured it."""
    # One on each core; what they take together is what one of two takes.
    (found,) = (
        one
        for one in _read("bench-embedded")["perf_analyzer"]
        if (one["model"], one["concurrency"]) == ("inpaint", 2)
    )
    seconds = found["p50_ms"] / 1000
    return Service("embedded, 2 cores, measured", 1, seconds, 0.0, 2, 0.0, CPU_PRICE, lanes=2)


def t4() -> Service:
    """Return the `t4` profile at 768 px and 8 steps, as `make t4` models it: no T4 was at hand."""
    model = _read("t4-model")
    (cell,) = (
        one
        for one in model["cells"]
        if (one["engine"], one["side"], one["steps"]) == (ENGINE, SIDE, STEPS)
    )
    step, total = cell["step_s"]["likely"], cell["total_s"]["likely"]
    (label,) = (one for one in model["stages"] if one["stage"].startswith("SAM3"))
    label_s = label["seconds"]["likely"]
    # Labels came with the job, so that its own request does without SAM3 around the hole.
    around = total - STEPS * step - label_s
    name = "T4, int4, 768 px, 8 steps, modelled"
    return Service(name, STEPS, step, around, 4, label_s, T4_PRICE)


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
    return content


def capacity(service: Service) -> float:
    """Return how many jobs an hour one replica can do at most."""
    return service.lanes * HOUR_S / (service.steps * service.step_s + service.label_s)


def row(
    service: Service,
    load: Load,
    replicas: int,
    rule: Rule | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Simulate one case; workers: None: enough for all replicas' places. Times in s."""
    most = rule.max_replicas if rule else replicas
    count = workers or -(-most * service.in_flight // JOBS_PER_WORKER)
    done = Simulation(service, load, count * JOBS_PER_WORKER, replicas, rule).run()
    jobs = max(len(done.totals_s), 1)
    price = 1000 * done.replica_s / HOUR_S * service.price_per_hour / jobs
    return {
        "service": service.name,
        "arrivals_per_hour": round(load.jobs_per_hour, 1),
        "replicas": f"{rule.min_replicas}-{most}, the rule" if rule else str(replicas),
        "workers": count,
        "label_s": load.label_s,
        "wait_p50_s": round(quantile(done.waits_s, 0.5), 1),
        "wait_p95_s": round(quantile(done.waits_s, 0.95), 1),
        "total_p95_s": round(quantile(done.totals_s, 0.95), 1),
        "unlabelled_share": round(done.unlabelled / jobs, 3),
        "usd_per_1000_jobs": round(price, 2),
    }


def all_rows(rule: Rule) -> dict[str, list[dict[str, Any]]]:
    """Simulate every table of the page."""
    found: dict[str, list[dict[str, Any]]] = {title: [] for title in TITLES}
    for service in (embedded(), t4()):
        for replicas in REPLICAS:
            for busy in BUSY:
                load = Load(busy * replicas * capacity(service), HOURS)
                found["replicas"].append(row(service, load, replicas))
        load = Load(1.5 * capacity(service), HOURS, BURST)
        for replicas in REPLICAS[1:]:
            found["bursts"].append(row(service, load, replicas))
        found["bursts"].append(row(service, load, rule.min_replicas, rule))
        for each in PENDING:
            alone = replace(rule, jobs_per_replica=UNSEEN, pending_per_replica=each)
            named = {
                "replicas": f"{rule.min_replicas}-{rule.max_replicas}, one per {each:g} pending"
            }
            found["pending"].append(row(service, load, rule.min_replicas, alone) | named)
    service = t4()
    load = Load(0.6 * 4 * capacity(service), HOURS)
    found["workers"] = [row(service, load, 4, workers=count) for count in (1, 2, 4, 8, 16)]
    found["labels"] = [row(service, replace(load, label_s=late), 4) for late in LABELS_S]
    return found


def _cells(one: dict[str, Any]) -> tuple[Any, ...]:
    return tuple((one | {"unlabelled_share": f"{one['unlabelled_share']:.1%}"}).values())


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def scaling(out: Path) -> None:
    """Simulate; write `scaling.json` and `.md`."""
    rule = load_rule()
    found, source = all_rows(rule), provenance("make scaling", PACKAGES)
    parts = [
        "# Replicas, workers and waits, simulated\n",
        as_markdown(source),
        "Poisson arrivals over 24 hours; a T4's times are **modelled** "
        "([t4-model.md](t4-model.md)), the embedded engine's measured "
        "([bench-embedded.md](bench-embedded.md)). Steps of the jobs that a T4 holds take turns. "
        "Wait: from queued to the start of the fill, the wait for labels in it. Cost: replicas' "
        "hours at list prices.\n",
        f"The rule (`deploy/scaling.toml`): one replica per {rule.jobs_per_replica:g} jobs queued "
        f"or under way, or per {rule.pending_per_replica:g} that waits for a model where that is "
        f"more, {rule.min_replicas} to {rule.max_replicas}; a new one serves after "
        f"{rule.start_s:g} s; one goes when it was not needed for {rule.scale_down_s:g} s.\n",
    ]
    for key, rows in found.items():
        parts += [f"## {TITLES[key]}\n", table(HEAD, map(_cells, rows))]
    page = "\n".join(parts)
    publish(out, "scaling", {"provenance": source, **found}, page)
    click.echo(page)


if __name__ == "__main__":
    scaling()
