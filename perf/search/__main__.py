"""Measures what a search is worth: `python -m perf.search`, `--help` for its options."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from perf.publish import as_markdown as source_lines
from perf.publish import given_command, provenance, publish
from perf.search.holes import PARTS, holes_of, split
from perf.search.searches import Searched, search_hole
from perf.search.tables import EXPLANATION, as_json, as_markdown

# Candidates made by an earlier run are not made again.
KEPT: Final = Path("build/search")
PACKAGES: Final = (
    "numpy",
    "numba",
    "opencv-contrib-python-headless",
    "stlpips-pytorch",
    "torch",
)
NAME: Final = "search"
TITLES: Final = {
    "tune": "Calibrated on",
    "held": "Held back",
}


def search_holes(
    part: str, only: tuple[str, ...], photos: Path | None, kept: Path
) -> list[Searched]:
    """Search on each hole of a part, one after another, and show what was found."""
    found = []
    for hole in holes_of(part, photos, only):
        one = search_hole(hole, kept)
        found.append(one)
        looks = (one.one, one.chosen, one.searched, one.oracle)
        click.echo(f"{part} {one.name:24} " + " ".join(f"{look:.4f}" for look in looks))
    return found


@click.command()
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, help="Both by default.")
@click.option("--only", multiple=True, help="A photo of split.toml; may be given more than once.")
@click.option(
    "--photos",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="The photos that are no part of the project; without it, its own scenes alone.",
)
@click.option("--kept", type=click.Path(path_type=Path), default=KEPT, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def main(
    parts: tuple[str, ...], only: tuple[str, ...], photos: Path | None, kept: Path, out: Path
) -> None:
    """Compare one try, the best of several by the potential, and the two-stage search."""
    known = {source for sources in split().values() for source in sources}
    for source in only:
        if source not in known:
            raise click.BadParameter(f"--only: expected a photo of split.toml, got {source}")
    try:
        results = {part: search_holes(part, only, photos, kept) for part in parts or PARTS}
    except OSError as error:
        raise click.ClickException(str(error)) from error
    results = {part: found for part, found in results.items() if found}
    if not results:
        raise click.UsageError("expected a hole to search on, got none")
    origin = provenance(given_command("python -m perf.search"), PACKAGES)
    pages = [as_markdown(TITLES[part], found) for part, found in results.items()]
    page = f"# What a search is worth\n\n{source_lines(origin)}\n{EXPLANATION}\n" + "\n".join(pages)
    content = {part: as_json(found) for part, found in results.items()}
    publish(out, NAME, {"provenance": origin, "parts": content}, page)
    click.echo(f"{sum(map(len, results.values()))} holes; results in {out}")


if __name__ == "__main__":
    main()
