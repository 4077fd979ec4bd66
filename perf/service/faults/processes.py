"""The processes of the run: server, API and workers, started, killed and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psutil

_RUN: Final = "from pawfect.cli import main; main()"
_ENDS_S: Final = 30.0


class Command:
    """One `pawfect` command in a process group of its own, its output in a file.

    Args:
        arguments: of `pawfect`.
        environment: beside this process's own.
        log: is added to.
    """

    def __init__(self, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._arguments = arguments
        self._environment = {**os.environ, **environment}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it runs until `kill` or `stop`."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _RUN, *self._arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether it has neither ended nor been killed."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it and all that it started at once: nothing is put in order before."""
        if self._process is None or not self.running:
            return
        root = psutil.Process(self._process.pid)
        ended = [*root.children(recursive=True), root]
        for process in ended:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(ended, _ENDS_S)
        self._process.wait(_ENDS_S)

    def stop(self) -> None:
        """Ask it to end, and make it after a while."""
        if self._process is None or not self.running:
            return
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDS_S)
        self.kill()
