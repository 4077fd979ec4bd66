"""What a fill costs, against its goals: `python -m perf.quality.cost`, `--help` for its options."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import click

from perf.bench.goals import Goal
from perf.peak_memory import PeakMemory, tree_bytes
from perf.publish import as_markdown as source_lines
from perf.publish import provenance, publish, table
from perf.quality.checkout import Checkout
from perf.quality.methods import METHODS, Method, warm_up
from perf.quality.removal import Removal
from perf.quality.workloads import Workloads

PACKAGES: Final = ("numpy", "numba", "opencv-contrib-python-headless", "pypatchmatch")
OURS: Final = METHODS["patches"]
PEER: Final = METHODS["patchmatch"]
# Goals: seconds of wall time on 2 cores, shares, GiB.
CPU_OF_PEER: Final = 0.5
LEASH_S: Final = 4.0
DUST_S: Final = 3.0
DISC_S: Final = 2.0
REFERENCE_S: Final = 1.5
SAME_HOLE: Final = 1.5
TWO_AT_ONCE: Final = 1.8
MEMORY_BYTES: Final = 0.5e9
# Fills of each thread while two at once are compared with one.
FILLS: Final = 2
# Far shorter than the passes that hold the memory, s.
MEMORY_EVERY_S: Final = 0.01


@dataclass(frozen=True)
class Timing:
    """Medians of one method on one workload.

    Attributes:
        workload: its name.
        method: its name.
        turns: how many were taken, the methods in turn.
        seconds: wall time.
        cpu_seconds: of all threads.
    """

    workload: str
    method: str
    turns: int
    seconds: float
    cpu_seconds: float


def timings(removal: Removal, methods: Sequence[Method], turns: int) -> list[Timing]:
    """Run methods on a removal in turn.

    Args:
        removal: what is filled.
        methods: all warm.
        turns: at least 1.
    """
    outcomes = [[method.run(removal) for method in methods] for _ in range(turns)]
    return [
        Timing(
            removal.name,
            method.name,
            turns,
            statistics.median(turn[place].seconds for turn in outcomes),
            statistics.median(turn[place].cpu_seconds for turn in outcomes),
        )
        for place, method in enumerate(methods)
    ]


def seconds_goal(timing: Timing, limit: float) -> Goal:
    """Hold a workload to its wall time."""
    name, seconds = f"{timing.workload}, {timing.method}", timing.seconds
    detail = f"median of {timing.turns}; {timing.cpu_seconds:.2f} CPU s"
    return Goal(name, round(seconds, 2), "s", f"< {limit}", seconds < limit, detail)


def peer_goal(ours: Timing, peer: Timing) -> Goal:
    """Hold the fill's CPU to a share of its peer's."""
    share = ours.cpu_seconds / peer.cpu_seconds
    detail = f"{ours.cpu_seconds:.2f} against {peer.cpu_seconds:.2f} CPU s"
    name, unit = f"{ours.workload}, CPU", f"of {peer.method}'s"
    bound = f"<= {CPU_OF_PEER}"
    return Goal(name, round(share, 2), unit, bound, share <= CPU_OF_PEER, detail)


def same_hole_goal(method: Method, small: Removal, large: Removal, turns: int) -> Goal:
    """Hold the fill in a large photo to that of the same hole in a small one, in turn."""
    pairs = [(method.run(small).seconds, method.run(large).seconds) for _ in range(turns)]
    one, twelve = (statistics.median(values) for values in zip(*pairs, strict=True))
    ratio = twelve / one
    detail = f"medians of {turns} in turn: {one:.2f} s and {twelve:.2f} s"
    name, unit = "same hole, 12 MP against 1 MP", "times the time"
    return Goal(name, round(ratio, 2), unit, f"<= {SAME_HOLE}", ratio <= SAME_HOLE, detail)


def at_once_goal(method: Method, removal: Removal, turns: int) -> Goal:
    """Hold two fills at once to the throughput of one."""

    def rate(threads: int) -> float:
        def fills(_: int) -> None:
            for _ in range(FILLS):
                method.run(removal)

        start = perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fills, range(threads)))
        return threads * FILLS / (perf_counter() - start)

    ratios = [1 / rate(1) * rate(2) for _ in range(turns)]
    ratio = statistics.median(ratios)
    detail = f"median of {turns} ({', '.join(f'{value:.2f}' for value in ratios)}), {removal.name}"
    name, unit = "two fills at once", "times one's throughput"
    return Goal(name, round(ratio, 2), unit, f">= {TWO_AT_ONCE}", ratio >= TWO_AT_ONCE, detail)


def memory_goal(workload: str, scale: float) -> Goal:
    """Hold a fill's memory above idle, in a process that has filled nothing large before."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        idle, peak = pool.apply(peak_bytes, (workload, scale))
    above = peak - idle
    detail = f"resident set of a process of its own, {idle / 2**30:.2f} GiB with the photo loaded"
    reached, bound = above < MEMORY_BYTES, "< 0.47 (0.5 GB)"
    return Goal(f"memory, {workload}", round(above / 2**30, 2), "GiB", bound, reached, detail)


