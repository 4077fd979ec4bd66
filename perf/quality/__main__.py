"""Runs the removal benchmark: `python -m perf.quality`, `--help` for its options."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from perf.publish import as_markdown as source_lines
from perf.publish import provenance, publish
from perf.quality.methods import METHODS
from perf.quality.run import run_scene
from perf.quality.sheet import save_sheet
from perf.quality.tables import as_json, as_markdown, cell
from perf.scenes import QUALITY_GROUPS, group_of, load_scene, scene_names

PACKAGES = (
    "numpy",
    "opencv-contrib-python-headless",
    "pypatchmatch",
    "stlpips-pytorch",
    "torch",
)


def chosen_scenes(only: tuple[str, ...]) -> tuple[str, ...]:
    """Pick scenes by group or name; all by default.

    Raises:
        click.BadParameter: a name is neither a scene nor a group.
    """
    names = scene_names(*QUALITY_GROUPS)
    for name in only:
        if name not in names and name not in QUALITY_GROUPS:
            groups = ", ".join(QUALITY_GROUPS)
            raise click.BadParameter(f"expected a scene or one of {groups}, got {name}")
    return tuple(n for n in names if not only or n in only or group_of(n) in only)


@click.command()
@click.option("--only", multiple=True, help="A scene or a group; may be given more than once.")
@click.option("--methods", default=",".join(METHODS), show_default=True, help="Comma-separated.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
def main(only: tuple[str, ...], methods: str, out: Path) -> None:
    """Score fills on removals whose truth is known, and write results and a contact sheet."""
    unknown = sorted(set(methods.split(",")) - set(METHODS))
    if unknown:
        raise click.BadParameter(f"expected some of {', '.join(METHODS)}, got {unknown}")
    picked = [METHODS[name] for name in methods.split(",")]
    results = []
    for name in chosen_scenes(only):
        results.append(run_scene(load_scene(name), picked))
        for row in results[-1].rows:
            click.echo(f"{row.scene:20} {row.method:10} {cell(row)}")
    source = provenance(" ".join(["python -m perf.quality", *sys.argv[1:]]), PACKAGES)
    page = f"# Removal with known truth\n\n{source_lines(source)}\n{as_markdown(results)}"
    publish(out, "quality", {"provenance": source, **as_json(results)}, page)
    save_sheet(out / "quality_contact_sheet.jpg", results)
    click.echo(f"{len(results)} scenes; results in {out}")
    if any(row.error for result in results for row in result.rows):
        click.echo("some methods failed: see the tables", err=True)


if __name__ == "__main__":
    main()
