"""`pawfect faces`: where the faces of a photo are, as a table or as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from pawfect.contract.errors import printable
from pawfect.contract.faces import LOOKED_SIZES, Face
from pawfect.contract.parameters import Scalar
from pawfect_client.base import Image
from pawfect_client.results import FacesFound
from pawfect_client.terminal import FILE, Client, answer_of, one_photo_options


@click.command()
@click.argument("photo", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON, with all points.")
@click.option(
    "--least-score",
    type=click.FloatRange(0, 1),
    help="How sure to be that it is a face.  [default: 0.5]",
)
@click.option(
    "--size",
    type=click.IntRange(*LOOKED_SIZES),
    help="Longest side in px at which the photo is looked at, a multiple of 32: a larger one finds "
    "smaller faces and takes longer.  [default: the server's]",
)
@one_photo_options
def faces(
    photo: Path,
    as_json: bool,
    least_score: float | None,
    size: int | None,
    url: str | None,
    timeout_s: float | None,
    local: bool,
) -> None:
    """Find the faces of people in PHOTO.

    Boxes are x, y, width and height in px of the upright photo. No face is no error. Embeddings,
    which tell one person from another, are neither shown nor written.
    """
    given = {"least_score": least_score, "size": size}

    def ask(client: Client, image: Image, parameters: dict[str, Scalar]) -> FacesFound:
        return client.analyse_faces(image, **parameters)

    found = answer_of(photo, ask, given, url=url, timeout_s=timeout_s, local=local)
    if as_json:
        click.echo(json.dumps(as_plain(found), ensure_ascii=False, indent=2))
    else:
        print_faces(found)


def as_plain(found: FacesFound) -> dict[str, Any]:
    """Return faces as JSON has them: score, box, points and landmarks; and the report."""
    faces_ = [
        {
            "score": round(face.score, 4),
            "box": box_of(face),
            "points": np.round(face.points.astype(float), 1).tolist(),
            "landmarks": np.round(face.landmarks.astype(float), 1).tolist(),
        }
        for face in found.faces
    ]
    return {"faces": faces_, "report": json.loads(found.report.to_json())}


def box_of(face: Face) -> list[int]:
    """Return x, y, width and height, px, of the upright box round a face."""
    x0, y0 = np.floor(face.box[:2]).astype(int).tolist()
    x1, y1 = np.ceil(face.box[2:]).astype(int).tolist()
    return [x0, y0, x1 - x0, y1 - y0]


def print_faces(found: FacesFound, console: Console | None = None) -> None:
    """Print faces as a table.

    Args:
        found: the answer.
        console: where to; None: stdout.
    """
    console = console or Console()
    if not found.faces:
        console.print("no face" + _more(found), highlight=False, markup=False)
        return
    table = Table("face", "score", "x", "y", "width", "height")
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "right", True
    for number, face in enumerate(found.faces):
        table.add_row(str(number), f"{face.score:.2f}", *map(str, box_of(face)))
    console.print(table)
    seconds = f"{found.report.total_ms / 1000:.1f} s"
    count = "1 face" if len(found.faces) == 1 else f"{len(found.faces)} faces"
    said = f"{count} in {seconds}{_more(found)}"
    console.print(printable(said), highlight=False, markup=False, soft_wrap=True)


def _more(found: FacesFound) -> str:
    """Return what was left out, which networks looked, and under which licence they are."""
    report = found.report
    left = f"; {report.left_out} of too low a score left out" if report.left_out else ""
    licence = f" (licence: {report.licence})" if report.licence else ""
    return f"{left}; by {report.kind}{licence}"
