"""The run: every variant on every picture in turn, scored against the known alpha."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from time import perf_counter, process_time

import numpy as np

from pawfect.matting.edges import sharpness
from perf.matting.pictures import Picture
from perf.matting.removers import Cutout, Remover, Variant
from perf.matting.scores import Scores, scores


@dataclass(frozen=True)
class Row:
    """One variant on one picture.

    Attributes:
        picture: its name.
        group: its group.
        variant: its name.
        scores: against the truth; None if it failed.
        sharpness: of alpha's edge, as REPORT has it; None without an edge.
        true_sharpness: of the true alpha's.
        found: whether it says that there is a subject; None where it says nothing.
        confidence: how sure it says it is, 0 to 1; None likewise.
        seconds: wall time, the median of the turns.
        cpu_seconds: time of all threads of this process, likewise.
        error: what was raised, empty if nothing.
    """

    picture: str
    group: str
    variant: str
    scores: Scores | None
    sharpness: float | None = None
    true_sharpness: float | None = None
    found: bool | None = None
    confidence: float | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True, eq=False)
class Result:
    """A picture with its rows and, by variant, what was cut out."""

    picture: Picture
    rows: tuple[Row, ...]
    cutouts: Mapping[str, Cutout]


def run_picture(picture: Picture, removers: Mapping[Variant, Remover], turns: int = 1) -> Result:
    """Run removers on a picture, one after another, `turns` times, and score what they give.

    Args:
        picture: photo and truth.
        removers: by variant, all warm.
        turns: at least 1; the times are medians.

    Returns:
        The rows; a remover that raises has a row with its error.
    """
    times: dict[str, list[tuple[float, float]]] = {one.name: [] for one in removers}
    cutouts: dict[str, Cutout] = {}
    errors: dict[str, str] = {}
    for _ in range(turns):
        for variant, remove in removers.items():
            if variant.name in errors:
                continue
            try:
                cutouts[variant.name], taken = _timed(remove, picture)
                times[variant.name].append(taken)
            except Exception as error:  # noqa: BLE001 - whatever a remover raises is its result
                errors[variant.name] = f"{type(error).__name__}: {error}"
    rows = []
    for variant in removers:
        if variant.name in errors:
            rows.append(
                Row(picture.name, picture.group, variant.name, None, error=errors[variant.name])
            )
        else:
            rows.append(_row(picture, variant, cutouts[variant.name], times[variant.name]))
    return Result(picture, tuple(rows), cutouts)


def run(
    pictures: Iterable[Picture],
    removers: Mapping[Variant, Remover],
    turns: int = 1,
    tell: Callable[[Row], None] = lambda row: None,
) -> list[Result]:
    """Run all removers on all pictures; `tell` takes each row as it comes."""
    results = []
    for picture in pictures:
        results.append(run_picture(picture, removers, turns))
        for row in results[-1].rows:
            tell(row)
    return results


def warm_up(removers: Mapping[Variant, Remover], picture: Picture) -> None:
    """Run each once: what is loaded or compiled on first use is not timed."""
    run_picture(picture, removers)


def _timed(remove: Remover, picture: Picture) -> tuple[Cutout, tuple[float, float]]:
    start, cpu = perf_counter(), process_time()
    cutout = remove(picture.photo)
    taken = perf_counter() - start, process_time() - cpu
    if cutout.alpha.shape != picture.alpha.shape or cutout.alpha.dtype != np.uint8:
        got = f"{cutout.alpha.dtype} {list(cutout.alpha.shape)}"
        raise ValueError(f"expected alpha uint8 {list(picture.alpha.shape)}, got {got}")
    return cutout, taken


def _row(
    picture: Picture, variant: Variant, cutout: Cutout, times: list[tuple[float, float]]
) -> Row:
    wall, cpu = (statistics.median(column) for column in zip(*times, strict=True))
    return Row(
        picture.name,
        picture.group,
        variant.name,
        scores(cutout.alpha, cutout.colour, picture.alpha, picture.colour),
        sharpness(cutout.alpha),
        sharpness(picture.alpha),
        cutout.report.get("subject_found"),
        cutout.report.get("confidence"),
        wall,
        cpu,
    )
