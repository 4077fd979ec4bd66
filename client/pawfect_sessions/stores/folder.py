"""Files of the embedded store: a folder, each file there whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from pawfect.errors import ErrorKind, PawfectError
from pawfect_sessions.documents import check_path

T = TypeVar("T")

# What is being written; no id starts with a dot. What a crash left there goes after an hour.
_PARTIAL: Final = ".partial"
_STALE_S: Final = 3600.0
# Files at a time. Their threads wait for the disk, which writes down together what waits together.
_AT_ONCE: Final = 8


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
        for left in self._partial.iterdir():
            with contextlib.suppress(OSError):  # another process cleans up too
                if time.time() - left.stat().st_mtime > _STALE_S:
                    left.unlink()

    async def put(self, path: str, data: bytes, content_type: str) -> None:
        """Write a file, replacing one of that path at once; the type is its name's here."""
        target = self._path(path)
        await self._threaded(lambda: self._place(target, lambda new: _write(new, data)))

    async def get(self, path: str) -> bytes:
        """Return a file; FileNotFoundError where there is none."""
        return await self._threaded(self._path(path).read_bytes)

    async def copy(self, source: str, target: str) -> None:
        """Copy a file at once; FileNotFoundError where there is no source."""
        old, new = self._path(source), self._path(target)
        await self._threaded(lambda: self._place(new, lambda partial: _copy(old, partial)))

    async def delete(self, path: str) -> None:
        """Remove a file; one that is not there is no error."""
        target = self._path(path)
        await self._threaded(lambda: target.unlink(missing_ok=True))

    async def list(self, folder: str) -> list[str]:
        """Return the paths of all files below a folder, sorted."""
        below = self._path(folder)

        def found() -> list[str]:
            files = (path for path in below.rglob("*") if path.is_file())
            return sorted(path.relative_to(self._root).as_posix() for path in files)

        return await self._threaded(found)

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

    def _place(self, target: Path, write: Callable[[Path], object]) -> None:
        """Write a new file and put it in its place, on the disk before it returns."""
        partial = self._partial / f"{self._name}-{next(self._count)}"
        try:
            write(partial)
            try:
                os.replace(partial, target)
            except FileNotFoundError:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(partial, target)
            _sync(target.parent, os.O_RDONLY)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def _write(new: Path, data: bytes) -> None:
    """Write a file and wait until it is on the disk, in as few calls as that takes.

    Each call that waits lets go of the interpreter and has to get it back.
    """
    opened = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(opened, rest) :]
        os.fsync(opened)
    finally:
        os.close(opened)


def _copy(old: Path, new: Path) -> None:
    shutil.copyfile(old, new)
    _sync(new, os.O_RDWR)


def _sync(path: Path, flags: int) -> None:
    opened = os.open(path, flags)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
