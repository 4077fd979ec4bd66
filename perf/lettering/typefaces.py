"""The typefaces of the measured signs: none of them is bundled, so none can simply be found again.

They are fetched from their npm packages (SIL OFL 1.1 or Apache-2.0) into build/, once.
"""

from __future__ import annotations

import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path("build/lettering/typefaces")


@dataclass(frozen=True)
class Typeface:
    """A family at one weight.

    Attributes:
        family: as its package is called.
        weight: 100 to 900.
        version: of its package; another may draw other letters.
    """

    family: str
    weight: int
    version: str = "5.3.0"

    @property
    def file(self) -> Path:
        """Where it lies once it was fetched."""
        return FOLDER / f"{self.family}-latin-{self.weight}-normal.woff2"


def _all(*rows: tuple[str, int] | tuple[str, int, str]) -> tuple[Typeface, ...]:
    return tuple(Typeface(*row) for row in rows)


# What the method was developed with, and what it was not shown until it was finished.
DEVELOPMENT: Final = _all(
    ("inter", 600), ("lato", 700), ("raleway", 700), ("barlow-condensed", 600),
    ("pt-serif", 700), ("libre-baskerville", 400), ("arvo", 700), ("varela-round", 400),
    ("dancing-script", 700), ("architects-daughter", 400), ("space-mono", 700), ("lobster", 400),
    ("passion-one", 400), ("righteous", 400),
)  # fmt: skip
UNSEEN: Final = _all(
    ("ubuntu", 500), ("work-sans", 600), ("rubik", 500), ("league-gothic", 400),
    ("crimson-text", 600), ("merriweather", 700), ("zilla-slab", 600), ("quicksand", 700),
    ("kaushan-script", 400), ("gochi-hand", 400), ("source-code-pro", 600, "5.3.1"),
    ("fjalla-one", 400), ("staatliches", 400), ("paytone-one", 400),
)  # fmt: skip
# What is written over a filled box, to compare with.
BASELINE: Final = Typeface("dejavu-sans", 400)


def fetch() -> None:
    """Fetch what is not there yet with npm.

    Raises:
        RuntimeError: a package cannot be fetched.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    for face in (*DEVELOPMENT, *UNSEEN, BASELINE):
        if not face.file.is_file():
            _fetch(face)


def _fetch(face: Typeface) -> None:
    package = f"@fontsource/{face.family}@{face.version}"
    done = subprocess.run(
        ["npm", "pack", "--silent", package], cwd=FOLDER, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"expected npm to fetch {package}, got: {done.stderr.strip()[-200:]}")
    archive = FOLDER / done.stdout.split()[-1]
    member = f"package/files/{face.file.name}"
    with tarfile.open(archive) as tar:
        content = tar.extractfile(member)
        if content is None:
            raise RuntimeError(f"expected {member} in {package}")
        face.file.write_bytes(content.read())
    archive.unlink()
