"""`python -m perf.audit`: which settings are worth their time, measured through a real server."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any, ParamSpec

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pawfect.contract.errors import PawfectError
from pawfect.profile import ProfileError, load_profile
from pawfect.weights.store import Store, weights_root
from pawfect_triton.installation import MachineError
from pawfect_triton.prerequisites import prepare
from perf.audit.approval import changes_for, chosen_setting, difference, profile_path, rewritten
from perf.audit.audit import check_weights, planned, read_run, report, run_note
from perf.audit.cells import Cell
from perf.audit.compiled import compile_
from perf.audit.journal import FAILED, NAME, AuditError, Journal, Record, read_journal
from perf.audit.lines import echo_left, echo_setting, line
from perf.audit.links import MOST_DAYS, Target
from perf.audit.matrix import AXES, MatrixError, load_matrix
from perf.audit.running import Audit
from perf.audit.serving import AuditServer
from perf.audit.sessions import load_session

P = ParamSpec("P")
_INTERRUPTED = 130

upload_options: tuple[Callable[[Any], Any], ...] = (
    click.option("--upload", metavar="gs://BUCKET/PREFIX", help="Upload pictures, link to them."),
    click.option(
        "--key",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Key file of the service account that uploads and signs the links.",
    ),
    click.option(
        "--days",
        type=click.IntRange(1, MOST_DAYS),
        default=MOST_DAYS,
        show_default=True,
        help="How long the links hold.",
    ),
)


def _plainly(function: Callable[P, None]) -> Callable[P, None]:
    """Turn what people can mend into one line, and a signal into an orderly end."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except (AuditError, MatrixError, ProfileError, MachineError) as error:
            raise click.ClickException(str(error)) from None
        except PawfectError as error:
            click.echo(f"Error: {error.message}", err=True)
            sys.exit(error.row.exit_code)

    return run


def _with_upload(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(upload_options):
        function = option(function)
    return function


@click.group()
def audit() -> None:
    """Measure settings through a real server, recommend one, approve it."""


@audit.command()
@click.option(
    "--matrix",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file: what is tried, and on what.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/audit"),
    show_default=True,
    help="The audit's folder. One that has a journal is gone on with.",
)
@click.option("--retry-failed", is_flag=True, help="Run the cells again that failed before.")
@click.option("--dry-run", is_flag=True, help="Only check the matrix and say what would run.")
@_with_upload
@_plainly
def run(
    matrix: Path,
    out: Path,
    retry_failed: bool,
    dry_run: bool,
    upload: str | None,
    key: Path | None,
    days: int,
) -> None:
    """Run every cell that the folder's journal does not have yet, and write the report."""
    wanted = load_matrix(matrix)
    target = Target.parse(upload) if upload else None
    if target is not None and key is None:
        raise click.UsageError("--upload needs --key, by which the links are signed")
    profile, store = load_profile(wanted.profile), Store(weights_root())
    axes = {name: len(getattr(wanted.axes, name)) for name in AXES}
    click.echo(
        f"{wanted.cells} cells: {len(wanted.session)} sessions, {len(wanted.seeds)} seeds, "
        + ", ".join(f"{count} x {name}" for name, count in axes.items())
    )
    prepare(profile, wanted.axes.quantisation)
    identities = check_weights(wanted, profile, store)
    sessions = [load_session(source) for source in wanted.session]
    cells = planned(wanted, sessions, identities)
    if dry_run:
        _, records, _ = read_journal(out / NAME)
        left = _left(records, cells, retry_failed)
        echo_left(cells, left)
        return
    with Journal(out) as journal:
        left = _left(journal.records, cells, retry_failed)
        echo_left(cells, left)
        journal.begin(
            run_note(wanted, cells, sessions, f"python -m perf.audit run --matrix {matrix}")
        )
        if left:
            _on_term_interrupt()
            by_name = {session.name: session for session in sessions}
            try:
                with AuditServer(profile, out / "server.log") as server:
                    _run_cells(Audit(out, wanted, by_name, server, journal, click.echo), left)
            except KeyboardInterrupt:
                done = len(cells) - len(_left(journal.records, cells, False))
                click.echo(
                    f"\ninterrupted: {done} of {len(cells)} cells are in the journal; the "
                    "same command goes on",
                    err=True,
                )
                sys.exit(_INTERRUPTED)
    _report(out, target, key, days)


@audit.command("report")
@click.option("--run", "folder", required=True, type=click.Path(exists=True, path_type=Path))
@_with_upload
@_plainly
def report_(folder: Path, upload: str | None, key: Path | None, days: int) -> None:
    """Write the report of a run again, with links that hold anew where pictures are uploaded."""
    _report(folder, Target.parse(upload) if upload else None, key, days)


@audit.command()
@click.option("--run", "folder", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--profile", help="The profile; the run's own is meant, another one is refused.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write there instead.")
@click.option("--quantisation", help="Instead of the recommended setting's, like the others.")
@click.option("--size", type=int)
@click.option("--guidance", type=float)
@click.option("--steps", type=int)
@click.option("--strength", type=float)
@click.option("--prompt")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_plainly
def approve(folder: Path, profile: str | None, out: Path | None, yes: bool, **asked: Any) -> None:
    """Write a measured setting into the profile: weights, working sizes, steps, guidance."""
    content = read_run(folder)
    name = content.run["profile"]
    if profile is not None and profile != name:
        raise AuditError(f"profile: the run measured {name}, not {profile}")
    setting = chosen_setting(content.choice, asked)
    path = profile_path(name)
    with path.open(encoding="utf-8", newline="") as file:
        before = file.read()
    after = rewritten(name, before, changes_for(content.choice, setting))
    echo_setting(setting)
    click.echo(difference(name, before, after) or "the profile says all this already")
    if after == before and out is None:
        return
    if not yes and not click.confirm(f"write {(out or path).name}?"):
        raise AuditError("nothing was written")
    with (out or path).open("w", encoding="utf-8", newline="") as file:
        file.write(after)
    click.echo(f"wrote {out or path}")


audit.add_command(compile_)


def _left(known: Mapping[str, Record], cells: Sequence[Cell], retry_failed: bool) -> list[Cell]:
    """Return the cells that are not in the journal, or failed where these are tried again."""
    return [
        cell
        for cell in cells
        if cell.identity not in known or (retry_failed and known[cell.identity].status == FAILED)
    ]


def _run_cells(audit: Audit, cells: Sequence[Cell]) -> None:
    click.echo("server ready; warming every prompt up ...")
    audit.prepare(cells)
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=len(cells))
        for number, cell in enumerate(cells, 1):
            progress.update(task, description=f"cell {number} of {len(cells)}")
            record = audit.run(cell)
            console.print(f"{number}/{len(cells)} {line(record)}", markup=False, highlight=False)
            progress.advance(task)


def _report(folder: Path, target: Target | None, key: Path | None, days: int) -> None:
    choice, page = report(folder, target, key, days)
    best = choice.recommended
    if best is None:
        click.echo(f"no complete setting keeps the budget of {choice.budget_ms} ms")
    else:
        click.echo(
            f"recommended: {', '.join(f'{k} {v}' for k, v in vars(best.setting).items())}: "
            f"loss {best.loss:.3f}, {(best.mean_ms or 0) / 1000:.2f} s"
        )
    click.echo(f"wrote {page}")


def _on_term_interrupt() -> None:
    """End as Ctrl-C does when asked to end: the server is stopped, the journal is whole."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


if __name__ == "__main__":
    audit()
