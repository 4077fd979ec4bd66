"""The networks that are here beside each other: `python -m perf.matting.networks`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from pawfect.contract.errors import PawfectError
from pawfect.profile import profile_names
from perf.matting.baseline import as_json
from perf.matting.engine import Engine
from perf.matting.pictures import picture
from perf.matting.removers import Variant
from perf.matting.run import Row, run, warm_up
from perf.matting.tables import means
from perf.publish import as_markdown as source_lines
from perf.publish import given_command, provenance, publish, table

NAME: Final = "matting-networks"
PACKAGES: Final = ("numpy", "onnxruntime")
# One or two of each group whose subject does not fill the picture.
PICTURES: Final = (
    "scene_reference_768",
    "laid_brick",
    "laid_parquet",
    "fur_grass",
    "thin_cat",
    "similar_rug",
    "several_ball",
    "several_dogs",
)
_TEXT: Final = (
    "Every network that was there, edges `guided`, on the same pictures; definitions as in "
    "[the benchmark](matting.md). Means, and seconds of one warm answer.\n"
)


def as_markdown(rows: list[Row]) -> str:
    """Return means by network, and each picture."""
    head = ("network", "pictures", "gradient", "SAD", "IoU", "halo", "s", "CPU s")
    variants = list(dict.fromkeys(row.variant for row in rows))
    lines = []
    for one in (means(rows, variant) for variant in variants):
        sad, _, gradient, _, iou, halo = one.metrics
        figures = (f"{gradient:.1f}", f"{sad:.1f}", f"{iou:.3f}", f"{halo:.1f}")
        times = (f"{one.seconds:.2f}", f"{one.cpu_seconds:.2f}")
        lines.append((one.variant.split()[0], one.scored, *figures, *times))
    each = [
        (
            row.picture,
            row.variant.split()[0],
            f"{row.scores.gradient:.1f}",
            f"{row.scores.sad:.1f}",
            f"{row.scores.iou:.3f}",
            f"{row.cpu_seconds:.2f}",
        )
        for row in rows
        if row.scores
    ]
    every = ("picture", "network", "gradient", "SAD", "IoU", "CPU s")
    return f"{_TEXT}\n{table(head, lines)}\n## Each picture\n\n{table(every, each)}"


@click.command()
@click.option("--profile", type=click.Choice(profile_names()), default="embedded")
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def main(profile: str, out: Path) -> None:
    """Compare the networks that are here on eight pictures."""
    try:
        engine = Engine(profile)
    except PawfectError as error:
        raise click.ClickException(str(error)) from None
    variants = [Variant(name, "standard", "guided") for name in engine.networks]
    removers = {one: engine.remover(one) for one in variants}
    warm_up(removers, picture(PICTURES[0]))
    rows = [row for result in run(map(picture, PICTURES), removers) for row in result.rows]
    source = provenance(given_command("python -m perf.matting.networks"), PACKAGES)
    page = f"# Networks beside each other\n\n{source_lines(source)}\n{as_markdown(rows)}"
    publish(out, NAME, {"provenance": source, "rows": [as_json(row) for row in rows]}, page)
    click.echo(page)


if __name__ == "__main__":
    main()
