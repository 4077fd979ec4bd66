"""Files that the user has into the store: compared with what is known, linked or copied."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.weights.lock import ADDED, VERIFIED, LockedFile, held, now
from pawfect.weights.manifest import BUILT, Entry, find_entry
from pawfect.weights.store import Store, locked_now, sha256_of, stays_below
from pawfect_export.given import Given, check_format, matched
from pawfect_export.progress import Say, in_words
from pawfect_export.space import PARTS, check_space

# linux/fs.h: makes one file share another's blocks until either changes (Btrfs, XFS, bcachefs).
_FICLONE: Final = 0x40049409
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# As many files as a message lists.
_LISTED: Final = 3


@dataclass(frozen=True)
class Terms:
    """On which terms files are taken.

    Attributes:
        move: whether the user's own file goes once it is in the store.
        unverified: whether a file is taken of which no digest is known.
        sha256: digest of the one file, from its publisher's page, or empty.
        fresh: whether what is there, and what was recorded of it, is replaced.
    """

    move: bool = False
    unverified: bool = False
    sha256: str = ""
    fresh: bool = False


def add(
    name: str,
    sources: Sequence[Path],
    store: Store,
    say: Say,
    *,
    path: str | None = None,
    terms: Terms | None = None,
) -> None:
    """Take files of a published entry that the user has into the store, each whole or not at all.

    What is cheap to see (names, sizes, formats) is looked at for all of them before any is taken.
    A digest that is known, the manifest's or the lock's, is compared. One that is not known makes
    the file an unverified one: it is refused unless the terms say otherwise, because from then on
    the recorded digest would pass for the published one.

    Args:
        name: of the entry.
        sources: files, or folders laid out as published.
        store: where they go.
        say: is told how it goes.
        path: see `matched`.
        terms: None: the careful ones.

    Raises:
        PawfectError: INVALID_ARG for a file that is not the entry's, UNAVAILABLE for a full disk.
    """
    terms = terms or Terms()
    entry = find_entry(store.entries, name)
    if entry.kind == BUILT:
        got = f"{name}, which is built here; run `pawfect weights fetch {name}`"
        raise invalid("entry", "one whose files are published", got)
    given = matched(entry, sources, path)
    if terms.sha256 and len(given) != 1:
        raise invalid("--sha256", "one file with it", len(given))
    with held(store.root, f"fetch-{name}"):
        store.forget_moved(name)
        wanted = [one for one in given if terms.fresh or store.problem(name, one.path)]
        for one in given:
            if one not in wanted:
                say(f"{name}/{one.path}: here and whole, nothing to do")
        _check(wanted, entry, store, terms)
        if wanted:
            say(f"{name}: {entry.terms}")
        for one in wanted:
            _take(one, entry, store, terms, say)
        _say_what_is_missing(name, store, say)


def _check(wanted: Sequence[Given], entry: Entry, store: Store, terms: Terms) -> None:
    """See what can be seen without reading whole files; nothing is taken yet."""
    unknown = []
    for one in wanted:
        if terms.move and one.source.is_symlink():
            raise invalid(one.source.name, "a file to move", "a link to one; leave --move out")
        check_format(one)
        size, digest = _known(one, entry, store, terms)
        if size is not None and one.size != size:
            raise invalid(one.source.name, f"{size} bytes", one.size)
        if not (digest or terms.unverified):
            unknown.append(one.path)
    if unknown:
        more = f" and {len(unknown) - _LISTED} more" if len(unknown) > _LISTED else ""
        raise invalid(
            entry.name,
            "files whose digest is known",
            f"{', '.join(unknown[:_LISTED])}{more}, which can be recorded but not verified: give "
            "--sha256 with the digest that the publisher's page shows, or --unverified to trust "
            f"where it came from (`pawfect weights fetch {entry.name}` compares with the hub)",
        )


def _known(one: Given, entry: Entry, store: Store, terms: Terms) -> tuple[int | None, str | None]:
    """Return size and SHA-256 that a file must have, as far as they are known."""
    locked = None if terms.fresh else _locked(one, entry, store)
    size, digest = store.expected(entry, one.path, locked)
    if digest and terms.sha256 and digest != terms.sha256:
        raise invalid("--sha256", f"{digest}, which is known of {one.path}", terms.sha256)
    return size, digest or terms.sha256 or None


def _locked(one: Given, entry: Entry, store: Store) -> LockedFile | None:
    return store.lock.get(entry.name).files.get(one.path)


def _take(one: Given, entry: Entry, store: Store, terms: Terms, say: Say) -> None:
    """Bring one file into its place, compare it there, and write it into the lock."""
    target = store.root / entry.name / one.path
    if not stays_below(target, store.root):
        raise invalid(one.path, "a place inside the weights' folder", "a link out of it")
    _, expected = _known(one, entry, store, terms)
    say(f"adding {entry.name}/{one.path} ({in_words(one.size)})")
    if target.exists() and one.source.samefile(target):
        digest, way = sha256_of(target), "already in its place"
        _compare(one, digest, expected)
    else:
        part = store.root / PARTS / entry.name / f"{one.path}.added"
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            way = _bring(one, part, entry, store)
            digest = sha256_of(part)
            _compare(one, digest, expected)
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    _record(one, digest, entry, store, terms, say, way)
    if terms.move and one.source.resolve() != target.resolve():
        one.source.unlink()


def _bring(one: Given, part: Path, entry: Entry, store: Store) -> str:
    """Make the part the user's file: shared blocks or a hard link where they can be, else a copy.

    Returns:
        How, for people.
    """
    # Of an add that was killed.
    part.unlink(missing_ok=True)
    source = one.source.resolve()
    try:
        with source.open("rb") as file, part.open("xb") as out:
            fcntl.ioctl(out, _FICLONE, file.fileno())
        return "blocks shared"
    except OSError:
        part.unlink(missing_ok=True)
    try:
        os.link(source, part)
        return "linked"
    except OSError:
        part.unlink(missing_ok=True)
    check_space(store.root, one.size, entry.name)
    try:
        shutil.copyfile(source, part)
        with part.open("rb+") as out:
            os.fsync(out.fileno())
        return "copied"
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise PawfectError(
            ErrorKind.UNAVAILABLE,
            f"weights {entry.name}: expected room for {one.path} ({in_words(one.size)}), got "
            f"{(error.strerror or 'a full disk').lower()}; free some, or choose another disk with "
            "PAWFECT_WEIGHTS",
        ) from None


def _compare(one: Given, digest: str, expected: str | None) -> None:
    if expected is not None and digest != expected:
        raise invalid(
            one.source.name,
            f"{one.path} of SHA-256 {expected}",
            f"{digest}: another file or a damaged one; it was not taken",
        )


def _record(
    one: Given, digest: str, entry: Entry, store: Store, terms: Terms, say: Say, way: str
) -> None:
    """Write a file that is in its place into the lock, and say what is known of it."""
    target, before = store.root / entry.name / one.path, _locked(one, entry, store)
    if entry.file(one.path).sha256:
        origin, said = VERIFIED, "verified by the manifest"
    elif before is not None and not terms.fresh:
        origin, said = before.origin, f"as recorded ({before.origin}, {before.time})"
    else:
        origin = ADDED
        said = "verified by --sha256" if terms.sha256 else "NOT verified, its digest recorded"
    store.lock.put_file(entry.name, one.path, locked_now(target, digest, origin, now()))
    say(f"{entry.name}/{one.path}: {way}; {said}: SHA-256 {digest}")


def _say_what_is_missing(name: str, store: Store, say: Say) -> None:
    problems = list(store.problems(name))
    if not problems:
        shutil.rmtree(store.root / PARTS / name, ignore_errors=True)
        say(f"{name}: whole")
        return
    listed = "; ".join(problem.message for problem in problems[:_LISTED])
    more = f" and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
    say(f"{name}: not whole yet: {listed}{more}; add them, or run `pawfect weights fetch {name}`")
