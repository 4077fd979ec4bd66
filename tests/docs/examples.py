"""Runs commands of the pages as a reader would, and the files that they name."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from pawfect.cli import main
from tests.lawn import holes, lawn

PROGRAMS: Final = Path(sys.executable).parent
# A lawn whose hole takes no time, and holds the boxes that pages name.
PHOTO: Final = lawn(260, 340)
HOLE: Final = holes(260, 340, (150, 100, 170, 116))


def put(folder: Path, *names: str) -> None:
    """Put photos, and masks where a name says so, into a folder."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        is_mask = any(word in name for word in ("mask", "leash", "hand", "face", "him"))
        Image.fromarray(HOLE if is_mask else PHOTO).save(path)


def pawfect(script: str, folder: Path, *more: str) -> Result:
    """Run lines of `pawfect` in this process, each with `more` behind it; return the last one's.

    Raises:
        AssertionError: one did not end with 0.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in script.replace("\\\n", " ").splitlines():
            program, *words = shlex.split(line)
            assert Path(program).name == "pawfect", line
            result = CliRunner().invoke(main, [*words, *more])
            assert result.exit_code == 0, (line, result.output, result.exception)
    return result


def shell(script: str, folder: Path, **variables: str) -> str:
    """Run a script with this environment's programs; curl fails where the answer is an error.

    Raises:
        AssertionError: it did not end with 0.
    """
    curl = 'curl() { command curl --silent --show-error --fail-with-body "$@"; }\n'
    path = os.pathsep.join([str(PROGRAMS), os.environ["PATH"]])
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", curl + script.replace(".venv/bin/", "")],
        cwd=folder, env={**os.environ, "PATH": path, **variables}, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, (script, ended.stdout, ended.stderr)
    return ended.stdout