def peak_bytes(workload: str, scale: float) -> tuple[float, float]:
    """Return this process's memory before a fill and the most during it, bytes.

    Args:
        workload: the name of a method of Workloads that draws one.
        scale: of its lengths.
    """
    removal: Removal = getattr(Workloads(scale), workload)()
    warm_up([OURS])
    gc.collect()
    idle = tree_bytes(os.getpid(), "rss")
    with PeakMemory(lambda: tree_bytes(os.getpid(), "rss"), MEMORY_EVERY_S) as peak:
        OURS.run(removal)
    return idle, peak.bytes


def measure(
    scale: float, turns: int, before: Sequence[Method], say: Callable[[str], None]
) -> tuple[list[Timing], list[Goal]]:
    """Measure every workload.

    Args:
        scale: of every length; goals are stated for 1.
        turns: of each, at least 1.
        before: another engine, timed beside this one; none or one.
        say: told what is measured.
    """
    draw = Workloads(scale)
    taken, goals = [], []
    say("1 MP ...")
    large = draw.large()
    taken += timings(large, [OURS, PEER, *before], turns)
    goals.append(peer_goal(taken[0], taken[1]))
    for workload, limit in ((draw.leash, LEASH_S), (draw.dust, DUST_S), (draw.disc, DISC_S)):
        removal = workload()
        say(f"{removal.name} ...")
        taken += timings(removal, [OURS, *before], turns)
        goals.append(seconds_goal(taken[-1 - len(before)], limit))
    say("the same hole in small and large ...")
    goals.append(same_hole_goal(OURS, *draw.same_hole(), turns))
    say("the reference scene ...")
    taken += timings(draw.reference(), [METHODS["pawfect"]], turns)
    goals.append(seconds_goal(taken[-1], REFERENCE_S))
    say("two at once ...")
    goals.append(at_once_goal(OURS, large, turns))
    for name in ("disc", "leash", "dust"):
        say(f"memory, {name} ...")
        goals.append(memory_goal(name, scale))
    return taken, goals


def as_page(source: dict[str, Any], taken: Sequence[Timing], goals: Sequence[Goal]) -> str:
    """Return goals and timings as Markdown."""
    held = [
        (g.name, f"{g.measured} {g.unit}", g.bound, "yes" if g.reached else "NO", g.detail)
        for g in goals
    ]
    rows = [(t.workload, t.method, f"{t.seconds:.2f}", f"{t.cpu_seconds:.2f}") for t in taken]
    parts = [
        "# What a fill costs\n",
        source_lines(source),
        "Fills alone in one warm process, on grass of the reference scene continued by "
        "reflection; methods take turns, medians count.\n",
        table(("goal", "measured", "asked", "reached", "how"), held),
        table(("hole", "method", "s", "CPU s"), rows),
    ]
    return "\n".join(parts)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
@click.option("--turns", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--scale",
    type=click.FloatRange(0.05, 1),
    default=1.0,
    show_default=True,
    help="Of every length; goals are stated for 1.",
)
@click.option(
    "--before",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="CHECKOUT",
    help="Another checkout of this project with its .venv.",
)
def main(out: Path, turns: int, scale: float, before: Path | None) -> None:  # fmt: skip
    """Measure what a fill costs, write `fill-cost.json` and `.md`; exit code 1: a goal missed."""
    words = [f"python -m perf.quality.cost --turns {turns} --scale {scale:g}"]
    with contextlib.ExitStack() as stack:
        others, versions = [], {}
        if before is not None:
            try:
                checkout = stack.enter_context(Checkout(before))
            except ValueError as error:
                raise click.BadParameter(f"--before: {error}") from error
            others, versions = [checkout.method()], {"before": checkout.commit}
            words.append("--before CHECKOUT")
        warm_up([OURS, PEER, METHODS["pawfect"], *others])
        taken, goals = measure(scale, turns, others, click.echo)
    source = provenance(" ".join(words), PACKAGES)
    source["versions"] |= versions
    page = as_page(source, taken, goals)
    rows = {"timings": [asdict(t) for t in taken], "goals": [asdict(g) for g in goals]}
    publish(out, "fill-cost", {"provenance": source, **rows}, page)
    click.echo(page)
    missed = [goal for goal in goals if not goal.reached]
    for goal in missed:
        click.echo(f"missed: {goal}", err=True)
    if missed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
