"""A process with a log: what is waited for, and how it ends."""

from __future__ import annotations

import sys

import psutil
import pytest

from harness.process import LoggedProcess, ProcessError

CHILD = "import time; print('ready', flush=True); time.sleep(60)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"


def test_it_is_killed_with_all_that_it_started_and_can_start_again(tmp_path):
    with LoggedProcess([sys.executable, "-c", PARENT], tmp_path / "log") as running:
        for times in (1, 2):
            running.wait_for("ready", times)
            family = psutil.Process(running.process.pid).children()
            running.kill()
            assert psutil.wait_procs(family, 5)[1] == []
            running.start()


def test_one_that_ended_is_not_waited_for(tmp_path):
    with LoggedProcess([sys.executable, "-c", CHILD], tmp_path / "log") as running:
        assert running.wait_for("ready") > 0
        assert running.stop() == -15
        with pytest.raises(ProcessError, match=r"no 1x 'never' \(exit code -15\) in:\nready"):
            running.wait_for("never")
