"""The fill of another checkout of this project, in a process of its own with its own Python."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Self

import numpy as np

from perf.quality.checkout_child import read_array
from perf.quality.methods import Method, Outcome
from perf.quality.removal import Removal

CHILD = Path(__file__).with_name("checkout_child.py")
SEED = 0


class Checkout:
    """A process that fills by another checkout's code; ends with the `with` block.

    Args:
        folder: the checkout, with its environment in `.venv`.

    Attributes:
        commit: the checkout's commit, abbreviated.

    Raises:
        ValueError: the folder is no checkout, or has no environment.
    """

    def __init__(self, folder: Path) -> None:
        folder = folder.resolve()
        python = folder / ".venv/bin/python"
        if not python.exists() or not (folder / "pawfect/patch").is_dir():
            raise ValueError("expected a checkout of this project with its .venv, got none")
        self.commit = _commit(folder)
        # -P: this file's own folder is not searched for imports.
        self._process = subprocess.Popen(
            [str(python), "-P", str(CHILD)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *caught: object) -> None:
        self._process.communicate()

    def fill(self, removal: Removal) -> Outcome:
        """Fill a removal; its seconds are measured in the other process.

        Raises:
            RuntimeError: the fill raised, or the process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        height, width = removal.hole.shape
        protect = removal.unknown
        request = {"height": height, "width": width, "protect": protect is not None, "seed": SEED}
        parts = [removal.photo, removal.hole, *([] if protect is None else [protect])]
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            for part in parts:
                self._process.stdin.write(np.ascontiguousarray(part).tobytes())
            self._process.stdin.flush()
            head: dict[str, Any] = json.loads(self._process.stdout.readline())
            if "error" in head:
                raise RuntimeError(head["error"])
            image = read_array(self._process.stdout, (height, width, 3))
        except (OSError, EOFError, json.JSONDecodeError) as error:
            raise RuntimeError("expected a fill, got the end of the other process") from error
        return Outcome(image, head["seconds"], head["cpu_seconds"])

    def method(self) -> Method:
        """Return it as a method, named `before`."""
        return Method("before", self.fill)


def _commit(folder: Path) -> str:
    command = ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown"
