"""The fur set's goals: how much nearer to the truth each edge step brings a network's alpha.

`python -m perf.matting.fur_goals` publishes a table. Pictures that settings were chosen on (seeds 0
to 5), others (100 to 111) and six of a phone's size (200 to 205) are counted apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from numpy.typing import NDArray

from pawfect.contract.cutout import EDGES
from pawfect.matting.edges import refine, sharpness
from pawfect.matting.foreground import as_bytes, foreground
from perf.matting import fur
from perf.matting.scores import gradient_error, halo, sad
from perf.publish import as_markdown as source_lines
from perf.publish import given_command, provenance, publish, table

NAME: Final = "matting-fur"
PACKAGES: Final = ("numpy", "opencv-contrib-python-headless", "pymatting")
# The networks' sides, px.
SIDES: Final = (320, 1024)
# Height and width of a photo of 12 MP, px.
PHONE: Final = (3000, 4000)
# Goals: at most this gradient error and halo, at least this sharpness, of the raw alpha's.
MAX_GRADIENT: Final = 0.85
MIN_SHARPNESS: Final = 1.15
MAX_HALO: Final = 0.5
# What no step touched: the enlarged alpha with the photo's own colours.
RAW: Final = "raw"
FIGURES: Final = ("gradient", "sharpness", "sad", "halo")


@dataclass(frozen=True)
class PictureSet:
    """Pictures that are counted together.

    Attributes:
        name: its own.
        seeds: of its pictures; six in a row have each background.
        size: height and width, px.
        modes: of `refine` that are measured on it.
    """

    name: str
    seeds: range
    size: tuple[int, int]
    modes: tuple[str, ...]


# Alpha that is solved takes minutes for all of a phone's size and little differs there from guided.
SETS: Final = (
    PictureSet("chosen", range(6), fur.SIZE, EDGES),
    PictureSet("unseen", range(100, 112), fur.SIZE, EDGES),
    PictureSet("phone", range(200, 206), PHONE, ("guided",)),
)


@dataclass(frozen=True)
class Errors:
    """How far one cutout is from the truth, as `perf.matting.scores` defines it.

    Attributes:
        seed: of the picture.
        background: of the picture.
        gradient: error of alpha's gradient, in thousands.
        sharpness: of alpha's edge, per px.
        sad: sum of absolute differences of alpha, in thousands.
        halo: CIE76 colour error along the true edge over new backgrounds.
    """

    seed: int
    background: str
    gradient: float
    sharpness: float
    sad: float
    halo: float


def errors(seed: int, alpha: NDArray[Any], colours: NDArray[np.uint8], truth: fur.Fur) -> Errors:
    """Compare a cutout with the truth.

    Args:
        seed: of the picture.
        alpha: FLOAT32 [H, W], 0 to 1.
        colours: UINT8 [H, W, 3] RGB, the subject's.
        truth: the picture.
    """
    ours, true = as_bytes(alpha), as_bytes(truth.alpha)
    own = np.rint(truth.foreground).astype(np.uint8)
    return Errors(
        seed,
        truth.background,
        gradient_error(ours, true),
        sharpness(ours) or 0.0,
        sad(ours, true),
        halo(ours, colours, true, own) or 0.0,
    )


def measure(
    seeds: Sequence[int],
    side: int,
    modes: Sequence[str] = EDGES,
    size: tuple[int, int] = fur.SIZE,
    workers: int = 1,
) -> dict[str, list[Errors]]:
    """Return each mode's errors on each picture, and as `raw` those of what no step touched.

    Args:
        seeds: the pictures.
        side: px, of the network.
        modes: of `refine`; each with colours estimated.
        size: height and width of the pictures, px.
        workers: processes that share the pictures; 1: this one.
    """
    given = [(seed, side, tuple(modes), size) for seed in seeds]
    if workers == 1:
        found = [_one(*one) for one in given]
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            found = list(pool.map(_one, *zip(*given, strict=True)))
    return {name: [one[name] for one in found] for name in (RAW, *modes)}


def _one(seed: int, side: int, modes: Sequence[str], size: tuple[int, int]) -> dict[str, Errors]:
    picture = fur.make(seed, size)
    seen = fur.as_a_network_sees(picture.alpha, side, seed)
    found = {RAW: errors(seed, refine(picture.photo, seen, "none"), picture.photo, picture)}
    for mode in modes:
        alpha = refine(picture.photo, seen, mode)
        found[mode] = errors(seed, alpha, foreground(picture.photo, alpha), picture)
    return found


def ratio(found: Sequence[Errors], raw: Sequence[Errors], name: str) -> float:
    """Return a set's mean of one of the errors over the raw one's."""
    return float(
        np.mean([getattr(e, name) for e in found]) / np.mean([getattr(e, name) for e in raw])
    )


@dataclass(frozen=True)
class Measured:
    """One set as a network of one side sees it."""

    pictures: str
    side: int
    found: dict[str, list[Errors]]


def all_measured(names: Sequence[str], workers: int) -> list[Measured]:
    """Measure the sets of these names, all where none is given, with every side."""
    return [
        Measured(one.name, side, measure(one.seeds, side, one.modes, one.size, workers))
        for one in SETS
        if not names or one.name in names
        for side in SIDES
    ]


def as_markdown(measured: Sequence[Measured]) -> str:
    """Return ratios of the sets' means, and of each picture, as Markdown."""
    sets, each = [], []
    for one in measured:
        raw = one.found[RAW]
        for mode in (name for name in one.found if name != RAW):
            own = one.found[mode]
            shown = (f"{ratio(own, raw, name):.2f}" for name in FIGURES)
            sets.append((one.pictures, one.side, mode, *shown))
            if mode == "guided":
                each += [
                    (one.pictures, mine.seed, mine.background, one.side, *_cells(mine, before))
                    for mine, before in zip(own, raw, strict=True)
                ]
    head = ("pictures", "network px", "edges", *FIGURES)
    every = ("pictures", "seed", "background", "network px", *FIGURES)
    return f"{_TEXT}\n{table(head, sets)}\n## Each picture, guided\n\n{table(every, each)}"


_TEXT: Final = (
    "Each figure over that of the raw alpha with the photo's own colours, the true alpha as a "
    "network of so many px would show it; definitions as in [the benchmark](matting.md). Pictures: "
    "chosen, those that settings were chosen on, and unseen, both of 1600x1200; phone, of "
    "4000x3000, unseen too. "
    f"Goals: gradient at most {MAX_GRADIENT}, sharpness at least {MIN_SHARPNESS}, halo at most "
    f"{MAX_HALO}. Of a set: means over means.\n"
)


def _cells(mine: Errors, before: Errors) -> tuple[str, ...]:
    return tuple(f"{ratio([mine], [before], name):.2f}" for name in FIGURES)


@click.command()
@click.option("--set", "sets", type=click.Choice([one.name for one in SETS]), multiple=True)
@click.option("--workers", type=click.IntRange(1), default=1, help="Processes, 2 GiB each.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def main(sets: tuple[str, ...], workers: int, out: Path) -> None:
    """Measure the fur set's goals and publish them."""
    measured = all_measured(sets, workers)
    source = provenance(given_command("python -m perf.matting.fur_goals"), PACKAGES)
    page = f"# What edge steps gain on fur\n\n{source_lines(source)}\n{as_markdown(measured)}"
    publish(out, NAME, {"provenance": source, "sets": [asdict(one) for one in measured]}, page)
    click.echo(page)


if __name__ == "__main__":
    main()
