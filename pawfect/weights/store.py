"""The weights' root: where entries lie, and whether an entry is whole. Works offline."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.weights.lock import ADDED, NOTHING, VERIFIED, LockedEntry, LockedFile, LockFile, now
from pawfect.weights.manifest import BUILT, Entry, find_entry, is_commit, manifest

ROOT_VARIABLE: Final = "PAWFECT_WEIGHTS"
# Bytes read at a time: large enough that hashing, not reading, is what takes the time.
CHUNK: Final = 2**20


def weights_root() -> Path:
    """Return the folder that holds one folder per entry; it need not exist.

    It is PAWFECT_WEIGHTS, else `weights` of the source tree, else `pawfect/weights` of the user's
    cache.
    """
    named = os.environ.get(ROOT_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    tree = Path(__file__).resolve().parents[2]
    if (tree / "pyproject.toml").is_file() and (tree / "model_repository").is_dir():
        return tree / "weights"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "pawfect" / "weights"


@dataclass(frozen=True)
class Problem:
    """What is wrong with an entry's files here.

    Attributes:
        path: of the first file concerned; empty where it is the whole entry.
        message: what was expected and what came.
    """

    path: str
    message: str


class Store:
    """The entries below one root.

    Args:
        root: the weights' root.
        entries: the manifest; None: the package's own.
    """

    def __init__(self, root: Path, entries: Mapping[str, Entry] | None = None) -> None:
        self.root = root
        self.entries = manifest() if entries is None else entries
        self.lock = LockFile(root)

    def folder(self, name: str, *, mend: str) -> Path:
        """Return an entry's folder once all its files are found whole.

        A digest is computed once; after that a file counts as unchanged while its size and time of
        change are as the lock has them.

        Args:
            name: the entry's name.
            mend: the command that mends what is missing or damaged, for the message.

        Raises:
            PawfectError: UNAVAILABLE for a missing or damaged file, INVALID_ARG for a name that is
                not in the manifest.
        """
        for problem in self.problems(name):
            raise PawfectError(
                ErrorKind.UNAVAILABLE, f"weights {name}: {problem.message}; run `{mend}`"
            )
        return self.root / name

    def problems(self, name: str, *, rehash: bool = False) -> Iterator[Problem]:
        """Yield what is wrong with an entry, file by file; nothing where it is whole.

        Args:
            name: the entry's name.
            rehash: whether digests are computed whatever the lock says.

        Raises:
            PawfectError: INVALID_ARG for a name that is not in the manifest, UNAVAILABLE for a
                damaged lock.
        """
        entry = find_entry(self.entries, name)
        locked = self.lock.get(name)
        if entry.kind == BUILT and not locked.files:
            yield Problem("", "expected it built here, got nothing")
            return
        for message in _moved(entry, locked):
            yield Problem("", message)
        paths = locked.files if entry.kind == BUILT else [file.path for file in entry.files]
        for path in paths:
            wrong = self._problem(entry, path, locked.files.get(path), rehash)
            if wrong:
                yield Problem(path, wrong)

    def problem(self, name: str, path: str) -> str | None:
        """Return what is wrong with one file of an entry, or None; raises as `problems` does."""
        return self._problem(
            find_entry(self.entries, name), path, self.lock.get(name).files.get(path), False
        )

    def forget_moved(self, name: str) -> None:
        """Drop what is recorded of an entry that was fetched at another commit than the manifest's.

        Digests that were recorded then bind no more.
        """
        if any(_moved(find_entry(self.entries, name), self.lock.get(name))):
            self.lock.put(name, NOTHING)

    def identity(self, name: str) -> str:
        """Return what tells these weights from any others.

        Args:
            name: the entry's name.

        Returns:
            REPOSITORY@COMMIT or PACKAGE==VERSION, with the file where the entry takes only one of
            it, and with +DIGEST where files were added by hand that nothing could be compared with;
            or NAME@DIGEST of a built entry.

        Raises:
            PawfectError: as `problems` does; UNAVAILABLE for a built entry that is not here.
        """
        entry = find_entry(self.entries, name)
        locked = self.lock.get(name)
        if entry.kind == BUILT:
            if not locked.files:
                raise PawfectError(ErrorKind.UNAVAILABLE, f"weights {name}: not built here")
            return f"{name}@{_digest_of(locked.files)}"
        revision = locked.revisions.get(entry.repository, entry.revision)
        own = [file.path for file in entry.files if file.repository == entry.repository]
        only = f":{own[0]}" if len(own) == 1 else ""
        added = {path: locked.files[path] for path in self.unverified(name)}
        by_hand = f"+{_digest_of(added)}" if added else ""
        return f"{replace(entry, revision=revision).origin}{only}{by_hand}"

    def unverified(self, name: str) -> tuple[str, ...]:
        """Return which files of an entry were added by hand and never compared with the published.

        Raises:
            PawfectError: as `problems` does.
        """
        entry, locked = find_entry(self.entries, name), self.lock.get(name)
        unknown = (file.path for file in entry.files if file.sha256 is None)
        rows = {path: locked.files[path] for path in unknown if path in locked.files}
        return tuple(path for path, row in rows.items() if row.origin == ADDED)

    def _problem(
        self, entry: Entry, path: str, locked: LockedFile | None, rehash: bool
    ) -> str | None:
        """Return what is wrong with one file, or None."""
        whole = self.root / entry.name / path
        if not stays_below(whole, self.root):
            return f"expected {path} inside the weights' folder, got a link out of it"
        try:
            found = whole.stat()
        except (FileNotFoundError, NotADirectoryError):
            return f"expected {path}, got nothing"
        if not whole.is_file():
            return f"expected the file {path}, got something else"
        size, digest = self.expected(entry, path, locked)
        if digest is None:
            return f"{path}: expected a file that was fetched here, got one of unknown digest"
        if size is not None and found.st_size != size:
            return f"{path}: expected {size} bytes, got {found.st_size}"
        unchanged = (
            locked is not None
            and locked.sha256 == digest
            and (locked.size, locked.mtime_ns) == (found.st_size, found.st_mtime_ns)
        )
        if unchanged and not rehash:
            return None
        got = sha256_of(whole)
        if got != digest:
            return f"{path}: expected SHA-256 {digest[:12]}..., got {got[:12]}..."
        if not unchanged:
            self._stamp(entry.name, path, locked, found, digest)
        return None

    def expected(
        self, entry: Entry, path: str, locked: LockedFile | None
    ) -> tuple[int | None, str | None]:
        """Return size and digest that bind a file: the manifest's, else the lock's, else None."""
        size = digest = None
        if entry.kind != BUILT:
            file = entry.file(path)
            size, digest = file.size, file.sha256
        if locked is not None:
            size, digest = size or locked.size, digest or locked.sha256
        return size, digest

    def _stamp(
        self,
        name: str,
        path: str,
        locked: LockedFile | None,
        found: os.stat_result,
        digest: str,
    ) -> None:
        """Note a checked file's time of change; in a root that is read-only it is hashed again."""
        stamped = LockedFile(found.st_size, digest, found.st_mtime_ns, VERIFIED, now())
        if locked is not None and locked.sha256 == digest:
            stamped = replace(stamped, origin=locked.origin, time=locked.time)
        with contextlib.suppress(OSError):
            self.lock.put_file(name, path, stamped)


