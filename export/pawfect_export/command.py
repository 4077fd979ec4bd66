"""`pawfect weights`: what there is, fetch or add it, check it, say where it lies."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click

from pawfect.contract.errors import TABLE, ErrorKind, PawfectError, invalid
from pawfect.profile import load_profile, profile_names
from pawfect.weights.lock import held
from pawfect.weights.manifest import Entry, find_entry
from pawfect.weights.store import Store, weights_root
from pawfect_export.add import Terms
from pawfect_export.add import add as take
from pawfect_export.progress import in_words

FETCH = "pawfect weights fetch"
# Pause between two looks for weights that another process fetches, s.
WAIT_PAUSE_S = 2.0


@click.group()
def weights() -> None:
    """Fetch, check and find the models' weights."""


@weights.command("list")
def list_entries() -> None:
    """Show every entry: where from, how large, which licence, commercial use, if it is here."""
    with _reported():
        store = Store(weights_root())
        head = ("ENTRY", "FROM", "SIZE", "LICENCE", "COMMERCIAL", "GATED", "HERE")
        rows = [head, *(_row(entry, store) for entry in store.entries.values())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@weights.command()
@click.argument("names", metavar="PROFILE|ENTRY...", nargs=-1, required=True)
@click.option("--fresh", is_flag=True, help="Fetch or build again what is there.")
@click.option(
    "--accept-licence", is_flag=True, help="Accept the licences that would be asked about."
)
def fetch(names: tuple[str, ...], fresh: bool, accept_licence: bool) -> None:
    """Fetch what a profile needs, or single entries; go on where an earlier fetch ended.

    Where a licence allows less than the permissive ones do, it is shown and asked about first.

    HF_TOKEN names a token for gated repositories, HF_ENDPOINT another server, PAWFECT_WEIGHTS
    another folder.
    """
    with _reported():
        store = Store(weights_root())
        entries = _entries(names, store, accept_licence)
        if not entries:
            _say(f"{', '.join(names)}: needs no weights")
        # Only here, so that the other commands need no hub library.
        try:
            from pawfect_export.fetch import fetch as bring
            from pawfect_export.hub import Hub
        except ModuleNotFoundError as error:
            raise PawfectError(
                ErrorKind.UNAVAILABLE,
                f"fetching needs the package {error.name}: pip install 'pawfect[server]', or "
                "'pawfect[neural]' for what needs torch",
            ) from None
        for name in entries:
            if fresh or any(store.problems(name)):
                _ask(store.entries[name], accept_licence)
        bring(entries, store, Hub.of_environment, _say, fresh=fresh)


@weights.command()
@click.argument("name", metavar="ENTRY")
@click.argument(
    "sources", metavar="FILE|FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--as",
    "path",
    metavar="PATH",
    help="Which file of the entry it is, such as vae/config.json, where its name does not tell.",
)
@click.option("--move", is_flag=True, help="Remove the given files once they are in the store.")
@click.option(
    "--sha256",
    default="",
    callback=lambda context, option, value: _checked_digest(value),
    metavar="DIGEST",
    help="Digest of the one file, from its publisher's page, where none is known here.",
)
@click.option(
    "--unverified",
    is_flag=True,
    help="Take files whose digest is not known too, and record it: it cannot be verified.",
)
@click.option("--fresh", is_flag=True, help="Replace what is there and what was recorded of it.")
def add(
    name: str,
    sources: tuple[Path, ...],
    path: str | None,
    move: bool,
    sha256: str,
    unverified: bool,
    fresh: bool,
) -> None:
    """Take files that you have already into the store: verified, then linked or copied.

    A FOLDER is one laid out as published. Pickles are never taken.
    """
    with _reported():
        terms = Terms(move, unverified, sha256, fresh)
        take(name, sources, Store(weights_root()), _say, path=path, terms=terms)


@weights.command()
@click.argument("name", metavar="ENTRY")
@click.option("--fresh", is_flag=True, help="Make again what is there.")
def quantise(name: str, fresh: bool) -> None:
    """Make quantised weights from fetched ones, a LoRA fused first; nothing is downloaded.

    `pawfect weights fetch` does it too, and fetches before what they are made of.
    """
    with _reported():
        store = Store(weights_root())
        find_entry(store.entries, name)
        from pawfect_export.build import BUILDERS, QUANTISE, build_entry

        possible = [entry for entry, how in BUILDERS.items() if how.function == QUANTISE]
        if name not in possible:
            raise invalid("entry", f"one of {', '.join(possible)}", repr(name))
        with held(store.root, f"fetch-{name}"):
            if fresh or any(store.problems(name)):
                build_entry(name, store, _say)
            else:
                _say(f"{name}: here and whole")


@weights.command()
@click.argument("names", metavar="[PROFILE|ENTRY]...", nargs=-1)
@click.option(
    "--wait",
    "patience_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Wait until another process has fetched them; its digests are not computed again.",
)
def verify(names: tuple[str, ...], patience_s: float | None) -> None:
    """Compute every digest again, of a profile's entries or of all that are here.

    Ends with 1 where something is missing or damaged.
    """
    damaged = []
    with _reported():
        store = Store(weights_root())
        if patience_s is not None:
            _wait(_entries(names, store), store, patience_s)
            return
        here = _here(store)
        for name in _entries(names, store) if names else here:
            problems = list(store.problems(name, rehash=True))
            said = [problem.message for problem in problems] if name in here else ["not here"]
            for message in said if problems else ():
                click.echo(f"{name}: {message}")
            if problems:
                damaged.append(name)
            else:
                by_hand = ", ".join(store.unverified(name))
                said_of = f", but nobody vouches for what was added by hand: {by_hand}"
                click.echo(f"{name}: whole{said_of if by_hand else ''}")
    if damaged:
        click.echo(f"mend with: {FETCH} {' '.join(damaged)}", err=True)
        sys.exit(1)


def _wait(names: Sequence[str], store: Store, patience_s: float) -> None:
    """Return when entries are whole; say what is waited for each time that it changes.

    Raises:
        PawfectError: INVALID_ARG without names, UNAVAILABLE where the time is over.
    """
    if not names:
        raise invalid("--wait", "the names of profiles or entries with it", "none")
    until, said = time.monotonic() + patience_s, ""
    while problem := _first_problem(names, store):
        left = until - time.monotonic()
        if left <= 0:
            raise PawfectError(
                ErrorKind.UNAVAILABLE,
                f"{problem}, for {patience_s:g} s; run `{FETCH} {' '.join(names)}`",
            )
        if problem != said:
            _say(f"waiting for {problem}")
            said = problem
        time.sleep(min(WAIT_PAUSE_S, left))
    _say(f"{', '.join(names)}: whole")


def _first_problem(names: Sequence[str], store: Store) -> str:
    """Return what is wrong first, with its entry; empty where all are whole."""
    found = ((name, problem) for name in names for problem in store.problems(name))
    return next((f"{name}: {problem.message}" for name, problem in found), "")


@weights.command()
@click.argument("entry", required=False)
def path(entry: str | None) -> None:
    """Print the folder of all weights, or of one entry."""
    with _reported():
        store = Store(weights_root())
        click.echo(store.root / find_entry(store.entries, entry).name if entry else store.root)


def _checked_digest(text: str) -> str:
    digest = text.strip().lower()
    if digest and not re.fullmatch("[0-9a-f]{64}", digest):
        raise click.BadParameter(f"expected 64 hexadecimal digits, got {text!r}")
    return digest


def _entries(names: Sequence[str], store: Store, accepted: bool = False) -> tuple[str, ...]:
    """Return the entries of profiles and entries, each once.

    Of a profile without those whose licence is asked about, unless they are here or accepted.

    Raises:
        PawfectError: INVALID_ARG for a name that is neither.
    """
    found: dict[str, None] = {}
    for name in names:
        if name in store.entries:
            found[name] = None
        elif name in profile_names():
            found |= dict.fromkeys(_unasked(name, store, accepted))
        else:
            expected = f"a profile ({', '.join(profile_names())}) or an entry"
            raise invalid("name", f"{expected} ({', '.join(store.entries)})", repr(name))
    return tuple(found)


def _unasked(profile: str, store: Store, accepted: bool) -> Iterator[str]:
    """Return a profile's entries; say which are left out, since their licence is asked about."""
    for name in load_profile(profile).weights.values():
        entry = store.entries[name]
        if not entry.asked or accepted or name in _here(store):
            yield name
        else:
            _say(f"{name}: left out of {profile}; {entry.terms}; `{FETCH} {name}` asks about it")


def _ask(entry: Entry, accepted: bool) -> None:
    """Have a licence accepted that must be.

    Raises:
        PawfectError: CANCELLED where the user refuses, UNAVAILABLE where nobody can be asked.
    """
    if not entry.asked or accepted:
        return
    if not sys.stdin.isatty():
        raise PawfectError(
            ErrorKind.UNAVAILABLE,
            f"{entry.name}: {entry.terms}; to accept it, run "
            f"`{FETCH} {entry.name} --accept-licence`",
        )
    _say(f"{entry.name}: {entry.terms}")
    if not click.confirm("Do you accept it?", err=True):
        raise PawfectError(ErrorKind.CANCELLED, f"{entry.name}: nothing was fetched")


def _here(store: Store) -> list[str]:
    locked = store.lock.read()
    return [name for name in store.entries if name in locked or (store.root / name).exists()]


def _row(entry: Entry, store: Store) -> tuple[str, ...]:
    size = in_words(entry.size)
    if entry.size is None:
        size = f"about {entry.about_gb:g} GB" if entry.about_gb else ""
    problem = next(store.problems(entry.name), None)
    state = "whole"
    if problem:
        state = f"damaged: {problem.message}" if entry.name in _here(store) else "no"
    said = ("yes" if value else "no" for value in (entry.commercial, entry.gated))
    return (entry.name, entry.origin, size, entry.licence, *said, state)


def _say(line: str) -> None:
    click.echo(line, err=True)


@contextmanager
def _reported() -> Iterator[None]:
    """Turn errors into a message and the exit code of the table."""
    try:
        yield
    except PawfectError as error:
        _leave(error.kind, error.message)
    except KeyboardInterrupt:
        _leave(ErrorKind.CANCELLED, "interrupted; the same command goes on from there")
    except OSError as error:
        _leave(ErrorKind.UNAVAILABLE, f"the weights' folder: {error.strerror or error}")


def _leave(kind: ErrorKind, message: str) -> NoReturn:
    # Not the table's meaning: that speaks of a service and its requests.
    click.echo(f"pawfect weights: {message}", err=True)
    sys.exit(TABLE[kind].exit_code)
