"""InSPyReNet as ONNX: an environment of its own, the published checkpoints, files out of them.

The environment takes some 6 GB and the export some minutes; both lie beside the entry's place while
it is built and are gone afterwards. PAWFECT_INSPYRENET_PYTHON names the Python of an environment
that has the packages already.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import httpx2
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.file_download import http_get

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_export.progress import Say
from pawfect_export.space import check_space

PYTHON_VARIABLE: Final = "PAWFECT_INSPYRENET_PYTHON"
# As tried together; other versions of torch write other graphs.
PACKAGES: Final = (
    "transparent-background==1.3.4",
    "torch==2.14.1",
    "torchvision==0.29.1",
    "onnx==1.23.2",
    "onnxruntime==1.31.0",
)
# What the packages take unpacked (measured: 6.3 GB), a checkpoint and its file.
NEEDED_BYTES: Final = 7_500_000_000
_RELEASE: Final = "https://github.com/plemeri/transparent-background/releases/download/1.2.12"
_GRAPH: Final = Path(__file__).with_name("inspyrenet_graph.py")


@dataclass(frozen=True)
class Checkpoint:
    """One published checkpoint, as the config of transparent-background 1.3.4 names it.

    Attributes:
        file: its name in the release.
        base: px, the side that its attention pools to.
        md5: hexadecimal digest, or None where none is published.
    """

    file: str
    base: int
    md5: str | None


CHECKPOINTS: Final = MappingProxyType(
    {
        "base": Checkpoint("ckpt_base.pth", 1024, "d692e3dd5fa1b9658949d452bebf1cda"),
        "fast": Checkpoint("ckpt_fast.pth", 384, "9efdbfbcc49b79ef0f7891c83d2fd52f"),
        "nightly": Checkpoint("ckpt_base_nightly.pth", 1024, None),
    }
)


def build(
    folder: Path, *, files: Sequence[tuple[str, str]], identities: tuple[str, ...], say: Say
) -> None:
    """Write an entry's ONNX files.

    Args:
        folder: of the entry while it is built.
        files: name of the ONNX file, and of the checkpoint in CHECKPOINTS.
        identities: of sources; there are none.
        say: is told how it goes.

    Raises:
        PawfectError: UNAVAILABLE where the disk has no room, a package or a checkpoint cannot be
            had or is another one than published, or the written file differs from the network.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        python = _python(Path(place), say)
        for name, which in files:
            checkpoint = CHECKPOINTS[which]
            path = Path(place) / checkpoint.file
            _fetch(checkpoint, path, say)
            say(f"writing {name} from {checkpoint.file}: some minutes")
            found = export(python, path, checkpoint.base, folder / name)
            worst = max(found.values())
            say(f"{name}: differs from the network by at most {worst:.1e} ({', '.join(found)} px)")


def export(python: str, checkpoint: Path, base: int, out: Path) -> dict[str, float]:
    """Write one ONNX file in the environment of a Python.

    Args:
        python: its interpreter.
        checkpoint: a state dict of torch.
        base: px, see `Checkpoint`.
        out: where the file goes.

    Returns:
        The largest difference of alpha (0-1) from the network by HEIGHTxWIDTH.

    Raises:
        PawfectError: UNAVAILABLE where it fails or differs too much; there is no file then.
    """
    # -P: this folder has modules of the same names as the packages that it imports.
    options = ("--checkpoint", str(checkpoint), "--base", str(base), "--out", str(out))
    run = _run((python, "-P", str(_GRAPH), *options), "writing the file")
    found: dict[str, float] = json.loads(run.splitlines()[-1])
    return found


def _python(place: Path, say: Say) -> str:
    """Return the Python that has the packages: the named one, else one made in a folder."""
    if named := os.environ.get(PYTHON_VARIABLE):
        return named
    check_space(place, NEEDED_BYTES, "inspyrenet")
    say(f"installing {', '.join(PACKAGES)} for the time of the export: some minutes, 6.3 GB")
    environment = place / "environment"
    _run((sys.executable, "-m", "venv", str(environment)), "making an environment")
    python = str(environment / "bin" / "python")
    pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input")
    _run((python, *pip, *PACKAGES), "installing the packages with pip")
    return python


def _fetch(checkpoint: Checkpoint, path: Path, say: Say) -> None:
    """Bring a checkpoint and compare it with its published digest."""
    say(f"fetching {checkpoint.file}")
    try:
        with path.open("wb") as out:
            http_get(f"{_RELEASE}/{checkpoint.file}", out, displayed_filename=checkpoint.file)
    except (HfHubHTTPError, httpx2.RequestError, OfflineModeIsEnabled) as error:
        problem = f"{checkpoint.file} could not be fetched ({type(error).__name__})"
        raise _unavailable(f"{problem}; is its release reachable?") from None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    if checkpoint.md5 is None:
        say(f"{checkpoint.file}: no digest is published; it has MD5 {digest}")
    elif digest != checkpoint.md5:
        raise _unavailable(f"{checkpoint.file}: expected MD5 {checkpoint.md5}, got {digest}")


def _run(command: Sequence[str], what: str) -> str:
    """Return a command's standard output; UNAVAILABLE with its last words where it fails."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise _unavailable(f"{what}: it could not be run ({type(error).__name__})") from None
    if run.returncode:
        last = (run.stderr.strip().splitlines() or [f"it ended with {run.returncode}"])[-1]
        raise _unavailable(f"{what} failed: {last}")
    return run.stdout


def _unavailable(problem: str) -> PawfectError:
    return PawfectError(ErrorKind.UNAVAILABLE, f"weights inspyrenet: {problem}")
