"""How much of a pet the networks find: `python -m perf.matting.recall`, `--help` for its options.

`inpaint` protects what a network takes for the subject and the user's mask does not mark. What
counts for that is recall, the share of the pet that is found, and precision away from the mask, as
what is found beside the pet is kept from the fill for nothing.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pawfect.contract.errors import PawfectError
from pawfect.profile import profile_names
from perf.matting.engine import Engine
from perf.matting.removers import Variant
from perf.publish import as_markdown as source_lines
from perf.publish import given_command, provenance, publish, table
from perf.scenes import load_scene, scene_names

PACKAGES: Final = ("numpy", "onnxruntime")
BUILD: Final = Path("build/matting")
NAME: Final = "matting-recall"
# What a file's name ends with that holds the truth of the photo of the same name.
MASK: Final = "_mask"
PHOTOS: Final = (".png", ".jpg", ".jpeg", ".webp")
# From here on alpha counts as found.
FOUND: Final = 128


@dataclass(frozen=True, eq=False)
class Known:
    """A photo whose subject is known. All arrays share H and W.

    Attributes:
        name: its own.
        photo: UINT8 [H, W, 3] RGB.
        subject: bool [H, W].
        marked: bool [H, W], what a user marks to be removed: no subject, whatever a network says.
    """

    name: str
    photo: NDArray[np.uint8]
    subject: NDArray[np.bool_]
    marked: NDArray[np.bool_]


@dataclass(frozen=True)
class Recall:
    """How one network did on one photo.

    Attributes:
        network: its name.
        photo: the photo's name.
        recall: share of the subject that is found, 0 to 1.
        precision: share of what is found that is subject, 0 to 1; 0 where nothing is found.
        unmarked: the same away from what is marked.
        iou: of subject and found, away from what is marked.
        found: whether the network says that there is a subject.
        confidence: how sure it says it is, 0 to 1.
    """

    network: str
    photo: str
    recall: float
    precision: float
    unmarked: float
    iou: float
    found: bool
    confidence: float


def scenes() -> Iterator[Known]:
    """Give the scenes with a pet, with the hand and leash that are to be removed."""
    for name in scene_names("reference", "variation"):
        scene = load_scene(name)
        if scene.protect is not None:
            marked = (scene.mask > 0) | (scene.object_mask > 0)
            yield Known(name, scene.photo, scene.protect > 0, marked)


def of_folder(folder: Path) -> Iterator[Known]:
    """Give the photos of a folder beside which a mask NAME_mask.png says what the subject is.

    Raises:
        ValueError: a file is no picture, or a mask is of another size; it names the file.
    """
    for path in sorted(folder.iterdir()):
        mask = path.with_name(f"{path.stem}{MASK}.png")
        if path.suffix.lower() not in PHOTOS or path.stem.endswith(MASK) or not mask.is_file():
            continue
        photo, subject = _read(path, "RGB"), _read(mask, "L")
        if photo.shape[:2] != subject.shape:
            expected = f"{photo.shape[1]}x{photo.shape[0]}"
            raise ValueError(
                f"{mask.name}: expected {expected}, got {subject.shape[1]}x{subject.shape[0]}"
            )
        yield Known(path.stem, photo, subject >= FOUND, np.zeros(subject.shape, np.bool_))


def recall(network: str, known: Known, alpha: NDArray[np.uint8], confidence: float) -> Recall:
    """Compare what a network found with what is there.

    Args:
        network: its name.
        known: the photo.
        alpha: UINT8 [H, W], 0 everywhere where nothing was found.
        confidence: as REPORT has it.
    """
    found = alpha >= FOUND
    hit, away = found & known.subject, found & ~known.marked
    either = (found | known.subject) & ~known.marked
    return Recall(
        network,
        known.name,
        _share(hit, known.subject),
        _share(hit, found),
        _share(away & known.subject, away),
        _share(hit & ~known.marked, either),
        bool(found.any()),
        confidence,
    )


def measure(engine: Engine, photos: Iterable[Known]) -> list[Recall]:
    """Ask every network that is here for the subject of every photo, without an edge step."""
    rows = []
    removers = {n: engine.remover(Variant(n, "standard", "none")) for n in engine.networks}
    for known in photos:
        for network, remove in removers.items():
            cutout = remove(known.photo)
            rows.append(recall(network, known, cutout.alpha, cutout.report["confidence"]))
    return rows


def missing(stored: Path, rows: Sequence[Recall]) -> list[str]:
    """Return the networks and photos of a stored result that these rows do not have."""
    if not stored.is_file():
        return []
    before = json.loads(stored.read_text("utf-8"))["rows"]
    return [
        name
        for kind in ("network", "photo")
        for name in dict.fromkeys(row[kind] for row in before)
        if name not in {getattr(row, kind) for row in rows}
    ]


def as_markdown(rows: Sequence[Recall]) -> str:
    """Return the rows as tables: medians and least of each network, then each photo."""
    networks = list(dict.fromkeys(row.network for row in rows))
    head = ("network", "photos", "recall", "least", "precision", "away from the mask", "IoU")
    lines = []
    for network in networks:
        own = [row for row in rows if row.network == network]
        figures = [
            statistics.median(row.recall for row in own),
            min(row.recall for row in own),
            *(statistics.median(getattr(row, n) for row in own) for n in _NAMES),
        ]
        lines.append((network, len(own), *(f"{value:.3f}" for value in figures)))
    each = (
        (
            row.network,
            row.photo,
            f"{row.recall:.3f}",
            *(f"{getattr(row, name):.3f}" for name in _NAMES),
            f"{row.confidence:.2f}",
        )
        for row in rows
    )
    every = ("network", "photo", "recall", "precision", "away from the mask", "IoU", "confidence")
    return f"{_TEXT}\n{table(head, lines)}\n## Each photo\n\n{table(every, each)}"


_NAMES: Final = ("precision", "unmarked", "iou")
_TEXT: Final = (
    "What the networks take for the subject, alpha of at least 128 without an edge step, against "
    "what is the pet. Recall: the share of the pet that is found. Precision: the share of what is "
    "found that is pet; away from the mask: where the user's mask, which is never protected, marks "
    "nothing. IoU: away from the mask. Medians.\n"
)


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    return float(part.sum() / whole.sum()) if whole.any() else 0.0


def _read(path: Path, mode: str) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as picture:
            return np.array(picture.convert(mode), np.uint8)
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path.name}: expected a picture, got {type(error).__name__}") from None


@click.command()
@click.option(
    "--photos",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Photos with their subject in NAME_mask.png, beside the scenes.",
)
@click.option("--profile", type=click.Choice(profile_names()), default="embedded")
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def main(photos: Path | None, profile: str, out: Path) -> None:
    """Measure recall and precision of every network that is here, on scenes and own photos.

    Where the stored result has networks or photos that are not here, it goes to build/matting.
    """
    try:
        engine = Engine(profile)
        known = [*scenes(), *(of_folder(photos) if photos else ())]
    except (PawfectError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    rows = measure(engine, known)
    source = provenance(given_command("python -m perf.matting.recall"), PACKAGES)
    page = f"# What the networks find of a pet\n\n{source_lines(source)}\n{as_markdown(rows)}"
    absent = missing(out / f"{NAME}.json", rows)
    written = BUILD if absent else out
    publish(written, NAME, {"provenance": source, "rows": [asdict(row) for row in rows]}, page)
    click.echo(page)
    if absent:
        click.echo(f"not here: {', '.join(absent)}; results in {written}")


if __name__ == "__main__":
    main()
