"""Files of the embedded store: a folder, each file there whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.jobs.paths import check_path
from pawfect_service.stores.base import PIECE, OpenedFile, StoredFile, check_length

T = TypeVar("T")

# What is being written; no id starts with a dot. What a crash left there goes after an hour.
_PARTIAL: Final = ".partial"
_STALE_S: Final = 3600.0
# Writings at a time: their threads wait for the disk, which writes down what waits together.
_AT_ONCE: Final = 8
# A folder that others remove while it is empty is made anew so often.
_TRIES: Final = 20


class Folder:
    """`Files` below a folder of this machine; calls run in threads.

    Args:
        root: made if it is missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._partial = root / _PARTIAL
        self._partial.mkdir(parents=True, exist_ok=True)
        self._name = uuid.uuid4().hex
        self._count = itertools.count()
        self._threads = ThreadPoolExecutor(_AT_ONCE, "sessions-files")
        self._tidy()

    def _tidy(self) -> None:
        for left in self._partial.iterdir():
            with contextlib.suppress(OSError):  # another process cleans up too
                if time.time() - left.stat().st_mtime > _STALE_S:
                    left.unlink()

    async def tidy(self) -> None:
        """Remove what processes that were killed over an hour ago were just writing."""
        await self._threaded(self._tidy)

    async def put(self, files: Mapping[str, bytes]) -> None:
        """Write files, each replacing one of that path at once; the type is its name's here."""
        contents = {self._path(path): data for path, data in files.items()}
        await self._threaded(lambda: self._place(contents))

    async def get(self, path: str) -> bytes:
        """Return a file; FileNotFoundError: there is none; INVALID_ARG: it is too long."""
        target = self._path(path)

        def read() -> bytes:
            with target.open("rb") as file:
                check_length(os.fstat(file.fileno()).st_size)
                return file.read()

        return await self._threaded(read)

    async def open(self, path: str) -> OpenedFile:
        """Return a file piece by piece; FileNotFoundError: there is none."""
        return await self._open(self._path(path))

    async def read(self, file: StoredFile) -> OpenedFile:
        """Return a file that was listed piece by piece; FileNotFoundError: there is none."""
        return await self._open(self._root / file.path)

    async def _open(self, target: Path) -> OpenedFile:
        file = await self._threaded(lambda: target.open("rb"))

        async def pieces() -> AsyncIterator[bytes]:
            with file:
                while piece := await self._threaded(lambda: file.read(PIECE)):
                    yield piece

        return OpenedFile(os.fstat(file.fileno()).st_size, pieces())

    async def copy(self, source: str, target: str) -> None:
        """Copy a file at once; FileNotFoundError where there is no source."""
        old, new = self._path(source), self._path(target)
        await self._threaded(lambda: self._place({new: old.read_bytes()}))

    async def delete(self, path: str) -> None:
        """Remove a file; one that is not there is no error."""
        target = self._path(path)

        def unlink() -> None:
            target.unlink(missing_ok=True)
            self._prune(target.parent)

        await self._threaded(unlink)

    async def folders(self, folder: str) -> list[str]:
        """Return the names of the folders that lie in a folder, sorted."""
        below = self._path(folder)

        def found() -> list[str]:
            return sorted(each.name for each in below.iterdir() if each.is_dir())

        try:
            return await self._threaded(found)
        except FileNotFoundError:
            return []

    async def list(self, folder: str) -> list[str]:
        """Return the paths of all files below a folder, sorted."""
        below = self._path(folder)

        def found() -> list[str]:
            # Unlike rglob it goes on where a folder is removed meanwhile.
            files = (Path(at, name) for at, _, names in os.walk(below) for name in names)
            return sorted(path.relative_to(self._root).as_posix() for path in files)

        return await self._threaded(found)

    async def sizes(self, folder: str) -> dict[str, int]:
        """Return the bytes of each file below a folder, by path."""
        below = self._path(folder)
        return await self._threaded(lambda: _sizes(below, f"{folder}/"))

    async def stored(self, folder: str) -> AsyncIterator[StoredFile]:
        """Yield all files below a folder, by path."""
        for path in await self.list(folder):
            if (found := await self._look(path)) is not None:
                yield found

    async def _look(self, path: str) -> StoredFile | None:
        return await self._threaded(lambda: self._seen(path))

    def _seen(self, path: str) -> StoredFile | None:
        try:
            found = (self._root / path).lstat()
        except FileNotFoundError:
            return None
        return StoredFile(path, found.st_size, (found.st_ino, found.st_mtime_ns))

    async def remove(self, file: StoredFile) -> bool:
        """Remove a file as it was listed; what was written under its path since stays."""
        target = self._root / file.path

        def work() -> bool:
            if self._seen(file.path) != file:
                return False
            # Out of the way first: what is moved is looked at where nobody replaces it.
            aside = self._partial / f"{self._name}-{next(self._count)}"
            try:
                os.replace(target, aside)
            except FileNotFoundError:
                return False
            found = aside.lstat()
            same: bool = (found.st_ino, found.st_mtime_ns) == file.version
            if not same:
                with contextlib.suppress(FileExistsError):
                    os.link(aside, target)
            aside.unlink()
            self._prune(target.parent)
            return same

        return await self._threaded(work)

    def _prune(self, folder: Path) -> None:
        """Remove folders that nothing is in any more: their names are people's ids."""
        with contextlib.suppress(OSError):
            while folder != self._root:
                folder.rmdir()
                folder = folder.parent

    async def link(self, path: str, holds_s: float) -> str | None:
        """Return none: a folder has no URLs."""
        return None

    async def _threaded(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise FileNotFoundError("files: expected a file of this path, got none") from error
        except OSError as error:
            raise PawfectError(ErrorKind.UNAVAILABLE, f"files: {error.strerror}") from error

    def _path(self, path: str) -> Path:
        """Return where a path lies; each of its parts is a plain name."""
        return self._root / check_path(path)

    def _place(self, contents: Mapping[Path, bytes]) -> None:
        """Write new files and put them in their places, on the disk before it returns.

        Those of one call wait for the disk together: it writes the second down with the first.
        """
        partials = {to: self._partial / f"{self._name}-{next(self._count)}" for to in contents}
        try:
            with contextlib.ExitStack() as opened:
                files = []
                for to, data in contents.items():
                    files.append(opened.enter_context(partials[to].open("xb")))
                    files[-1].write(data)
                    files[-1].flush()
                for file in files:
                    os.fsync(file.fileno())
            for to, partial in partials.items():
                _move(partial, to)
            for folder in {to.parent for to in contents}:
                with contextlib.suppress(FileNotFoundError):  # deleted already
                    _sync(folder)
        except BaseException:
            for partial in partials.values():
                partial.unlink(missing_ok=True)
            raise


def _sizes(folder: Path, prefix: str) -> dict[str, int]:
    """Return the bytes of each file below a folder; one that vanishes meanwhile is left out."""
    found: dict[str, int] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if entry.is_dir(follow_symlinks=False):
                        found |= _sizes(Path(entry.path), f"{prefix}{entry.name}/")
                    else:
                        found[f"{prefix}{entry.name}"] = entry.stat().st_size
    except FileNotFoundError:
        return {}
    return found


def _move(partial: Path, target: Path) -> None:
    for _ in range(_TRIES):
        try:
            os.replace(partial, target)
            return
        except FileNotFoundError:
            # Or somebody has just removed the folder, which was empty.
            missing = [folder for folder in target.parents if not folder.exists()]
            with contextlib.suppress(FileNotFoundError):
                target.parent.mkdir(parents=True, exist_ok=True)
                for folder in missing:
                    _sync(folder.parent)
    os.replace(partial, target)


def _sync(folder: Path) -> None:
    """Wait until what a folder lists is on the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
