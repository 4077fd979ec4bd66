"""What a process of Triton holds in memory, without what it keeps answers in."""

from __future__ import annotations

from typing import Final

import psutil

from pawfect_triton.server import CACHE_BYTES

# What glibc adds to a large piece of memory: a page, of which it needs 16 bytes.
_CHUNK: Final = 4096


def resident(process: psutil.Process) -> int:
    """Return the resident memory of Triton, bytes, without its response cache.

    The cache is 64 MiB that are set aside at its start. Its pages are resident once there were
    answers to keep in them, so that it grows for minutes, and then no more.

    Args:
        process: Triton, or any other, which has no such cache.
    """
    cached = sum(
        int(each.rss)
        for each in process.memory_maps(grouped=False)
        if each.path == "[anon]" and each.size == CACHE_BYTES + _CHUNK
    )
    return int(process.memory_info().rss) - cached
