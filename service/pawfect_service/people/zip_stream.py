"""A ZIP that is written piece by piece to whoever reads it, whatever its length."""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import IO, Any, Final, cast

# Names that Windows has for devices, in any case and with any ending.
_DEVICES: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(10))}
)
# What Windows takes for something else in a name, and what ends a path on any system.
_FORBIDDEN: Final = frozenset('<>:"\\|?*')
_LONGEST_PART: Final = 150


@dataclass(frozen=True)
class Written:
    """An entry that was written.

    Attributes:
        path: in the ZIP.
        size: bytes.
        sha256: of its content, hexadecimal.
    """

    path: str
    size: int
    sha256: str


class _Sink:
    """Takes what the archive writes until it is fetched; it cannot seek."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep data."""
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: all is kept."""

    def take(self) -> bytes:
        """Return what was written since the last time."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data


class ZipStream:
    """Entries in, bytes out: at most one piece of one entry is in memory.

    The format is PKWARE's APPNOTE.TXT 6.3.9: sizes and CRC stand behind each entry's data, and in
    the ZIP64 form, so that an entry may have any length.

    Args:
        off_loop: runs CPU work in a thread.
    """

    def __init__(self, off_loop: Callable[..., Awaitable[Any]]) -> None:
        self._sink = _Sink()
        # It needs no more of a file than that.
        self._zip = zipfile.ZipFile(cast("IO[bytes]", self._sink), "w", allowZip64=True)
        self._off_loop = off_loop
        self._paths: set[str] = set()
        self.written: list[Written] = []

    async def entry(
        self, path: str, pieces: AsyncGenerator[bytes, None], *, packed: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of an entry.

        Args:
            path: of it; what some system cannot have as a name is changed.
            pieces: of its content; closed at the end, whatever ended it.
            packed: whether it is compressed; pictures are already.
        """
        own = self._own(path)
        info = zipfile.ZipInfo(own, time.gmtime()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        info.external_attr = 0o600 << 16
        digest, size = hashlib.sha256(), 0
        async with aclosing(pieces):
            with self._zip.open(info, "w", force_zip64=True) as entry:

                def add(piece: bytes) -> bytes:
                    entry.write(piece)
                    digest.update(piece)
                    return self._sink.take()

                async for piece in pieces:
                    size += len(piece)
                    yield await self._off_loop(add, piece)
        self.written.append(Written(own, size, digest.hexdigest()))
        yield self._sink.take()

    def end(self) -> bytes:
        """Return the last bytes: the list of the entries."""
        self._zip.close()
        return self._sink.take()

    def _own(self, path: str) -> str:
        """Return a name that no other entry has, on a system without upper and lower case too."""
        name = safe_path(path)
        stem, dot, ending = (
            name.rpartition(".") if "." in name.rpartition("/")[2] else (name, "", "")
        )
        number, own = 1, name
        while own.casefold() in self._paths:
            number += 1
            own = f"{stem}~{number}{dot}{ending}"
        self._paths.add(own.casefold())
        return own


def safe_path(path: str) -> str:
    """Return a path that is one below the folder in which it is unpacked, on any system."""
    return "/".join(map(_safe_part, path.split("/")))


def _safe_part(part: str) -> str:
    plain = "".join("_" if each in _FORBIDDEN or not each.isprintable() else each for each in part)
    plain = plain[-_LONGEST_PART:]
    if plain != plain.rstrip(". "):
        plain = f"{plain.rstrip('. ')}_"
    device = plain.partition(".")[0].rstrip().casefold() in _DEVICES
    return f"_{plain}" if device or not plain or plain.startswith(" ") else plain
