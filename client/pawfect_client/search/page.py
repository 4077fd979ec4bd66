"""page.html: the tree of a search, its pictures and scores side by side, without scripts."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawfect.contract.candidates import Edges, FoundCandidate
from pawfect.contract.scores import AXES
from pawfect.contract.search_report import Candidate, SearchReport
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.photo.photo import Photo
from pawfect_client.search.metrics import AXIS_NAMES, children_of
from pawfect_client.search.swapped import swap_facts
from pawfect_client.search.tasks import Task

# Longest side of a picture, px: 20 candidates are a page of less than a megabyte.
_SIDE: Final = 320
_QUALITY: Final = 85
# What is shown round the box of a candidate, as a share of its longer side: whether a fill belongs
# there shows at its edge.
_AROUND: Final = 0.25
# The hole, on the photo.
_HOLE_COLOUR: Final = (255, 0, 160)
_PAGE: Final = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))


class Pictures:
    """A task's pictures as the page shows them, small.

    Args:
        photo: the photo.
        mask: UINT8 [H, W], >= 128 = fill, or None.
        reference: the picture of the character, or None.
    """

    def __init__(
        self, photo: Photo, mask: NDArray[np.uint8] | None, reference: Photo | None
    ) -> None:
        self.photo = photo
        self.mask = mask
        self.reference = reference
        self._of: dict[int, str] = {}

    def add(self, found: FoundCandidate) -> None:
        """Take a candidate's picture; one that failed has none."""
        if found.image is None or found.box is None:
            return
        x0, y0, x1, y1 = self._seen(found.box)
        left, top, right, bottom = found.box
        view = self.photo.pixels[y0:y1, x0:x1].copy()
        view[top - y0 : bottom - y0, left - x0 : right - x0] = found.image
        self._of[found.candidate.number] = data_uri(view)

    def of(self, candidate: Candidate) -> str | None:
        """Return a candidate's picture; None where it has none."""
        return self._of.get(candidate.number)

    def with_hole(self) -> str:
        """Return the photo, its hole tinted where a mask says it."""
        image = Image.fromarray(self.photo.pixels)
        if self.mask is None:
            return _jpeg_uri(image)
        hole = Image.fromarray(np.where(self.mask >= MASK_THRESHOLD, 160, 0).astype(np.uint8))
        image.paste(_HOLE_COLOUR, mask=hole)
        return _jpeg_uri(image)

    def _seen(self, box: Edges) -> Edges:
        width, height = self.photo.size
        x0, y0, x1, y1 = box
        around = round(_AROUND * max(x1 - x0, y1 - y0))
        return (
            max(x0 - around, 0),
            max(y0 - around, 0),
            min(x1 + around, width),
            min(y1 + around, height),
        )


def page_of(
    task: Task, report: SearchReport, pictures: Pictures, result: NDArray[np.uint8]
) -> bytes:
    """Return the page of a task.

    Args:
        task: what was searched.
        report: what came of it.
        pictures: of all candidates that were made.
        result: UINT8 [H, W, 3], what won.
    """
    title = f"Task {task.id}" + (f" ({task.character})" if task.character else "")
    photo = "photo" if pictures.mask is None else "photo and hole"
    inputs = [(photo, pictures.with_hole())]
    if pictures.reference is not None:
        inputs.append(("character", data_uri(pictures.reference.pixels)))
    inputs.append(("result", data_uri(result)))
    return _PAGE.substitute(
        title=escape(title),
        inputs="".join(_figure(uri, name) for name, uri in inputs),
        facts="".join(
            f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in _facts(report)
        ),
        tree=_tree(children_of(None, report.candidates), report, pictures),
    ).encode()


def _facts(report: SearchReport) -> Iterator[tuple[str, str]]:
    best = report.winner
    yield "best", f"candidate {best.number}, seed {best.seed}, {best.phase}"
    yield "potential", _number(report.best_potential)
    yield "candidates", f"{len(report.candidates)} of {report.planned}, ended: {report.ended}"
    yield "engine", f"{report.engine} ({report.engine_reason})"
    weights = (f"{AXIS_NAMES.get(axis, axis)} {it:g}" for axis, it in report.weights.items())
    yield "weights", ", ".join(weights)
    for axis, judges in report.judges.items():
        yield f"judges of {AXIS_NAMES.get(axis, axis)}", ", ".join(judges) or "none"
    for judge, why in report.silent.items():
        yield f"{judge} does not count", why
    for fallback in report.fallbacks:
        yield fallback.stage, f"{fallback.reason}; instead: {fallback.instead}"
    yield from swap_facts(report)
    for note in report.notes:
        yield "note", note


def _tree(candidates: Sequence[Candidate], report: SearchReport, pictures: Pictures) -> str:
    if not candidates:
        return ""
    items = (
        f"<li>{_card(one, report, pictures)}"
        f"{_tree(children_of(one, report.candidates), report, pictures)}</li>"
        for one in candidates
    )
    return f"<ul>{''.join(items)}</ul>"


def _card(one: Candidate, report: SearchReport, pictures: Pictures) -> str:
    best = one.number == report.best
    heading = f"{one.number}: {one.variation}, seed {one.seed}" + (" (best)" if best else "")
    uri = pictures.of(one)
    picture = f'<img src="{uri}" alt="candidate {one.number}">' if uri else ""
    told = [f"potential {_number(one.potential)}"]
    if not one.above_floor:
        told.append("under the floor")
    if not one.keeps_identity:
        told.append("too little like the character")
    if one.error is not None:
        told.append(f"failed: {one.error}")
    text = escape(", ".join(told))
    css = "best" if best else "other"
    return (
        f'<article class="{css}">{picture}<div><h3>{escape(heading)}</h3>'
        f"<p>{text}</p>{_scores(one)}</div></article>"
    )


def _scores(one: Candidate) -> str:
    """Return a table: a row for each judge, a column for each axis."""
    if not one.judgements:
        return ""
    head = "".join(f"<th>{escape(AXIS_NAMES[axis])}</th>" for axis in AXES)
    rows = []
    for judged in one.judgements:
        cells = "".join(f"<td>{_number(judged.scores.get(axis))}</td>" for axis in AXES)
        rows.append(f"<tr><th>{escape(judged.judge)}</th>{cells}</tr>")
    return f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>"


def _figure(uri: str, caption: str) -> str:
    text = escape(caption)
    return f'<figure><img src="{uri}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """Return a picture UINT8 [h, w, 3], made small, as a URI that holds it."""
    return _jpeg_uri(Image.fromarray(pixels))


def _jpeg_uri(image: Image.Image) -> str:
    image.thumbnail((_SIDE, _SIDE))
    sink = io.BytesIO()
    image.save(sink, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(sink.getvalue()).decode()}"
