"""A wall clock that steps for some processes alone; the machine's own stays as it is."""

from __future__ import annotations

import ctypes.util
import mmap
import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_SOURCE: Final = Path(__file__).with_name("stepped_clock.c")
VARIABLE: Final = "PAWFECT_SOAK_CLOCK"
_FORMAT: Final = "d"


class SteppedClock:
    """The offset of a wall clock, s, shared with the processes that were started with it.

    A shim of three functions in place of libfaketime: nothing is downloaded, and steady clocks and
    waits, which a real step leaves alone too, are not touched.

    Args:
        folder: where the library and the offset's file are made.

    Attributes:
        why_none: why there is none here; None: there is one.
    """

    def __init__(self, folder: Path) -> None:
        self.why_none = _why_none()
        self._library, self._file = folder / "stepped_clock.so", folder / "clock_offset"
        self._file.write_bytes(struct.pack(_FORMAT, 0.0))
        if self.why_none is None:
            command = [_compiler() or "cc", "-shared", "-fPIC", "-O2", "-o", str(self._library)]
            made = subprocess.run(
                [*command, str(_SOURCE), "-lm"], capture_output=True, text=True, check=False
            )
            if made.returncode:
                self.why_none = f"the shim does not compile: {made.stderr.strip()[:200]}"

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables of a process that goes by this clock."""
        if self.why_none is not None:
            return {}
        return {"LD_PRELOAD": str(self._library.resolve()), VARIABLE: str(self._file.resolve())}

    @property
    def offset_s(self) -> float:
        """What is added to the machine's clock, s."""
        (found,) = struct.unpack(_FORMAT, self._file.read_bytes())
        return float(found)

    def step(self, to_s: float) -> None:
        """Have the clock go wrong by so many s, from now on, at once for all."""
        with self._file.open("r+b") as file, mmap.mmap(file.fileno(), 0) as page:
            page[:] = struct.pack(_FORMAT, to_s)


def _compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc")


def _why_none() -> str | None:
    if sys.platform != "linux" or not ctypes.util.find_library("c"):
        return "clocks step on Linux alone"
    return None if _compiler() else "no C compiler: the shim for clocks is compiled on the spot"
