"""A soak's figures, goals and page."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from perf.publish import as_markdown, table
from perf.service.soak import audit
from perf.service.soak.run import KILLED, UNENDED, Found
from perf.service.soak.schedule import STORM
from perf.service.soak.watch import memory_rows

RECOVERY_GOAL_S: Final = 20.0
# What must be empty: each is a goal of its own.
LISTS: Final = ("lost", "late", "doubled", "given_up", "wrong")
# Lines of a list that stand on the page; the JSON has all.
_SHOWN: Final = 20


def figures(found: Found) -> dict[str, Any]:
    """Return what a run has shown, as JSON; nothing in it is known before the run."""
    recovery = [value for value in found.recovery_s.values() if value is not None]
    jobs = found.ledger.accepted.values()
    took = [job.ended_s - job.at_s for job in jobs if job.ended_s is not None]
    result: dict[str, Any] = {
        "minutes": found.plan.minutes,
        "seed": found.plan.seed,
        "clients": found.plan.clients,
        "storm_share": STORM,
        "seconds": round(found.seconds, 1),
        "unfinished": found.unfinished,
        "accepted": len(found.ledger.accepted),
        "ends": audit.counts_by_end(found.ledger, found.documents),
        "attempts": audit.starts_of(found.documents.values()),
        "lost": found.lost,
        "late": found.late,
        "doubled": found.moves.doubled,
        "given_up": found.given_up,
        "wrong": found.wrong,
        "pictures_looked_at": found.pictures,
        "recovery_s": _spread(recovery),
        "recovery_missed": sum(value is None for value in found.recovery_s.values()),
        "recovery_goal_s": RECOVERY_GOAL_S,
        "recovery_by_event": _by_event(found),
        "job_s": _spread(took),
        "events": [_event(found, number) for number in range(len(found.done))],
        "told": dict(sorted(found.ledger.told.items())),
        "starts": found.starts,
        "left": found.left,
        "memory": memory_rows(found.watch.lives) if found.watch else [],
    }
    return result | {"missed": missed(result)}


def missed(result: Mapping[str, Any]) -> list[str]:
    """Return the goals that a run has missed, nothing if none."""
    found = [] if result["unfinished"] is None else [f"unfinished: {result['unfinished']}"]
    for name in LISTS:
        if result[name]:
            found.append(f"{name.replace('_', ' ')}: expected 0, got {len(result[name])}")
    if not result["accepted"]:
        found.append("accepted: expected jobs, got none")
    completed = sum(ends.get("completed", 0) for ends in result["ends"].values())
    if result["pictures_looked_at"] < completed:
        looked = result["pictures_looked_at"]
        found.append(f"results looked at: expected all {completed}, got {looked}")
    p95, goal = result["recovery_s"]["p95"], result["recovery_goal_s"]
    if p95 is None or p95 >= goal or result["recovery_missed"]:
        others = f", {result['recovery_missed']} never" if result["recovery_missed"] else ""
        found.append(f"recovery: expected a p95 under {goal:g} s, got {p95}{others}")
    for name in (
        "messages",
        "dead letters",
        "processes",
        KILLED,
        "segments of shared memory",
        UNENDED,
    ):
        if left := result["left"].get(name):
            found.append(f"{name} left: expected none, got {left}")
    return found


def _spread(values: Sequence[float]) -> dict[str, float | int | None]:
    if not values:
        return {"count": 0, "p50": None, "p95": None, "max": None}
    p50, p95 = np.percentile(values, [50, 95])
    shown = {"p50": p50, "p95": p95, "max": max(values)}
    return {"count": len(values), **{name: round(float(one), 2) for name, one in shown.items()}}


def _by_event(found: Found) -> dict[str, dict[str, Any]]:
    values: defaultdict[str, list[float]] = defaultdict(list)
    skipped: Counter[str] = Counter()
    for number, done in enumerate(found.done):
        name = done.event.kind.name
        values[name] += [value] if (value := found.recovery_s.get(number)) is not None else []
        skipped[name] += done.skipped is not None
    return {name: {**_spread(values[name]), "skipped": skipped[name]} for name in sorted(values)}


def _event(found: Found, number: int) -> dict[str, Any]:
    done, value = found.done[number], found.recovery_s.get(number)
    return {
        "at_s": done.event.at_s,
        "what": done.event.kind.name,
        "victim": done.victim,
        "lasts_s": done.event.lasts_s,
        "affects": done.affects,
        "recovery_s": None if value is None else round(value, 2),
        "skipped": done.skipped,
        **done.notes,
    }


def page(source: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """Return a run's page, in Markdown."""
    spread = result["recovery_s"]
    told = [
        ("jobs that were accepted", result["accepted"]),
        ("lost", len(result["lost"])),
        ("not over in time, their messages in the queue", len(result["late"])),
        ("doubled", len(result["doubled"])),
        ("failed, their tries used up", len(result["given_up"])),
        ("wrong ends, pictures or answers, and clients that died", len(result["wrong"])),
        ("completed results that were looked at", result["pictures_looked_at"]),
        ("recovery p50, p95, longest, s", _line(spread)),
        ("a job from its 202 to its end p50, p95, longest, s", _line(result["job_s"])),
        ("starts of jobs, failures that passed, publications begun again",
         ", ".join(str(value) for value in result["attempts"].values())),
        ("starts of processes", _dict(result["starts"])),
        ("left behind", _dict(result["left"])),
        ("whole run, s", result["seconds"]),
    ]  # fmt: skip
    goals = "; ".join(result["missed"]) or "reached"
    parts = [
        "# Soak\n",
        as_markdown(source) + f"\nCommit {source['commit']}.\n",
        f"`pawfect serve --profile embedded`, `pawfect api --processes 2` and two `pawfect worker` "
        f"on one embedded store for {result['minutes']:g} minutes, seed {result['seed']}, "
        f"{result['clients']} clients at a time. Things break in the first "
        f"{100 * result['storm_share']:.0f} % of it. Disk: {source['disk']}. Clock: "
        f"{source['clock']}. Memory: an address space that may grow by 16 MB.\n",
        "Goals (lost 0, doubled 0, given up 0, nothing wrong, all results looked at, recovery p95 "
        f"under {result['recovery_goal_s']:g} s, nothing left): **{goals}**.\n",
        table(("", ""), told),
        "\n## Jobs\n",
        table(("kind", "how they ended"), [(k, _dict(v)) for k, v in result["ends"].items()]),
        "\n## What was broken\n",
        "Recovery: from the end of the trouble to the end of the first job of the affected kind "
        "that was sent after its beginning.\n",
        table(
            ("event", "times", "p50, s", "p95, s", "longest, s", "skipped"),
            [
                (name, row["count"], row["p50"], row["p95"], row["max"], row["skipped"])
                for name, row in result["recovery_by_event"].items()
            ],
        ),
        "\n## Memory\n",
        "Of each role's longest life; the slope without its first quarter, at most 120 s: the "
        "median of all pairs' slopes with its interval of 90 %, and by least squares. Without "
        "Triton's response cache, of 64 MiB, which fills for minutes.\n",
        _memory(result["memory"]),
        "\n## What clients met\n",
        table(("", "times"), result["told"].items()),
        "\n## When\n",
        table(
            ("at, s", "event", "victim", "held, s", "kind", "recovery, s", "skipped"),
            [
                (row["at_s"], row["what"], row["victim"], row["lasts_s"], row["affects"],
                 row["recovery_s"], row["skipped"] or "")
                for row in result["events"]
            ],
        ),
    ]  # fmt: skip
    for name in LISTS:
        if result[name]:
            lines = [f"- {line}" for line in result[name][:_SHOWN]]
            parts += [f"\n## {name.replace('_', ' ').capitalize()}\n", "\n".join(lines) + "\n"]
    return "\n".join(parts)


def _memory(rows: Sequence[Mapping[str, Any]]) -> str:
    head = ("process", "lives", "longest, s", "MB", "descriptors", "threads", "MB an hour",
            "least squares")  # fmt: skip
    cells = []
    for row in rows:
        fitted = row["mb_per_hour"]
        robust = f"{fitted['robust']} ({fitted['low']} to {fitted['high']})" if fitted else ""
        ends = [" to ".join(map(str, row[name])) for name in ("mb", "descriptors", "threads")]
        fit = fitted["least_squares"] if fitted else ""
        cells.append((row["role"], row["lives"], row["life_s"], *ends, robust, fit))
    return table(head, cells)


def _line(spread: Mapping[str, Any]) -> str:
    return ", ".join(str(spread[name]) for name in ("p50", "p95", "max"))


def _dict(values: Mapping[str, Any]) -> str:
    shown = (json.dumps(v) if isinstance(v, dict | list) else v for v in values.values())
    return ", ".join(f"{name} {value}" for name, value in zip(values, shown, strict=True))
