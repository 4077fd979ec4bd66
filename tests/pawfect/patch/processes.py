"""Python in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable


def run(*arguments: str, before: Callable[[], None] | None = None, **environment: str) -> list[str]:
    """Run this Python and return its lines; `before` is called in the new process."""
    ended = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | environment,
        preexec_fn=before,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()
