"""Runs the removal benchmark: `python -m perf.quality`, `--help` for its options."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import click

from perf.publish import as_markdown as source_lines
from perf.publish import given_command, provenance, publish
from perf.quality.checkout import Checkout
from perf.quality.methods import METHODS, Method, warm_up
from perf.quality.photos import PARTS, of_folder
from perf.quality.removal import Removal, removal_of
from perf.quality.run import Result, run_removal
from perf.quality.sheet import save_sheet
from perf.quality.tables import as_json, as_markdown, cell
from perf.scenes import QUALITY_GROUPS, group_of, load_scene, scene_names

PROJECT: Final = Path(__file__).resolve().parents[2]
# Pictures of photos that are not the project's stay out of what is published.
BUILD: Final = Path("build/quality")
PACKAGES: Final = (
    "numpy",
    "numba",
    "opencv-contrib-python-headless",
    "pypatchmatch",
    "stlpips-pytorch",
    "torch",
)
FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)


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


def chosen_methods(names: str) -> list[Method]:
    """Pick methods by their names, separated by commas.

    Raises:
        click.BadParameter: there is no method of that name.
    """
    unknown = sorted(set(names.split(",")) - set(METHODS))
    if unknown:
        raise click.BadParameter(f"expected some of {', '.join(METHODS)}, got {unknown}")
    return [METHODS[name] for name in names.split(",")]


def run(removals: Iterable[Removal], methods: Sequence[Method]) -> list[Result]:
    """Run methods on removals, one at a time, and show each row."""
    results = []
    for removal in removals:
        results.append(run_removal(removal, methods))
        for row in results[-1].rows:
            click.echo(f"{row.name:20} {row.method:12} {cell(row)}")
    return results


def save(
    results: dict[str, list[Result]],
    versions: dict[str, str],
    out: Path,
    photos: Path | None,
    name: str | None,
) -> None:
    """Publish figures and a contact sheet, whose pictures stay private where the photos are.

    Raises:
        click.UsageError: nothing was measured.
    """
    results = {part: some for part, some in results.items() if some}
    if not results:
        raise click.UsageError("expected a photo with room for a hole, got none")
    source = provenance(given_command("python -m perf.quality"), PACKAGES)
    source["versions"] |= versions
    name = name or ("quality" if photos is None else "quality-photos")
    figures = {part.lower(): as_json(some) for part, some in results.items()}
    content = figures["scenes"] if photos is None else {"parts": figures}
    page = f"# Removal with known truth\n\n{source_lines(source)}\n{as_markdown(results)}"
    publish(out, name, {"provenance": source, **content}, page)
    own = photos is None or photos.resolve().is_relative_to(PROJECT)
    sheets = out if own else BUILD
    sheets.mkdir(parents=True, exist_ok=True)
    every = [result for some in results.values() for result in some]
    save_sheet(sheets / f"{name.replace('-', '_')}_contact_sheet.jpg", every)
    click.echo(f"{len(every)} holes; results in {out}, contact sheet in {sheets}")
    if any(row.error for result in every for row in result.rows):
        click.echo("some methods failed: see the tables", err=True)


@click.command()
@click.option("--only", multiple=True, help="A scene or a group; may be given more than once.")
@click.option("--methods", default=",".join(METHODS), show_default=True, help="Comma-separated.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("perf/results"))
@click.option("--photos", type=FOLDER, metavar="DIR", help="Photos to draw holes in, no scenes.")
@click.option(
    "--part",
    "parts",
    type=click.Choice(PARTS),
    multiple=True,
    help="Of the photos; whoever tunes a fill on them looks at `tune` alone.",
)
@click.option("--unseen", is_flag=True, help="Nobody tuned on these photos: all are `held`.")
@click.option("--name", help="Of the results; quality, or quality-photos, where not given.")
@click.option(
    "--before",
    type=FOLDER,
    metavar="CHECKOUT",
    help="Another checkout of this project with its .venv: its fill is compared too.",
)
def main(
    only: tuple[str, ...], methods: str, out: Path, photos: Path | None, parts: tuple[str, ...],
    unseen: bool, name: str | None, before: Path | None,
) -> None:  # fmt: skip
    """Score fills on removals whose truth is known, and write results and a contact sheet."""
    if photos is None and (parts or unseen):
        raise click.UsageError("--part and --unseen go with --photos")
    if photos is not None and only:
        raise click.UsageError("--only picks scenes, which --photos leaves out")
    picked, versions = chosen_methods(methods), {}
    removals: dict[str, Iterable[Removal]] = {}
    if photos is None:
        removals["Scenes"] = (removal_of(load_scene(scene)) for scene in chosen_scenes(only))
    else:
        for part in parts or PARTS:
            removals[part.capitalize()] = of_folder(photos, part, unseen=unseen)
    with contextlib.ExitStack() as stack:
        if before is not None:
            try:
                other = stack.enter_context(Checkout(before))
            except ValueError as error:
                raise click.BadParameter(f"--before: {error}") from error
            picked.append(other.method())
            versions["before"] = other.commit
        warm_up(picked)
        try:
            results = {part: run(some, picked) for part, some in removals.items()}
        except OSError as error:
            raise click.ClickException(str(error)) from error
    save(results, versions, out, photos, name)


if __name__ == "__main__":
    main()
