"""The matrix of an audit: a TOML file, read strictly, checked whole before anything runs."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

from pawfect.contract.parameters import MAX_DEADLINE_MS
from pawfect.contract.tables import Rule, TableError, one_of, read_table
from pawfect.profile import load_profile
from perf.audit.axes import ONCE, Axes, bounds
from perf.audit.placing import usable_gib
from perf.scenes import scene_names

# The matrices that come along, each known by its file's name.
MATRICES: Final = Path(__file__).parent / "matrices"
# Beyond this a matrix is a slip of the pen: at 10 s a cell it runs for eleven days.
MOST_CELLS: Final = 100_000
FILES: Final = ("photo", "mask", "protect", "truth")
# What a session's folder calls them, whatever the suffix: the product's own names too.
_STEMS: Final = MappingProxyType(
    {
        "photo": ("photo", "original"),
        "mask": ("mask", "mask_auto"),
        "protect": ("protect",),
        "truth": ("truth",),
    }
)
_NEEDED: Final = ("photo", "mask")
# Prompts that every session has: an empty one, and the product's own way, no PROMPT in the request,
# so that the labels decide.
OWN_PROMPTS: Final = MappingProxyType({"none": "", "labels": None})
_GIB: Final = Rule(lambda gib: 0 < gib < math.inf, "above 0")


@dataclass(frozen=True)
class Source:
    """Where one session's pictures come from: a scene, or files.

    Attributes:
        name: unique in the matrix; by default the scene's, or the photo's.
        scene: a scene of `perf.scenes`, whose truth is known.
        photo: a file, as are the three below.
        mask: what is filled.
        protect: what is never filled.
        truth: the photo without what is to vanish.
        prompts: by name, the texts that the axis `prompt` asks for, beside OWN_PROMPTS.
    """

    name: str = ""
    scene: Annotated[str, one_of(*scene_names())] | None = None
    photo: str | None = None
    mask: str | None = None
    protect: str | None = None
    truth: str | None = None
    prompts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def text(self, prompt: str) -> str | None:
        """Return the PROMPT of a request; None: the request brings none."""
        return {**self.prompts, **OWN_PROMPTS}[prompt]


@dataclass(frozen=True)
class Matrix:
    """What is tried, on what, and what counts as in time.

    Attributes:
        profile: whose server runs.
        axes: what is varied.
        session: what is filled.
        seeds: of the noise.
        deadline_ms: of each request; the longest by default, so that a slow setting shows its time.
        budget_ms: what a recommended setting must keep; by default the profile's own.
        card_gib: memory of the card that the models can share, GiB; by default that of the
            profile's card, and without end where it has none.
    """

    profile: str
    axes: Axes
    session: Annotated[tuple[Source, ...], Rule(bool, "at least one table")]
    seeds: Annotated[tuple[Annotated[int, bounds("seed")], ...], ONCE] = (0,)
    deadline_ms: Annotated[int, bounds("deadline_ms")] = MAX_DEADLINE_MS
    budget_ms: Annotated[int, bounds("deadline_ms")] | None = None
    card_gib: Annotated[float, _GIB] | None = None

    @property
    def cells(self) -> int:
        """How many cells there are."""
        by_engine = self.axes.by_engine(load_profile(self.profile)).values()
        settings = sum(math.prod(map(len, values.values())) for values in by_engine)
        return len(self.session) * len(self.seeds) * settings


def matrix_names() -> list[str]:
    """Return the names of the matrices that come along, sorted."""
    return sorted(path.stem for path in MATRICES.glob("*.toml"))


def session_in(folder: Path, prompts: Mapping[str, str]) -> Source:
    """Return the session of a folder: photo and mask, perhaps protect and truth.

    Args:
        folder: whose files are called photo.* or original.*, mask.* or mask_auto.*, protect.* and
            truth.*; others are left alone.
        prompts: texts by name.

    Raises:
        TableError: there is no such folder, no photo or no mask in it, or two files for the same.
    """
    where = f"session {folder.resolve().name}"
    if not folder.is_dir():
        raise TableError(where, "a folder with a photo and a mask", "no such folder")
    files: dict[str, Any] = {}
    for role, stems in _STEMS.items():
        found = sorted(p for p in folder.iterdir() if p.stem in stems and p.is_file())
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise TableError(f"{where}: {role}", "one file", names)
        if found:
            files[role] = str(found[0].resolve())
        elif role in _NEEDED:
            # Enough of what is there to see that it is the wrong folder.
            there = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "an empty folder"
            raise TableError(f"{where}: {role}", " or ".join(f"{stem}.*" for stem in stems), there)
    return Source(folder.resolve().name, prompts=MappingProxyType(dict(prompts)), **files)


def load_matrix(path: Path, session: Source | None = None) -> Matrix:
    """Read a matrix file; relative paths in it count from its folder.

    Args:
        path: of the file.
        session: in place of the file's own.

    Raises:
        TableError: it cannot be read; an unknown or missing key; a value out of bounds, twice in
            an axis or of another type; unknown weights or scenes; what `Axes.by_engine` refuses.
        ProfileError: there is no such profile.
    """
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TableError(f"matrix {path.name}", "a TOML file", error) from None
    matrix = read_table(Matrix, table)
    if session is not None:
        matrix = replace(matrix, session=(session,))
    profile = load_profile(matrix.profile)
    if matrix.cells > MOST_CELLS:
        raise TableError("axes", f"at most {MOST_CELLS} cells", matrix.cells)
    sessions = tuple(_placed(source, path.parent, matrix.axes.prompt) for source in matrix.session)
    names = [session.name for session in sessions]
    if len(set(names)) < len(names):
        raise TableError("session", "each name once", names)
    return replace(
        matrix,
        session=sessions,
        budget_ms=matrix.budget_ms or profile.budget["inpaint"],
        card_gib=matrix.card_gib or usable_gib(profile),
    )


def _placed(source: Source, folder: Path, prompts: tuple[str, ...]) -> Source:
    """Check a session, and return it with its name and whole paths."""
    named = {role: getattr(source, role) for role in FILES}
    files = {role: folder / name for role, name in named.items() if name is not None}
    name = source.name or source.scene or Path(source.photo or "?").stem
    where = f"session {name}"
    if bool(source.scene) == bool(files) or (files and not set(_NEEDED) <= set(files)):
        got = ", ".join((*(["scene"] if source.scene else []), *files)) or "neither"
        raise TableError(where, "a scene, or photo and mask", got)
    for role, path in files.items():
        if not path.is_file():
            raise TableError(f"{where}: {role}", "a file", path.name)
    for prompt in prompts:
        if prompt not in {**source.prompts, **OWN_PROMPTS}:
            raise TableError(f"{where}: prompts", f"a text {prompt}", "none")
    whole: dict[str, Any] = {role: str(path) for role, path in files.items()}
    return replace(source, name=name, **whole)
