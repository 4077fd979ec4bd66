"""The lock: what was fetched or built here, file by file, as `weights.lock.json` in the root."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.files import write_whole
from pawfect.contract.tables import TableError, one_of, read_table
from pawfect.weights.manifest import Sha256, check_path

LOCK_NAME: Final = "weights.lock.json"
VERSION: Final = 1

# Where a digest comes from.
VERIFIED: Final = "manifest"
RECORDED: Final = "first fetch"
BUILT_HERE: Final = "build"
ADDED: Final = "added by hand"
ORIGINS: Final = (VERIFIED, RECORDED, BUILT_HERE, ADDED)


@dataclass(frozen=True)
class LockedFile:
    """One file as it was when its digest was last checked.

    Attributes:
        size: bytes.
        sha256: hexadecimal digest.
        mtime_ns: time of the last change, ns; with the size it stands for the digest until either
            changes.
        origin: `manifest` (the digest is the manifest's), `first fetch` (it was not known before),
            `build`, or `added by hand` (it was not known, and no hub stood for the file).
        time: when it was first here, ISO 8601, UTC.
    """

    size: int
    sha256: Sha256
    mtime_ns: int
    origin: Annotated[str, one_of(*ORIGINS)]
    time: str


@dataclass(frozen=True)
class LockedEntry:
    """One entry's files here.

    Attributes:
        revisions: the commit by repository that files were fetched from; empty for a built entry.
        files: by path below the entry's folder.
    """

    revisions: Mapping[str, str]
    files: Mapping[str, LockedFile]

    def with_file(self, path: str, file: LockedFile) -> LockedEntry:
        """Return the entry with one file added or replaced."""
        return replace(self, files={**self.files, path: file})


NOTHING: Final = LockedEntry({}, {})


@dataclass(frozen=True)
class _Lock:
    version: int
    entries: Mapping[str, LockedEntry]


def now() -> str:
    """Return the time as the lock writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class LockFile:
    """The lock of one root.

    Args:
        root: the weights' root; need not exist for reading.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.path = root / LOCK_NAME

    def read(self) -> Mapping[str, LockedEntry]:
        """Return the entries by name; none where there is no lock.

        Raises:
            PawfectError: UNAVAILABLE where the file is not a lock.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        try:
            return _parsed(json.loads(content.decode("utf-8")))
        except (ValueError, RecursionError) as error:
            raise PawfectError(
                ErrorKind.UNAVAILABLE,
                f"{LOCK_NAME}: expected a lock of weights, got a damaged one "
                f"({type(error).__name__}); remove it and fetch again",
            ) from None

    def get(self, name: str) -> LockedEntry:
        """Return one entry, empty where it is not in the lock; raises as `read` does."""
        return self.read().get(name, NOTHING)

    def put(self, name: str, entry: LockedEntry) -> None:
        """Replace one entry; the other entries stay as whoever wrote last left them."""
        with held(self._root, LOCK_NAME):
            self._write({**self.read(), name: entry})

    def put_file(self, name: str, path: str, file: LockedFile) -> None:
        """Replace one file of an entry."""
        with held(self._root, LOCK_NAME):
            entries = self.read()
            self._write({**entries, name: entries.get(name, NOTHING).with_file(path, file)})

    def _write(self, entries: Mapping[str, LockedEntry]) -> None:
        rows = {
            name: {
                "revisions": dict(entry.revisions),
                "files": {path: asdict(file) for path, file in entry.files.items()},
            }
            for name, entry in entries.items()
        }
        content = {"version": VERSION, "entries": rows}
        text = json.dumps(content, indent=2, sort_keys=True) + "\n"
        write_whole(self.path, text.encode())


@contextlib.contextmanager
def held(root: Path, what: str) -> Iterator[None]:
    """Hold `what` of a root against other processes and threads while the block runs.

    Args:
        root: made where it is missing.
        what: a file's or an entry's name.
    """
    folder = root / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / what).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _parsed(content: Any) -> Mapping[str, LockedEntry]:
    lock = read_table(_Lock, content)
    if lock.version != VERSION:
        raise TableError("version", str(VERSION), lock.version)
    for entry in lock.entries.values():
        for path in entry.files:
            check_path(path)
    return lock.entries