def sha256_of(path: Path, seen: Callable[[int], None] | None = None) -> str:
    """Return a file's SHA-256, hexadecimal; `seen` is told the bytes of each piece."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
            if seen:
                seen(len(piece))
    return digest.hexdigest()


def locked_now(path: Path, digest: str, origin: str, time: str) -> LockedFile:
    """Return a checked file as the lock has it, with its size and time of change."""
    found = path.stat()
    return LockedFile(found.st_size, digest, found.st_mtime_ns, origin, time)


def locked_folder(folder: Path, origin: str, time: str) -> LockedEntry:
    """Return the lock's entry of a whole folder, every file hashed.

    Raises:
        PawfectError: INTERNAL where a file is a link or there is none.
    """
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise PawfectError(ErrorKind.INTERNAL, f"weights {folder.name}: {path.name} is a link")
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            files[name] = locked_now(path, sha256_of(path), origin, time)
    if not files:
        raise PawfectError(ErrorKind.INTERNAL, f"weights {folder.name}: no file was built")
    return LockedEntry({}, files)


def _moved(entry: Entry, locked: LockedEntry) -> Iterator[str]:
    """Yield the repositories whose files were fetched at another commit than the manifest's."""
    for repository, revision in {(file.repository, file.revision) for file in entry.files}:
        got = locked.revisions.get(repository, revision)
        if is_commit(revision) and got != revision:
            yield f"expected {repository} at {revision[:7]}, got {got[:7]}"


def _digest_of(files: Mapping[str, LockedFile]) -> str:
    """Return a short digest of files by path."""
    digests = {path: file.sha256 for path, file in files.items()}
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:12]


def stays_below(path: Path, root: Path) -> bool:
    """Say whether a path, its links followed, lies below a folder."""
    return path.resolve().is_relative_to(root.resolve())
