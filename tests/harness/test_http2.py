"""Streams that a broken connection leaves open, at every place where it can break."""

from __future__ import annotations

import pytest

from harness.relay import ClientFrames

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


# SETTINGS; a call that is ended by its DATA, one by its HEADERS, one reset, and one left open.
FRAMES = [
    frame(4, 0, 0, bytes(6)),
    frame(1, 4, 1, b"head"),
    frame(0, 1, 1, b"body"),
    frame(1, 5, 3, b"head"),
    frame(1, 4, 5, b"head"),
    frame(3, 0, 5, bytes(4)),
    frame(1, 4, 7, b"head"),
    frame(0, 0, 7, b"body"),
]
SENT = PREFACE + b"".join(FRAMES)


@pytest.mark.parametrize("step", [1, 2, 7, len(SENT)])
def test_only_the_stream_that_nobody_ended_is_ended_and_no_byte_is_lost(step):
    frames = ClientFrames()
    passed = b"".join(frames.whole(SENT[at : at + step]) for at in range(0, len(SENT), step))
    assert passed == SENT
    assert frames.ends() == frame(0, 1, 7)


@pytest.mark.parametrize("end", range(len(PREFACE), len(SENT)))
def test_a_frame_that_breaks_off_is_held_back(end):
    whole = PREFACE
    for one in FRAMES:
        if len(whole + one) > end:
            break
        whole += one
    assert ClientFrames().whole(SENT[:end]) == whole
