"""Runs the benchmark of background removal: `python -m perf.matting`, `--help` for its options."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from pawfect.contract.errors import PawfectError
from pawfect.profile import profile_names
from perf.matting import pictures
from perf.matting.baseline import as_json, compared, regressions
from perf.matting.engine import Engine, peer_file
from perf.matting.page import page
from perf.matting.pictures import Picture
from perf.matting.removers import INSTALL_PEER, PEER, Remover, Variant, chosen, peers
from perf.matting.resources import Taken, all_taken
from perf.matting.run import Result, Row, run, warm_up
from perf.matting.summary import summary
from perf.matting.tables import as_markdown
from perf.publish import as_markdown as source_lines
from perf.publish import given_command, provenance, publish

BUILD: Final = Path("build/matting")
RESULTS: Final = Path("perf/results")
NAME: Final = "matting"
PACKAGES: Final = ("numpy", "onnxruntime", "opencv-contrib-python-headless", "pymatting", "rembg")
FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)
# What `make test` looks at: fur on what differs from it, whiskers, two subjects, and none.
SHORT: Final = ("laid_brick", "thin_cat", "several_ball", "none_gravel")


def chosen_pictures(only: Sequence[str]) -> tuple[str, ...]:
    """Pick pictures by name or group; all where none is given.

    Raises:
        click.BadParameter: a name is neither a picture nor a group.
    """
    for name in only:
        if name not in pictures.names() and name not in pictures.GROUPS:
            expected = f"a picture or one of {', '.join(pictures.GROUPS)}"
            raise click.BadParameter(f"expected {expected}, got {name}")
    groups = tuple(name for name in only if name in pictures.GROUPS)
    wanted = {*only, *(pictures.names(*groups) if groups else ())}
    return tuple(name for name in pictures.names() if not only or name in wanted)


def all_removers(profile: str, names: Sequence[str], peer: bool) -> dict[Variant, Remover]:
    """Return what is compared, by variant.

    Raises:
        click.ClickException: there is no network here, or a name is no variant's.
    """
    try:
        engine = Engine(profile)
        own = {one: engine.remover(one) for one in chosen(engine.variants(), names)}
    except PawfectError as error:
        raise click.ClickException(str(error)) from None
    except ValueError as error:
        raise click.BadParameter(f"--variant: {error}") from None
    file = peer_file() if peer else None
    return own | dict(peers(file) if file else {})


def peer_line(removers: Iterable[Variant], peer: bool) -> str:
    """Say whether the peer ran, and what would make it run."""
    if any(one.network == PEER for one in removers):
        return "rembg's own code ran in turn with ours, on the same file of U2-Net-p."
    if not peer:
        return "rembg was left out."
    return f"rembg was left out: it is not installed (`{INSTALL_PEER}`)."


def stored_rows(baseline: Path) -> list[Mapping[str, Any]]:
    """Return a stored result's rows; none where there is no result yet."""
    if not baseline.is_file():
        return []
    rows: list[Mapping[str, Any]] = json.loads(baseline.read_text("utf-8"))["rows"]
    return rows


def save(
    out: Path,
    source: Mapping[str, Any],
    results: Sequence[Result],
    costs: Sequence[Taken],
    peer: str,
) -> None:
    """Write figures and tables into a folder."""
    rows = [row for result in results for row in result.rows]
    content = {
        "provenance": source,
        "peer": peer,
        "costs": [asdict(one) for one in costs],
        "rows": [as_json(row) for row in rows],
    }
    text = f"# Background removal with known alpha\n\n{source_lines(source)}\n"
    short = f"## In short\n\n{summary(rows, costs)}\n" if costs else ""
    publish(out, NAME, content, text + short + as_markdown(rows, costs, peer))


def tell(row: Row) -> None:
    """Show a row as it comes."""
    figures = row.error
    if row.scores:
        halo = "-" if row.scores.halo is None else f"{row.scores.halo:.1f}"
        figures = f"SAD {row.scores.sad:7.2f}  IoU {row.scores.iou:.3f}  halo {halo:>5}"
    click.echo(f"{row.picture:22} {row.variant:24} {figures}  {row.seconds:.2f} s")


@click.command()
@click.option("--only", multiple=True, help="A picture or a group; may be given more than once.")
@click.option("--variant", "variants", multiple=True, help="'NETWORK PRESET EDGES'; repeatable.")
@click.option(
    "--profile", type=click.Choice(profile_names()), default="embedded", show_default=True
)
@click.option("--photos", type=FOLDER, metavar="DIR", help="Own files with alpha, no set pictures.")
@click.option("--turns", type=click.IntRange(1), default=1, show_default=True, help="Per picture.")
@click.option("--short", is_flag=True, help=f"{', '.join(SHORT)} alone, without costs.")
@click.option("--peer/--no-peer", default=True, help="Whether rembg takes its turn, if installed.")
@click.option("--costs/--no-costs", default=True, help="Seconds and memory, a process each.")
@click.option("--accept", is_flag=True, help="Store the results in spite of regressions.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
@click.option("--baseline", type=FILE, metavar="FILE", help="Default: OUT's own matting.json.")
def main(
    only: tuple[str, ...], variants: tuple[str, ...], profile: str, photos: Path | None, turns: int,
    short: bool, peer: bool, costs: bool, accept: bool, out: Path, baseline: Path | None,
) -> None:  # fmt: skip
    """Score background removal on pictures with known alpha against the stored results.

    What got worse by more than the tolerance is named, the exit code is 1, and the results go to
    build/matting instead of OUT. So do those of only a part, and of own photos.
    """
    peer, costs = peer and not short, costs and not short and photos is None
    removers = all_removers(profile, variants, peer)
    told = peer_line(removers, peer)
    click.echo(told)
    source = provenance(given_command("python -m perf.matting"), PACKAGES)
    results = run(_pictures(only, short, photos), _warm(removers), turns, tell)
    own = [one for one in removers if one.network != PEER]
    taken = all_taken(own, profile) if costs else []
    rows = [row for result in results for row in result.rows]
    if taken:
        click.echo(summary(rows, taken))
    stored = stored_rows(baseline or out / f"{NAME}.json")
    worse = regressions(stored, rows)
    whole = costs and not only and not variants
    written = out if whole and (accept or not worse) else BUILD
    save(written, source, results, taken, told)
    if not short:
        BUILD.mkdir(parents=True, exist_ok=True)
        (BUILD / "compare.html").write_bytes(page(results, source))
        click.echo(f"side by side: {BUILD / 'compare.html'}")
    click.echo(f"results in {written}; {compared(stored, rows)} of {len(rows)} rows compared")
    for one in worse:
        click.echo(f"worse: {one}", err=True)
    if worse:
        raise SystemExit(1)


def _pictures(only: Sequence[str], short: bool, photos: Path | None) -> Iterable[Picture]:
    if photos is not None:
        if only or short:
            raise click.UsageError("--photos goes without --only and --short")
        return _own(photos)
    return map(pictures.picture, SHORT if short else chosen_pictures(only))


def _own(photos: Path) -> Iterable[Picture]:
    try:
        yield from pictures.of_folder(photos)
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _warm(removers: dict[Variant, Remover]) -> dict[Variant, Remover]:
    warm_up(removers, pictures.picture(SHORT[0]))
    return removers


if __name__ == "__main__":
    main()
