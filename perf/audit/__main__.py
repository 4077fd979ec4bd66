"""`pawfect audit`: which settings are worth their time, measured through a real server."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import wraps
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, Final, ParamSpec

import click

from pawfect.contract.errors import PawfectError
from pawfect.contract.tables import TableError
from pawfect.profile import Profile, ProfileError, load_profile
from pawfect.weights.lock import LockFile
from pawfect.weights.manifest import BUILT
from pawfect.weights.store import Store, weights_root
from pawfect_triton.installation import MachineError
from pawfect_triton.prerequisites import prepare
from perf.audit.approval import changes_for, chosen_setting, difference, profile_path, rewritten
from perf.audit.axes import AXES
from perf.audit.cells import Cell, cells_of
from perf.audit.engines import settings_of
from perf.audit.journal import AuditError, Journal
from perf.audit.matrix import MATRICES, Matrix, load_matrix, matrix_names, session_in
from perf.audit.options import audited, command_line, setting_options
from perf.audit.placing import ALONE, BESIDE, NOT_AT_ALL
from perf.audit.report import read_run, upload, write_report
from perf.audit.sessions import Session, load_session
from perf.audit.stages import Plan, Stages, check_start, placements_of, to_label, to_run
from perf.publish import provenance

PACKAGES: Final = ("pawfect", "torch", "diffusers", "tritonclient")
_INTERRUPTED: Final = 130
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)

P = ParamSpec("P")


def _plainly(function: Callable[P, None]) -> Callable[P, None]:
    """Turn what people can mend into one line."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except (AuditError, TableError, ProfileError, MachineError) as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            told = f"{error.strerror}; what is in the journal stays: the same command goes on"
            raise click.ClickException(told) from None
        except PawfectError as error:
            click.echo(f"Error: {error.message}", err=True)
            sys.exit(error.row.exit_code)

    return run


_WITH_TORCH: Final = {
    "attention": ("perf.audit.attention", "attention"),
    "compile": ("perf.audit.compiled", "compile_"),
}


class _Group(click.Group):
    """Some commands import torch, which takes seconds, only where they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_WITH_TORCH])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _WITH_TORCH:
            module, name = _WITH_TORCH[cmd_name]
            command: click.Command = getattr(import_module(module), name)
            return command
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Group)
def audit() -> None:
    """Measure settings through a real server, recommend one, approve it."""


@audit.command()
def matrices() -> None:
    """Print the matrices that come along, as JSON: profile, engines, and cells for one session."""
    told = {}
    for name in matrix_names():
        matrix = load_matrix(MATRICES / f"{name}.toml")
        told[name] = {
            "profile": matrix.profile,
            "engines": list(matrix.axes.by_engine(load_profile(matrix.profile))),
            "cells": matrix.cells // len(matrix.session),
        }
    click.echo(json.dumps(told))


@audit.command()
@audited
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/audit"),
    show_default=True,
    help="The audit's folder. One that has a journal is gone on with.",
)
@click.option("--retry-failed", is_flag=True, help="Run the cells again that failed before.")
@click.option("--upload", "url", metavar="gs://BUCKET/PREFIX", help="Upload pictures, link there.")
@click.option("--key", type=_FILE, help="Key file of the service account for --upload.")
@_plainly
def run(
    matrix: Path,
    session_folder: Path | None,
    prompts: dict[str, str],
    out: Path,
    retry_failed: bool,
    url: str | None,
    key: Path | None,
) -> None:
    """Run every cell that the folder's journal does not have yet, and write the report."""
    if url and not key:
        raise click.UsageError("--upload needs --key, by which the links are signed")
    if prompts and not session_folder:
        raise click.UsageError("--prompt needs --session, whose text it is")
    wanted = load_matrix(matrix, session_in(session_folder, prompts) if session_folder else None)
    profile = load_profile(wanted.profile)
    click.echo(f"{wanted.cells} cells: {len(wanted.session)} sessions, {len(wanted.seeds)} seeds")
    for engine, axes in wanted.axes.by_engine(profile).items():
        varied = (f"{len(axes[name])} x {name}" for name in AXES if name != "engine")
        click.echo(f"{engine}: {', '.join(varied)}")
    for line in wanted.axes.left_out(profile):
        click.echo(line)
    prepare(profile, wanted.axes.quantisation)
    identities = check_weights(wanted, profile, Store(weights_root()))
    sessions = [load_session(source) for source in wanted.session]
    # Two sessions of the same pictures count once.
    cells = list({c.identity: c for c in cells_of(wanted, sessions, profile, identities)}.values())
    placements = placements_of(cells, profile, wanted.card_gib)
    check_start(profile, wanted.card_gib, placements)
    by_name = {session.name: session for session in sessions}
    plan = Plan(out, profile, by_name, wanted.axes.prompt, wanted.deadline_ms, placements)
    if wanted.card_gib is not None:
        where = Counter(map(plan.where, cells))
        told = ", ".join(f"{where[what]} {what}" for what in (BESIDE, ALONE, NOT_AT_ALL))
        click.echo(f"of {wanted.card_gib:g} GiB of the card they fit: {told}")
    with Journal(out) as journal:
        left = to_run(journal.records, cells, plan, retry_failed)
        click.echo(f"{len(cells) - len(left)} are done already, {len(left)} to run")
        journal.begin(run_note(wanted, cells, sessions, command_line(matrix, session_folder, out)))
        if left or to_label(journal.records, cells):
            signal.signal(signal.SIGTERM, _interrupt)
            try:
                Stages(plan, journal, click.echo).run(cells, left)
            except KeyboardInterrupt:
                done = len(cells) - len(to_run(journal.records, cells, plan, False))
                click.echo(
                    f"\ninterrupted: {done} of {len(cells)} cells are in the journal; the "
                    "same command goes on",
                    err=True,
                )
                sys.exit(_INTERRUPTED)
    _report(out, url, key)


