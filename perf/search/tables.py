"""The results of a part as figures and as tables."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from pawfect.scores.local import FLAWS, SCALES
from perf.publish import table
from perf.search.searches import CANDIDATES, POTENTIAL, SCORES, TWO_STAGES, Row, Searched
from perf.search.statistics import Interval, bootstrap, gap_closed, mean, rank_correlation

ONE: Final = "one try"
CHOSEN: Final = f"best of {CANDIDATES} by the potential"
SEARCHED: Final = (
    f"two stages, {TWO_STAGES.k_global} + {TWO_STAGES.m_global} x {TWO_STAGES.k_local}"
)
AVERAGE: Final = f"one of {CANDIDATES} at random"
ORACLE: Final = f"best of {CANDIDATES} by the truth"
SEARCHED_ORACLE: Final = "best of the two stages' by the truth"
LOOKS: Final[Mapping[str, Callable[[Searched], float]]] = {
    ONE: lambda one: one.one,
    AVERAGE: lambda one: statistics.fmean(row.look for row in one.one_stage),
    CHOSEN: lambda one: one.chosen,
    SEARCHED: lambda one: one.searched,
    ORACLE: lambda one: one.oracle,
    SEARCHED_ORACLE: lambda one: one.searched_oracle,
}
EXPLANATION: Final = (
    "ST-LPIPS to the truth on tight crops around the holes: lower is better; in brackets the 95 % "
    "interval, by photo. Gap closed: which share of the way from one try to the best of "
    f"{CANDIDATES} by the truth. CPU: seconds of all threads per hole, to make and judge. Rank "
    "correlation: Spearman's, of a score with the likeness to the truth among the candidates of "
    "one hole, the mean over the holes whose candidates differ; a measure counts the other way "
    "round, since less of it is better.\n"
)


def as_json(found: Sequence[Searched]) -> dict[str, Any]:
    """Return a part's figures, and every hole's."""
    return {
        "holes": len(found),
        "photos": len({one.source for one in found}),
        "looks": {name: asdict(_mean(found, look)) for name, look in LOOKS.items()},
        "gap_closed": {
            name: None if closed is None else asdict(closed)
            for name in (CHOSEN, SEARCHED)
            for closed in (_closed(found, name),)
        },
        "two_stages_less_best_of": asdict(_mean(found, lambda one: one.searched - one.chosen)),
        "rank_correlation": {
            name: asdict(interval) | {"holes": count}
            for name, (interval, count) in correlations(found).items()
        },
        "by_count": [
            {"candidates": count, **dict(zip(("chosen", "average", "oracle"), looks, strict=True))}
            for count, looks in by_count(found)
        ],
        "cpu_seconds": cpu_seconds(found),
        "rows": [_row(one) for one in found],
    }


def _row(one: Searched) -> dict[str, Any]:
    """Return a hole's figures; each measure of each candidate would fill a megabyte.

    A candidate is its variation, its parent, its ST-LPIPS and its potential (None: no judge's).
    """

    def few(rows: Sequence[Row]) -> list[list[Any]]:
        return [
            [row.variation, row.parent, round(row.look, 6), row.scores.get(POTENTIAL)]
            for row in rows
        ]

    return {
        "name": one.name,
        "source": one.source,
        "group": one.group,
        "area": one.area,
        "best_of": one.best_of,
        "winner": one.winner,
        "one_stage": few(one.one_stage),
        "children": few(one.two_stages[TWO_STAGES.k_global :]),
    }


def as_markdown(part: str, found: Sequence[Searched]) -> str:
    """Return a part's tables.

    Args:
        part: what their headings start with.
        found: at least one hole.
    """
    title = f"{part}: {len(found)} holes in {len({one.source for one in found})} photos"
    seconds, rows = cpu_seconds(found), []
    for name, look in LOOKS.items():
        better = sum(look(one) < one.one for one in found)
        worse = sum(look(one) > one.one for one in found)
        closed = _closed(found, name) if name in (CHOSEN, SEARCHED) else None
        share = "" if closed is None else closed.text(2)
        cpu = f"{seconds[name]:.1f}" if name in seconds else ""
        beside = "" if name in (ONE, AVERAGE) else f"{better} / {worse}"
        rows.append((name, _mean(found, look).text(4), share, beside, cpu))
    head = ("", "ST-LPIPS", "gap closed", "better / worse than one try", "CPU s")
    curve = [(count, *(f"{look:.4f}" for look in looks)) for count, looks in by_count(found)]
    ranks = [
        (name, interval.text(2), count) for name, (interval, count) in correlations(found).items()
    ]
    off = _mean(found, lambda one: one.searched - one.chosen)
    return "\n".join(
        [
            f"## {title}\n",
            table(head, rows),
            f"Two stages less best of {CANDIDATES}: {off.text(4)}.\n",
            table(("candidates", "by the potential", "at random", "by the truth"), curve),
            table(("score or measure", "rank correlation", "holes"), ranks),
        ]
    )


def correlations(found: Sequence[Searched]) -> dict[str, tuple[Interval, int]]:
    """Return each score's and measure's rank correlation within a hole, and on how many holes."""
    names = [*SCORES, *SCALES, *FLAWS]
    out = {}
    for name in names:
        values, sources = [], []
        for one in found:
            rows = [row for row in one.one_stage if name in row.scores]
            sign = 1.0 if name in SCORES else -1.0
            scores = [sign * row.scores[name] for row in rows]
            value = rank_correlation(scores, [row.look for row in rows])
            if value is not None:
                values.append(value)
                sources.append(one.source)
        if values:
            out[name] = bootstrap(mean, sources, values), len(values)
    return out


def by_count(found: Sequence[Searched]) -> list[tuple[int, tuple[float, float, float]]]:
    """Return mean looks by the potential, at random and by the truth, by how many there are."""
    curve = []
    for count in range(1, CANDIDATES + 1):
        looks = [[row.look for row in one.one_stage[:count]] for one in found]
        chosen = [one.one_stage[one.best_of[count - 1]].look for one in found]
        figures = (
            statistics.fmean(chosen),
            statistics.fmean(map(statistics.fmean, looks)),
            statistics.fmean(map(min, looks)),
        )
        curve.append((count, figures))
    return curve


def cpu_seconds(found: Sequence[Searched]) -> dict[str, float]:
    """Return mean CPU seconds per hole of each search; one try needs no judge, but has one here."""

    def spent(of: Callable[[Searched], Sequence[Any]]) -> float:
        return statistics.fmean(sum(row.cpu_seconds for row in of(one)) for one in found)

    return {
        ONE: spent(lambda one: one.one_stage[:1]),
        CHOSEN: spent(lambda one: one.one_stage),
        SEARCHED: spent(lambda one: one.two_stages),
    }


def _mean(found: Sequence[Searched], of: Callable[[Searched], float]) -> Interval:
    return bootstrap(mean, [one.source for one in found], [of(one) for one in found])


def _closed(found: Sequence[Searched], name: str) -> Interval | None:
    """Return the share of the gap that a search closed; None where there is no gap."""
    columns = [[LOOKS[each](one) for one in found] for each in (ONE, name, ORACLE)]
    if columns[0] == columns[2]:
        return None
    return bootstrap(gap_closed, [one.source for one in found], *columns)
