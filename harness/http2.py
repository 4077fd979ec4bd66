"""Which HTTP/2 streams a client has open, read off the bytes that it sends (RFC 9113, 4 and 6)."""

from __future__ import annotations

from typing import Final

from hyperframe.frame import DataFrame, Frame, HeadersFrame, RstStreamFrame

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADER: Final = 9


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
            frame, size = Frame.parse_frame_header(memoryview(self._rest[end : end + _HEADER]))
            if len(self._rest) < end + _HEADER + size:
                break
            if isinstance(frame, HeadersFrame):
                self._open.add(frame.stream_id)
            if isinstance(frame, RstStreamFrame) or "END_STREAM" in frame.flags:
                self._open.discard(frame.stream_id)
            end += _HEADER + size
        frames, self._rest = self._rest[:end], self._rest[end:]
        return frames

    def ends(self) -> bytes:
        """Return the empty DATA frames that end what is open."""
        ends = (DataFrame(stream, flags=["END_STREAM"]) for stream in sorted(self._open))
        return b"".join(frame.serialize() for frame in ends)
