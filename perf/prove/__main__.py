"""`make prove`: everything that the roadmap asks of a card, run, judged and shown on one page."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Final

import click

from pawfect.contract.errors import PawfectError
from pawfect.contract.tables import TableError
from pawfect.profile import Profile, ProfileError, load_profile
from pawfect.weights.store import Store, weights_root
from pawfect_triton.installation import MachineError
from perf.audit.engines import engines_of
from perf.audit.journal import AuditError
from perf.audit.matrix import Source, session_in
from perf.audit.report import write_report
from perf.audit.sessions import load_session
from perf.prove.page import verdicts_of, write_page, write_result
from perf.prove.plan import plan_of
from perf.prove.preflight import FOLDER_GB, ProofError, check_room, fetch_weights, find_card
from perf.prove.run import Proof
from perf.scenes import REFERENCE

# Of the reference session, small enough for a CPU's tiny models.
REHEARSAL_SCENE: Final = "reference_768"
_INTERRUPTED: Final = 130
_GOES_ON: Final = "what was found is kept: the same command goes on"


@click.command()
@click.option(
    "--profile",
    "name",
    default="tiny",
    show_default=True,
    help="Such as t4, t4-klein, l4-edit, h200; tiny and tiny-klein rehearse.",
)
@click.option("--engine", help="One of the profile's that denoise.  [default: its first]")
@click.option(
    "--session",
    type=click.Path(path_type=Path),
    help="Folder with photo.* and mask.*, perhaps protect.* and truth.*.  [default: the reference "
    "scene]",
)
@click.option("--full", is_flag=True, help="Run the whole grid, not each axis by itself.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="The proof's folder; one that was begun is gone on with.  [default: build/prove/PROFILE]",
)
@click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("perf/results"),
    show_default=True,
    help="Where prove-PROFILE.md and .json go: numbers without pictures, to be committed.",
)
def prove(
    name: str,
    engine: str | None,
    session: Path | None,
    full: bool,
    out: Path | None,
    results: Path,
) -> None:
    """Run what the roadmap asks of a card, and judge each of its criteria."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _prove(name, engine, session, full, out, results)
    except (ProofError, AuditError, TableError, ProfileError, MachineError) as error:
        raise click.ClickException(str(error)) from None
    except PawfectError as error:
        click.echo(f"Error: {error.message}", err=True)
        sys.exit(error.row.exit_code)
    except OSError as error:
        raise click.ClickException(f"{error.strerror or error}; {_GOES_ON}") from None
    except KeyboardInterrupt:
        click.echo(f"\ninterrupted; {_GOES_ON}", err=True)
        sys.exit(_INTERRUPTED)


def _prove(
    name: str, asked: str | None, folder: Path | None, full: bool, out: Path | None, results: Path
) -> None:
    profile = load_profile(name)
    engine = _engine(profile, asked)
    # What is wrong with the session is said before anything is fetched.
    plan = plan_of(profile, Source(name="unknown"), full=full, engine=engine)
    source = _source(folder, rehearsal=plan.rehearsal)
    plan = plan_of(profile, source, full=full, engine=engine)
    session = load_session(plan.source)
    card = find_card(profile, engine)
    # Of the profile's first engine its own.
    shown = name if engine == profile.denoising[0] else f"{name}-{engine}"
    out = out or Path("build/prove") / shown
    check_room(out, FOLDER_GB, "the proof's folder", "--out")
    store = Store(weights_root())
    fetch_weights(profile, plan.entries, store)
    named = f" ENGINE={engine}" if shown != name else ""
    named += f" SESSION={session.name}" if folder is not None else ""
    command = f"make prove PROFILE={name}{named}" + (" FULL=1" if full else "")
    proof = Proof(profile, plan, session, card, out, command, click.echo)
    found = proof.run(store)
    write_report(out, found.run)
    verdicts = verdicts_of(found)
    write_result(results, f"prove-{shown}", found, verdicts)
    page = write_page(out, found, verdicts)
    for criterion, verdict in verdicts:
        click.echo(f"{criterion.number} {verdict.status}: {criterion.text}")
    click.echo(f"wrote {page}")


def _engine(profile: Profile, asked: str | None) -> str:
    """Return the engine that is proved."""
    there = engines_of(profile)
    if not there:
        raise ProofError(
            f"profile {profile.name}: expected one with a denoising engine, such as t4, t4-klein, "
            "l4-edit, h200 or tiny"
        )
    if asked not in (None, *there):
        raise ProofError(
            f"engine: expected one of {', '.join(there)}, which profile {profile.name} has, got "
            f"{asked}"
        )
    return asked or there[0]


def _source(folder: Path | None, *, rehearsal: bool) -> Source:
    if folder is not None:
        return session_in(folder, {})
    scene = REHEARSAL_SCENE if rehearsal else REFERENCE
    return Source(name=scene, scene=scene)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End as Ctrl-C does: the server is stopped, the journal is whole."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    prove()
