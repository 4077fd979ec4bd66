"""What a killed server leaves: its folder and its shared memory, removed when another one starts.

A server that is told to end removes both. One that is killed cannot: each time 17 models leave
some 70 MB of shared memory, which nothing frees before the machine starts anew. So the folder of a
run holds a file that its processes keep locked: where nobody holds the lock, all of them are gone.
A model's process that was just starting when its server died does not notice: it is ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import re
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import Final

import psutil

from pawfect_triton.installation import SHM_FOLDER

# What folders of runs begin with; shared memory is named after them.
PREFIX: Final = "pawfect-"
# What `tempfile.mkdtemp` makes of it. Others can make folders beside runs: a name that is another
# run's beginning, or a pattern, would free what a living run holds.
_NAME: Final = re.compile(re.escape(PREFIX) + r"[a-z0-9_]{8}")
_LOCK: Final = "running"
# Triton's own names, as far as the kernel keeps them.
_SERVER: Final = "tritonserver"
_STUB: Final = "triton_python_b"
# A killed process is gone within, s.
_GONE_S: Final = 5.0
_LOOK_S: Final = 0.02


def hold(folder: Path) -> int:
    """Return the descriptor that keeps a run's folder; its processes are to inherit it.

    Args:
        folder: of the run, new and empty.

    Raises:
        OSError: the file cannot be written.
    """
    # Locked before it has its name: nobody finds it without its lock.
    making = folder / f".{_LOCK}"
    lock = os.open(making, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.replace(making, folder / _LOCK)
    return lock


def sweep(folders: Path | None = None) -> list[str]:
    """Remove what this user's dead runs have left; return their names.

    Args:
        folders: where runs have their folders; None: where temporary files are.
    """
    swept = []
    place = Path(folders or tempfile.gettempdir())
    _end_orphans(place)
    for folder in place.glob(f"{PREFIX}*"):
        # Another's, or gone meanwhile: its own user sees to it.
        with contextlib.suppress(OSError):
            if _is_own(folder) and _is_dead(folder):
                free(folder.name)
                shutil.rmtree(folder, ignore_errors=True)
                swept.append(folder.name)
    return swept


def free(run: str) -> None:
    """Remove a run's shared memory."""
    for region in SHM_FOLDER.glob(f"{glob.escape(run)}*"):
        with contextlib.suppress(OSError):
            region.unlink(missing_ok=True)


def _is_own(folder: Path) -> bool:
    """Say whether a folder is one that this user's runs make, not a link to one.

    Raises:
        OSError: it is not there.
    """
    made = folder.lstat()
    own = stat.S_ISDIR(made.st_mode) and made.st_uid == os.geteuid()
    return own and _NAME.fullmatch(folder.name) is not None


def _is_dead(folder: Path) -> bool:
    """Say whether a run's processes are gone; a folder without the file is nobody's that we know.

    Raises:
        OSError: the file is not there, or another user's.
    """
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def _end_orphans(folders: Path) -> None:
    """Kill the models' processes that have outlived their server, of runs in these folders."""
    runs, orphans = f"{folders}/{PREFIX}", []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if not process.name().startswith(_STUB) or _is_served(process):
                continue
            if any(word.startswith(runs) and "/models/" in word for word in process.cmdline()):
                process.kill()
                orphans.append(process)
    until = time.monotonic() + _GONE_S
    while any(map(_runs, orphans)) and time.monotonic() < until:
        time.sleep(_LOOK_S)


def _runs(process: psutil.Process) -> bool:
    """Say whether a process runs; one whose parent does not look after it stays as a zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is_served(process: psutil.Process) -> bool:
    parent = process.parent()
    return parent is not None and parent.name() == _SERVER
