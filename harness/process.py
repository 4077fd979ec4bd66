"""A process whose output goes to a log: wait until a text stands in it, stop it, start it again."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

import psutil

# The installed program.
PAWFECT: Final = str(Path(sys.executable).parent / "pawfect")
START_S: Final = 90.0
END_S: Final = 90.0


class ProcessError(RuntimeError):
    """A process that ended, or did not say in time what was waited for."""


class LoggedProcess:
    """A process in a session of its own, killed at the end of a `with` block.

    Args:
        command: the program and its arguments.
        log: where its output is added.
        folder: where it runs; by default here.
        environment: all of its variables; by default this process's own.
        stdin: as `subprocess.Popen` takes it.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: int | None = None,
    ) -> None:
        self.log = log
        self._command = command
        self._folder, self._environment, self._stdin = folder, environment, stdin
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *caught: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, anew once it has ended."""
        with self.log.open("ab") as output:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                self._command,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=self._environment,
                stdin=self._stdin,
                start_new_session=True,
            )

    def output(self) -> str:
        """Return what it has said so far."""
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str, times: int = 1, timeout_s: float = START_S) -> float:
        """Return the seconds until its output has `text` so many times.

        Raises:
            ProcessError: it ended, or took too long.
        """
        start = time.monotonic()
        while self.output().count(text) < times:
            ended = self.process.poll()
            if ended is not None or time.monotonic() - start > timeout_s:
                problem = f"no {times}x {text!r} (exit code {ended}) in:\n{self.output()}"
                raise ProcessError(problem)
            time.sleep(0.05)
        return time.monotonic() - start

    def stop(self) -> int:
        """Ask it to end and return its exit code.

        Raises:
            subprocess.TimeoutExpired: it did not end, and was killed.
        """
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(END_S)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once with all that it started, unless it has ended."""
        if self.process.poll() is not None:
            return
        root = psutil.Process(self.process.pid)
        ended = [*root.children(recursive=True), root]
        for process in ended:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(ended, END_S)
        self.process.wait(END_S)
