"""`pawfect text`: what is written in a photo, as a table or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pawfect.contract.errors import printable
from pawfect.contract.parameters import Scalar
from pawfect.contract.reading import SIZES, ReadText
from pawfect_client.base import Image
from pawfect_client.results import TextRead
from pawfect_client.terminal import FILE, Client, answer_of, one_photo_options


@click.command()
@click.argument("photo", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON, with all corners.")
@click.option(
    "--least-score",
    type=click.FloatRange(0, 1),
    help="How sure to be of what is read.  [default: 0.5]",
)
@click.option(
    "--size",
    type=click.IntRange(*SIZES),
    help="Longest side in px at which the photo is looked at: a larger one finds smaller text and "
    "takes longer.  [default: the server's, 2000]",
)
@one_photo_options
def text(
    photo: Path,
    as_json: bool,
    least_score: float | None,
    size: int | None,
    url: str | None,
    timeout_s: float | None,
    local: bool,
) -> None:
    """Read what is written in PHOTO, in any direction.

    Boxes are x, y, width and height in px of the upright photo. Nothing to read is no error.
    """
    given = {"least_score": least_score, "size": size}

    def ask(client: Client, image: Image, parameters: dict[str, Scalar]) -> TextRead:
        return client.read_text(image, **parameters)

    read = answer_of(photo, ask, given, url=url, timeout_s=timeout_s, local=local)
    if as_json:
        click.echo(json.dumps(as_plain(read), ensure_ascii=False, indent=2))
    else:
        print_texts(read)


def as_plain(read: TextRead) -> dict[str, Any]:
    """Return what was read as JSON has it: texts with score, box and quad, and the report."""
    texts = [
        {
            "text": found.text,
            "score": round(found.score, 4),
            "box": box_of(found),
            "quad": np.round(found.quad.astype(float), 1).tolist(),
        }
        for found in read.texts
    ]
    return {"texts": texts, "report": asdict(read.report)}


def box_of(found: ReadText) -> list[int]:
    """Return x, y, width and height, px, of the upright box round a text."""
    x0, y0 = np.floor(found.quad.min(axis=0)).astype(int).tolist()
    x1, y1 = np.ceil(found.quad.max(axis=0)).astype(int).tolist()
    return [x0, y0, x1 - x0, y1 - y0]


def print_texts(read: TextRead, console: Console | None = None) -> None:
    """Print what was read as a table.

    Args:
        read: the answer.
        console: where to; None: stdout.
    """
    console = console or Console()
    if not read.texts:
        console.print("nothing to read" + _left_out(read))
        return
    table = Table("text", "score", "x", "y", "width", "height")
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "right", True
    for found in read.texts:
        # As Text: signs may hold what rich would read as markup.
        table.add_row(Text(printable(found.text)), f"{found.score:.2f}", *map(str, box_of(found)))
    console.print(table)
    seconds = f"{read.report.total_ms / 1000:.1f} s"
    texts = "1 text" if len(read.texts) == 1 else f"{len(read.texts)} texts"
    console.print(f"{texts} in {seconds}{_left_out(read)}")


def _left_out(read: TextRead) -> str:
    report = read.report
    if not report.left_out:
        return ""
    return f"; {report.left_out} of a score under {report.least_score:g} left out"
