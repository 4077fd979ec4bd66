"""Entries of the manifest onto the disk: fetched and verified, or built."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.weights.lock import RECORDED, VERIFIED, LockedEntry, LockedFile, held, now
from pawfect.weights.manifest import BUILT, Entry, WeightsFile, find_entry, is_commit
from pawfect.weights.store import Store, locked_now, sha256_of
from pawfect_export.build import build_entry
from pawfect_export.download import Part, download, mismatch
from pawfect_export.hub import Hub, Remote
from pawfect_export.progress import Watch, in_words

# Left free on the disk beside what is fetched: locks, logs, other programs.
RESERVE_BYTES: Final = 256 * 2**20
PARTS: Final = ".parts"


@dataclass(frozen=True)
class _Wanted:
    """One file to fetch.

    Attributes:
        file: of the manifest, with the lock's size and digest where the manifest has none.
        locked: as it was here before, or None.
        remote: as the hub described it.
        revision: the commit it is fetched at.
        part: where its bytes go first.
    """

    file: WeightsFile
    locked: LockedFile | None
    remote: Remote
    revision: str
    part: Part

    @property
    def missing(self) -> int:
        """Bytes still to come, as far as is known."""
        return max((self.remote.size or self.file.size or 0) - self.part.size, 0)


def fetch(
    names: Iterable[str], store: Store, hub: Callable[[], Hub], watch: Watch, *, fresh: bool = False
) -> None:
    """Fetch or build entries, each whole or with what is missing named.

    Args:
        names: of entries.
        store: where they go.
        hub: returns where they come from; asked only when something is fetched.
        watch: is told how it goes.
        fresh: whether what is there is fetched or built again.

    Raises:
        PawfectError: INVALID_ARG for a name that is not in the manifest, UNAVAILABLE where the hub
            refuses or sends other bytes than expected, or the disk is full.
    """
    entries = [find_entry(store.entries, name) for name in names]

    def bring(source: str) -> None:
        fetch_entry(find_entry(store.entries, source), store, hub(), watch)

    for entry in entries:
        with held(store.root, f"fetch-{entry.name}"):
            if fresh:
                store.lock.put(entry.name, LockedEntry())
                shutil.rmtree(store.root / entry.name, ignore_errors=True)
            if not any(store.problems(entry.name)):
                watch.say(f"{entry.name}: here and whole")
            elif entry.kind == BUILT:
                build_entry(entry.name, store, watch, bring=bring)
            else:
                fetch_entry(entry, store, hub(), watch)


def fetch_entry(entry: Entry, store: Store, hub: Hub, watch: Watch) -> None:
    """Fetch an entry's missing and damaged files; the caller holds the entry.

    Args:
        entry: a fetched one.
        store: where it goes.
        hub: where it comes from.
        watch: is told how it goes.

    Raises:
        PawfectError: as `fetch` does.
    """
    note = f": {entry.licence_note}" if entry.licence_note else ""
    watch.say(f"{entry.name}: licence {entry.licence}{note}")
    locked = store.lock.get(entry.name)
    revisions = _known_revisions(entry, locked)
    if any(locked.revisions.get(name, commit) != commit for name, commit in revisions.items()):
        # Another commit than before: the digests that were recorded then bind no more.
        store.lock.put(entry.name, LockedEntry(revisions))
    damaged = {problem.path for problem in store.problems(entry.name)}
    files = [file for file in entry.files if file.path in damaged]
    wanted = [_describe(file, revisions, store, entry, hub) for file in files]
    if not entry.pinned and entry.repository not in locked.revisions:
        commit = revisions[entry.repository]
        watch.say(f"{entry.name}: {entry.repository} is not pinned; recorded its commit {commit}")
    store.lock.put(entry.name, LockedEntry(revisions, store.lock.get(entry.name).files))
    wanted = [item for item in wanted if not _adopted(item, entry, store, watch)]
    _check_space(store.root, sum(item.missing for item in wanted), entry.name)
    for item in wanted:
        seen = watch.begin(
            f"{entry.name}/{item.file.path}", item.remote.size or item.file.size, item.part.size
        )
        digest = download(item.file, item.revision, item.remote, item.part, hub, seen)
        target = store.root / entry.name / item.file.path
        item.part.move_to(target)
        _record(item, target, digest, entry, store, watch)
    shutil.rmtree(store.root / PARTS / entry.name, ignore_errors=True)
    for problem in store.problems(entry.name):
        raise PawfectError(ErrorKind.UNAVAILABLE, f"weights {entry.name}: {problem.message}")
    watch.say(f"{entry.name}: whole")


def _known_revisions(entry: Entry, locked: LockedEntry) -> dict[str, str]:
    """Return the commit by repository: the manifest's, else the one taken at the first fetch."""
    revisions = {}
    for file in entry.files:
        if is_commit(file.revision):
            revisions[file.repository] = file.revision
        elif file.repository in locked.revisions:
            revisions[file.repository] = locked.revisions[file.repository]
    return revisions


def _describe(
    file: WeightsFile, revisions: dict[str, str], store: Store, entry: Entry, hub: Hub
) -> _Wanted:
    """Ask the hub about one file; a branch is resolved once and its commit noted in `revisions`."""
    revision = revisions.get(file.repository, file.revision)
    remote = hub.describe(file, revision)
    if not is_commit(revision):
        revision = revisions[file.repository] = str(remote.commit)
    locked = store.lock.get(entry.name).files.get(file.path)
    size, digest = store.expected(entry, file.path, locked)
    bound = replace(file, size=size, sha256=digest)
    part = Part(store.root / PARTS / entry.name / f"{file.path}.part")
    return _Wanted(bound, locked, remote, revision, part)


def _adopted(item: _Wanted, entry: Entry, store: Store, watch: Watch) -> bool:
    """Say whether the file is already in its place, put there by other means, and whole."""
    target = store.root / entry.name / item.file.path
    if target.is_symlink() or not target.is_file():
        return False
    if item.remote.size is not None and target.stat().st_size != item.remote.size:
        return False
    digest = sha256_of(target)
    known = item.file.sha256 or item.remote.etag
    if not known or mismatch(target, digest, item.file, item.remote):
        return False
    item.part.drop()
    _record(item, target, digest, entry, store, watch)
    return True


def _record(
    item: _Wanted, target: Path, digest: str, entry: Entry, store: Store, watch: Watch
) -> None:
    """Write a whole file into the lock."""
    path, before = item.file.path, item.locked
    row = locked_now(target, digest, RECORDED, now())
    if entry.file(path).sha256:
        row = replace(row, origin=VERIFIED)
    elif before is not None:
        row = replace(row, origin=before.origin, time=before.time)
    else:
        watch.say(f"{entry.name}/{path}: its digest was not known; recorded {digest}")
    store.lock.put_file(entry.name, path, row)


def _check_space(root: Path, needed: int, name: str) -> None:
    free = shutil.disk_usage(root).free
    if needed and free < needed + RESERVE_BYTES:
        raise PawfectError(
            ErrorKind.UNAVAILABLE,
            f"weights {name}: expected {in_words(needed + RESERVE_BYTES)} of free disk space, got "
            f"{in_words(free)}; free some, or choose another disk with PAWFECT_WEIGHTS",
        )
