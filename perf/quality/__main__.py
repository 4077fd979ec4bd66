"""Runs the removal benchmark: `python -m perf.quality`, `--help` for its options."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from perf.provenance import cpu_name
from perf.quality.bench import SceneResult, run_scene
from perf.quality.digest import Digest, digest_of, record, recorded_digests, same_scene, set_digest
from perf.quality.methods import METHODS, Method
from perf.quality.scenes import GROUPS, NAMES, SCENES_FOR_A_LOOK, Scene, build_scene, group_of
from perf.quality.sheet import save_sheet
from perf.quality.tables import Conditions, versions, write_json, write_markdown

CACHE = Path("build/quality")
RESULTS = Path("perf/results")


def chosen_scenes(only: tuple[str, ...], quick: bool) -> tuple[str, ...]:
    """Pick scenes by group or name; all by default, one per group with `quick`.

    Raises:
        click.BadParameter: a name is neither a scene nor a group.
    """
    for name in only:
        if name not in NAMES and name not in GROUPS:
            raise click.BadParameter(f"expected a scene or one of {', '.join(GROUPS)}, got {name}")
    names = SCENES_FOR_A_LOOK if quick else NAMES
    if not only:
        return names
    return tuple(n for n in (NAMES if not quick else names) if n in only or group_of(n) in only)


def check_set(found: dict[str, Digest]) -> str:
    """Tell how a set compares with the recorded one: exact, within rounding, or different."""
    recorded = recorded_digests()
    if any(name not in recorded for name in found):
        return "with scenes that were never recorded"
    if all(found[name].sha256 == recorded[name].sha256 for name in found):
        return "as recorded"
    if all(same_scene(found[name], recorded[name]) for name in found):
        return "as recorded but for rounding"
    return "NOT THE RECORDED SET"


@click.command()
@click.option("--only", multiple=True, help="A scene or a group; may be given more than once.")
@click.option("--methods", default=",".join(METHODS), show_default=True, help="Comma-separated.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
@click.option("--quick", is_flag=True, help="One small scene per group.")
@click.option("--fresh", is_flag=True, help="Run every method now; read no cache.")
@click.option("--record", "recording", is_flag=True, help="Only redefine the set: write set.json.")
def main(
    only: tuple[str, ...], methods: str, out: Path, quick: bool, fresh: bool, recording: bool
) -> None:
    """Score fills on removals whose truth is known, and write results and a contact sheet."""
    if recording:
        click.echo(f"recorded {set_digest(record())}")
        return
    unknown = sorted(set(methods.split(",")) - set(METHODS))
    if unknown:
        raise click.BadParameter(f"expected some of {', '.join(METHODS)}, got {unknown}")
    picked: list[Method] = [METHODS[name] for name in methods.split(",")]
    names = chosen_scenes(only, quick)
    results: list[SceneResult] = []
    digests: dict[str, Digest] = {}
    for name in names:
        scene: Scene = build_scene(name)
        digests[name] = digest_of(scene)
        results.append(run_scene(scene, picked, None if fresh else CACHE, click.echo))
    conditions = Conditions(
        command=" ".join(["python -m perf.quality", *sys.argv[1:]]),
        date=datetime.now(UTC).date().isoformat(),
        fresh=fresh,
        set_sha256=set_digest(digests),
        set_is=check_set(digests),
        cpu=f"{cpu_name()}, {os.cpu_count()} cores",
        versions=versions(),
    )
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "quality.json", results, conditions)
    write_markdown(out / "quality.md", results, conditions)
    save_sheet(out / "quality_contact_sheet.jpg", results)
    click.echo(f"{len(results)} scenes; the set is {conditions.set_is}; results in {out}")
    if any(row.error for result in results for row in result.rows):
        click.echo("some methods failed: see the tables", err=True)


if __name__ == "__main__":
    main()
