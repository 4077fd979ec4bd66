"""Measure text repair on rendered signs, tags and mugs: `python -m perf.lettering`."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from numpy.typing import NDArray

from pawfect.lettering.old import REUSE
from perf.lettering.run import Row
from perf.lettering.sheet import one, save_sheet
from perf.lettering.signs import COUNT, HALVES, half_of
from perf.lettering.tables import as_markdown, goals
from perf.lettering.tesseract import MENDING, version
from perf.lettering.typefaces import fetch
from perf.publish import as_markdown as source_lines
from perf.publish import given_command, provenance, publish

RESULTS: Final = Path("perf/results")
BUILD: Final = Path("build/lettering")
NAME: Final = "lettering"
SHEET: Final = "lettering_contact_sheet.jpg"
PACKAGES: Final = (
    "rapidocr", "onnxruntime", "opencv-contrib-python-headless", "pillow", "numpy",
    "stlpips-pytorch", "torch",
)  # fmt: skip
# What is done so far can be looked at while the rest runs.
_SAVED_EVERY: Final = 5
# A picture of each kind of face and ground, two of them with longer words: what is run in short.
SHORT: Final = (0, 6, 8, 14, 20, 22, 32, 36, 44, 48, 50, 58)


@click.command()
@click.option("--half", "halves", multiple=True, type=click.Choice(HALVES), help="Repeatable.")
@click.option("--only", multiple=True, type=click.IntRange(0, COUNT - 1), help="A picture.")
@click.option("--short", is_flag=True, help="A dozen pictures of the development half.")
@click.option("--reuse", type=click.Choice(REUSE), default="most")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(
    halves: tuple[str, ...], only: tuple[int, ...], short: bool, reuse: str, workers: int, out: Path
) -> None:
    """Correct rendered texts and compare with the truth; judged by tesseract and ST-LPIPS.

    Results of a part go to build/lettering instead of OUT.
    """
    if version() is None:
        raise click.ClickException(f"tesseract is not installed; {MENDING}")
    fetch()
    chosen = _chosen(halves or HALVES, only, short)
    rows, strips = [], []
    for row, strip in _all(chosen, reuse, workers):
        rows.append(row)
        strips.append(strip)
        marks = f"look {row.look:.3f} ({row.look_written_over:.3f})"
        click.echo(f"{row.index:4} {row.new:18} {row.on_repaired:18} {marks} {row.font}")
        if len(rows) % _SAVED_EVERY == 0:
            _save(BUILD, rows, strips)
    whole = len(chosen) == COUNT and reuse == "most"
    _save(out if whole else BUILD, rows, strips)
    lacking = [goal for half in HALVES for goal in _unmet(rows, half)]
    for goal in lacking:
        click.echo(f"not reached: {goal}", err=True)
    if lacking:
        raise SystemExit(1)


def _chosen(halves: Sequence[str], only: Sequence[int], short: bool) -> list[int]:
    if only or short:
        return sorted(only or SHORT)
    return [index for index in range(COUNT) if half_of(index) in halves]


def _unmet(rows: Sequence[Row], half: str) -> list[str]:
    own = [row for row in rows if row.half == half]
    if not own:
        return []
    return [f"{half}: {what} {want}, got {got}" for what, want, got, met in goals(own) if not met]


def _all(
    chosen: Sequence[int], reuse: str, workers: int
) -> Iterator[tuple[Row, NDArray[np.uint8]]]:
    jobs = [(index, reuse) for index in chosen]
    if workers == 1:
        yield from map(one, jobs)
        return
    # A thread each: the processes share the cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(one, jobs)


def _save(out: Path, rows: Sequence[Row], strips: Sequence[NDArray[np.uint8]]) -> None:
    source = provenance(given_command("python -m perf.lettering"), PACKAGES)
    source["versions"]["tesseract"] = version()
    content: dict[str, Any] = {"provenance": source, "rows": [asdict(row) for row in rows]}
    publish(out, NAME, content, page(source, rows))
    save_sheet(out / SHEET, strips)
    click.echo(f"results in {out}")


def page(source: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """Return the page of results."""
    measured = f"{len(rows)} of the {COUNT} pictures were measured."
    if len(rows) < COUNT:
        measured += " Goals are for all of them: what a part reaches is not yet reached."
    head = f"# Text repair on rendered signs\n\n{source_lines(source)}\n{_READ_ME}{measured}\n\n"
    return head + as_markdown(rows)


_READ_ME: Final = """\
Each picture shows a sign, tag or mug with a wrong text; the truth is the same picture rendered with
the right one. Typefaces and grounds are not bundled. tesseract (Debian's) reads the line turned
upright; the product's own reader is RapidOCR. Look is ST-LPIPS to the truth on the letters' crop.
What is measured is `pawfect/refine/text.py` with patches and RapidOCR's reader called directly, not
the served flow. "Changed outside" counts pictures changed farther from the letters of photo and
truth than a third of the box's height. "Written over": the box filled, and the text drawn in DejaVu
Sans as high as the box in the old mean colour. The method was developed on the development half
alone; the unseen half has other typefaces.
"""


if __name__ == "__main__":
    main()
