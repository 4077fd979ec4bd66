"""The command as a process of its own, which no test leaves behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

PAWFECT = str(Path(sys.executable).parent / "pawfect")
_STARTED: list[subprocess.Popen[str]] = []


def start(arguments: list[str], folder: Path, **how: Any) -> subprocess.Popen[str]:
    """Start `pawfect` in a folder; what it says is read by `communicate`."""
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    _STARTED.append(subprocess.Popen([PAWFECT, *arguments], cwd=folder, **pipes, **how))
    return _STARTED[-1]


def end_all() -> None:
    """Kill what still runs, and print what it said: of a test that failed it tells why."""
    while _STARTED:
        process = _STARTED.pop()
        if process.poll() is None:
            process.kill()
            for said in process.communicate():
                sys.stdout.write(said)