@audit.command()
@click.option("--run", "folder", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write there instead.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@setting_options
@_plainly
def approve(folder: Path, out: Path | None, yes: bool, **asked: Any) -> None:
    """Write a measured setting into its profile, its weights and sizes with it."""
    found = read_run(folder)
    name = found.note["profile"]
    setting = chosen_setting(found.choice, asked)
    path = profile_path(name)
    with path.open(encoding="utf-8", newline="") as file:
        before = file.read()
    changes = changes_for(found.choice, setting, settings_of(load_profile(name), setting.engine))
    after = rewritten(name, before, changes)
    click.echo(f"{setting}\n(the prompt is each request's, by its labels: a profile holds none)")
    click.echo(difference(name, before, after) or "the profile says all this already")
    if after == before and out is None:
        return
    if not yes and not click.confirm(f"write {(out or path).name}?"):
        raise AuditError("nothing was written")
    with (out or path).open("w", encoding="utf-8", newline="") as file:
        file.write(after)
    click.echo(f"wrote {out or path}")


def check_weights(matrix: Matrix, profile: Profile, store: Store) -> dict[str, str]:
    """Make sure that all weights are here, and return their identities by entry.

    Raises:
        AuditError: an entry is missing or damaged, with the command that mends it, or holds no
            transformer.
    """
    wanted = sorted({*profile.fill_weights.values(), *matrix.axes.quantisation})
    lacking = [name for name in wanted if any(store.problems(name))]
    if lacking:
        raise AuditError(
            f"weights {', '.join(lacking)}: not here, or not whole; run "
            f"`pawfect weights fetch {' '.join(lacking)}`"
        )
    lock = LockFile(store.root)
    for name in matrix.axes.quantisation:
        entry = store.entries[name]
        paths = lock.get(name).files if entry.kind == BUILT else [file.path for file in entry.files]
        if not any(path.startswith("transformer/") for path in paths):
            raise AuditError(f"axes.quantisation: {name} holds no transformer")
    return {name: store.identity(name) for name in wanted}


def run_note(
    matrix: Matrix, cells: Sequence[Cell], sessions: Iterable[Session], command: str
) -> dict[str, Any]:
    """Return what a run's line in the journal says: enough to write the report again."""

    def shown(session: Session, what: str) -> str:
        return f"pictures/{session.digest[:16]}-{what}.jpg"

    return {
        "profile": matrix.profile,
        "budget_ms": matrix.budget_ms,
        "card_gib": matrix.card_gib,
        "provenance": provenance(command, PACKAGES),
        "sessions": [
            {
                "name": session.name,
                "photo": shown(session, "photo"),
                "truth": shown(session, "truth") if session.truth is not None else "",
            }
            for session in sessions
        ],
        "cells": [asdict(cell) for cell in cells],
    }


def _report(folder: Path, url: str | None, key: Path | None) -> None:
    found = read_run(folder)
    links = {}
    if url and key:
        links = upload(folder, [row.picture for row in found.rows if row.picture], url, key)
    page, best = write_report(folder, found, links), found.choice.recommended
    if best is None:
        click.echo(f"no complete setting keeps the budget of {found.choice.budget_ms} ms")
    else:
        told = f"loss {best.loss:.3f}, {best.mean_ms / 1000:.2f} s"
        click.echo(f"recommended: {best.setting}: {told}")
    click.echo(f"wrote {page}")


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End as Ctrl-C does when asked to end: the server is stopped, the journal is whole."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    audit()
