"""What the models' processes of one run of the server are given, and share on disk."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

from pawfect_triton.metrics import STARTED_VARIABLE
from pawfect_triton.waiting import FOLDER_VARIABLE

# numba's own: where compiled code is kept. Unset: beside the package, else in the user's cache.
CODE_VARIABLE: Final = "NUMBA_CACHE_DIR"
# glibc's own: each thread that asks while others do gets a heap of its own, up to eight a core, and
# keeps in it what its largest request left. Measured with `refine`, three callers on two cores:
# 369 MB and growing without a bound, 240 and standing still with two, at the same pace.
HEAPS_VARIABLE: Final = "MALLOC_ARENA_MAX"
HEAPS: Final = 2


def model_environment(folder: Path) -> dict[str, str]:
    """Return the variables of the models' processes.

    Args:
        folder: of this run; what they share is made in it.
    """
    waiting = folder / "waiting"
    waiting.mkdir(exist_ok=True)
    return {
        # Requests run side by side, one core each: more threads would only fight.
        "OPENCV_FOR_THREADS_NUM": "1",
        "OMP_NUM_THREADS": "1",
        HEAPS_VARIABLE: str(HEAPS),
        FOLDER_VARIABLE: str(waiting),
        STARTED_VARIABLE: f"{time.time():.3f}",
        **_compiled_code(folder),
    }


def _compiled_code(folder: Path) -> dict[str, str]:
    """Copy compiled code that cannot be added to: numba reads none that it could not write."""
    given = os.environ.get(CODE_VARIABLE)
    if not given or _writable(Path(given)):
        return {}
    own = folder / "compiled"
    if Path(given).is_dir():
        shutil.copytree(given, own, copy_function=shutil.copyfile, dirs_exist_ok=True)
        for directory in (own, *own.iterdir()):
            # copytree gives folders the mode of what they are a copy of.
            directory.chmod(0o700)
    else:
        own.mkdir(exist_ok=True)
    return {CODE_VARIABLE: str(own)}


def _writable(folder: Path) -> bool:
    """Try it as numba does; it makes the folder where it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True
