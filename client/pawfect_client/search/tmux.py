"""`--tmux`: the same command in a tmux session that outlives the terminal.

Windows: pipeline (the search), gpus (what the devices do), logs (a line for each candidate). Each
folder of results has a tmux server of its own, so that the session has this environment and two
runs of one folder cannot stand side by side.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pawfect.contract.errors import invalid

SESSION: Final = "pawfect-search"
LOG: Final = "search.log"
_TMUX: Final = "tmux"
_GPUS: Final = "nvidia-smi"
# Where there is no GPU to look at, the processors are what works.
_PROCESSORS: Final = "top"
_START: Final = "from pawfect.cli import main; main()"
_LIMIT_S: Final = 20.0


class TmuxError(Exception):
    """Why there is no session, in words."""


def server_of(out: Path) -> str:
    """Return the name of the tmux server of a folder of results."""
    digest = hashlib.sha256(str(out.resolve()).encode()).hexdigest()
    return f"{SESSION}-{digest[:8]}"


def start_session(out: Path, log: Path | None, arguments: Sequence[str]) -> str:
    """Start the session of a folder; return the command that shows it.

    Args:
        out: the folder of results, which exists.
        log: where the search adds its lines, as the arguments say; None: they do not.
        arguments: of `pawfect search`, without --tmux.

    Raises:
        TmuxError: tmux is not installed or refuses.
        PawfectError: INVALID_ARG where a run of the folder goes on in its session.
    """
    program = shutil.which(_TMUX)
    if program is None:
        raise TmuxError("tmux is not installed")
    server = server_of(out)
    attach = f"tmux -L {server} attach"

    def tmux(*given: str) -> subprocess.CompletedProcess[str]:
        command = [program, "-L", server, *given]
        try:
            return subprocess.run(
                command, capture_output=True, text=True, timeout=_LIMIT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TmuxError(f"tmux {given[0]}: {type(error).__name__}") from None

    alive = tmux("list-panes", "-t", f"{SESSION}:pipeline", "-F", "#{pane_dead}")
    if alive.returncode == 0:
        if alive.stdout.strip() == "0":
            expected = "a folder that no other run works at"
            raise invalid(out.name, expected, f"one with a session: {attach}")
        tmux("kill-server")
    if log is None:
        log = out / LOG
        arguments = ["--log", str(log), *arguments]
    search = [sys.executable, "-c", _START, "search", *arguments]
    looks = f"{_GPUS} -l 5" if shutil.which(_GPUS) else _PROCESSORS
    # What a window's program said stays to be read when it has ended; set before it can.
    windows = (
        ("start-server", ";", "set-option", "-g", "remain-on-exit", "on", ";")
        + ("new-session", "-d", "-s", SESSION, "-n", "pipeline", "-x", "200", "-y", "50")
        + (shlex.join(search),),
        ("new-window", "-d", "-t", SESSION, "-n", "gpus", looks),
        ("new-window", "-d", "-t", SESSION, "-n", "logs", f"tail -n +1 -F {shlex.quote(str(log))}"),
    )
    for window in windows:
        done = tmux(*window)
        if done.returncode:
            tmux("kill-server")
            raise TmuxError(f"tmux: {done.stderr.strip() or 'it failed'}")
    return attach
