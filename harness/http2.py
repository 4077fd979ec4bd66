"""Which HTTP/2 streams a client has open, read off the bytes that it sends (RFC 9113, 4 and 6)."""

from __future__ import annotations

from typing import Final

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADER: Final = 9
_DATA, _HEADERS, _RST_STREAM = 0, 1, 3
_END_STREAM: Final = 0x1


class ClientFrames:
    """Cuts a client's bytes into whole frames and keeps the streams that it has not ended."""

    def __init__(self) -> None:
        self._rest = b""
        self._preface_left = len(_PREFACE)
        self._open: set[int] = set()

    def whole(self, data: bytes) -> bytes:
        """Return what of all bytes so far, and not yet returned, is whole frames."""
        self._rest += data
        end = min(self._preface_left, len(self._rest))
        self._preface_left -= end
        while not self._preface_left and len(self._rest) >= end + _HEADER:
            header = self._rest[end : end + _HEADER]
            size = int.from_bytes(header[:3])
            if len(self._rest) < end + _HEADER + size:
                break
            self._note(header[3], header[4], int.from_bytes(header[5:]) & 0x7FFFFFFF)
            end += _HEADER + size
        frames, self._rest = self._rest[:end], self._rest[end:]
        return frames

    def _note(self, kind: int, flags: int, stream: int) -> None:
        if kind == _HEADERS:
            self._open.add(stream)
        if kind == _RST_STREAM or (kind in (_DATA, _HEADERS) and flags & _END_STREAM):
            self._open.discard(stream)

    def ends(self) -> bytes:
        """Return the empty DATA frames that end what is open."""
        return b"".join(
            (0).to_bytes(3) + bytes([_DATA, _END_STREAM]) + stream.to_bytes(4)
            for stream in sorted(self._open)
        )
