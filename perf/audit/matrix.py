"""The matrix of an audit: a TOML file, read strictly, checked whole before anything runs."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, get_args

from pawfect.chains import CHAINS
from pawfect.contract.parameters import DENOISING, MAX_DEADLINE_MS, InpaintParams
from pawfect.contract.tables import Rule, TableError, field_types, one_of, read_table
from pawfect.diffusion.tokens import VAE_PX
from pawfect.picture.canvas import TOKEN_PX
from pawfect.profile import Profile, load_profile
from pawfect.settings import Attention
from pawfect.weights.manifest import manifest
from perf.audit.engines import engine_of, engines_of, has, settings_of
from perf.audit.placing import usable_gib
from perf.scenes import scene_names

# The matrices that come along, each known by its file's name.
MATRICES: Final = Path(__file__).parent / "matrices"
LARGEST_SIZE: Final = 2048
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
AXES: Final = (
    "engine", "quantisation", "guidance", "steps", "strength", "references", "prompt", "size",
    "attention", "tile_px",
)  # fmt: skip
# Axes that not every engine has.
SOME_HAVE: Final = ("guidance", "references")
# The VAE halves a tile that does not fit, down to this, px (`pawfect.diffusion.autoencoder`).
TILE_PX: Final = 4 * VAE_PX
# Prompts that every session has: an empty one, and the product's own way, no PROMPT in the request,
# so that the labels decide.
OWN_PROMPTS: Final = MappingProxyType({"none": "", "labels": None})
_ONCE: Final = Rule(
    lambda values: 0 < len(values) == len(set(values)), "at least one value, each once"
)
_SIZE: Final = Rule(
    lambda size: 0 < size <= LARGEST_SIZE and size % TOKEN_PX == 0,
    f"a multiple of {TOKEN_PX} up to {LARGEST_SIZE}",
)
_GIB: Final = Rule(lambda gib: 0 < gib < math.inf, "above 0")
_TILE: Final = Rule(
    lambda px: 0 <= px <= LARGEST_SIZE and px % TILE_PX == 0,
    f"a multiple of {TILE_PX} up to {LARGEST_SIZE}, or 0",
)


def _bounds(parameter: str) -> Rule:
    """Return the rule of a request parameter."""
    rule: Rule = get_args(field_types(InpaintParams)[parameter])[1]
    return rule


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
class Axes:
    """What is varied.

    Attributes:
        quantisation: entries of the weights' manifest for the engines' transformers.
        steps: denoising steps.
        prompt: names of prompts. Over-specified ones are a known cause of bad fills.
        size: working sizes, px.
        engine: denoising engines of the profile; not said: its first.
        guidance: guidance scales, of engines that are guided; not said: the profile's own, as are
            all below.
        strength: 1: from noise; below: from the photo as its floor fills it.
        references: whether steps are shown that photo too, of engines that can do without.
        attention: what computes the transformer's attention.
        tile_px: sides, px, above which the VAE works in tiles, 0: never.
    """

    quantisation: Annotated[tuple[Annotated[str, one_of(*manifest())], ...], _ONCE]
    steps: Annotated[tuple[Annotated[int, _bounds("steps")], ...], _ONCE]
    prompt: Annotated[tuple[str, ...], _ONCE]
    size: Annotated[tuple[Annotated[int, _SIZE], ...], _ONCE]
    engine: Annotated[tuple[Annotated[str, one_of(*DENOISING)], ...], _ONCE] | None = None
    guidance: Annotated[tuple[Annotated[float, _bounds("guidance_scale")], ...], _ONCE] | None = (
        None
    )
    strength: Annotated[tuple[Annotated[float, _bounds("strength")], ...], _ONCE] | None = None
    references: Annotated[tuple[bool, ...], _ONCE] | None = None
    attention: Annotated[tuple[Attention, ...], _ONCE] | None = None
    tile_px: Annotated[tuple[Annotated[int, _TILE], ...], _ONCE] | None = None

    def by_engine(self, profile: Profile) -> dict[str, Mapping[str, tuple[Any, ...]]]:
        """Return the values of each axis by engine: the profile's own where none are said.

        An engine has its own entries of `quantisation` alone, and None of a setting that it lacks.

        Raises:
            TableError: a profile without a denoising engine, an engine that it lacks, no entry for
                an engine, an entry for none, a setting that no engine has.
        """
        there = engines_of(profile)
        if not there:
            raise TableError("profile", "one with a denoising engine", profile.name)
        chosen = self.engine or there[:1]
        if strangers := [engine for engine in chosen if engine not in there]:
            expected = f"some of {', '.join(there)}, which profile {profile.name} has"
            raise TableError("axes: engine", expected, ", ".join(strangers))
        of_none = [name for name in self.quantisation if engine_of(name) not in chosen]
        if of_none:
            expected = f"transformers of {', '.join(chosen)}"
            raise TableError("axes: quantisation", expected, ", ".join(of_none))
        for axis in SOME_HAVE:
            said = getattr(self, axis)
            if said is not None and not any(has(profile, engine, axis) for engine in chosen):
                titles = " or ".join(CHAINS[engine].title for engine in chosen)
                raise TableError(f"axes: {axis}", f"none: {titles} has no such setting", said)
        return {engine: self._of(engine, profile) for engine in chosen}

    def _of(self, engine: str, profile: Profile) -> Mapping[str, tuple[Any, ...]]:
        settings = settings_of(profile, engine)
        own = {"guidance": settings.guidance_scale, "references": settings.refers}
        own |= {name: getattr(settings, name) for name in ("strength", "attention", "tile_px")}
        values = {name: getattr(self, name) or (own.get(name),) for name in AXES}
        entries = tuple(name for name in self.quantisation if engine_of(name) == engine)
        if not entries:
            expected = f"one of {CHAINS[engine].title} at least"
            raise TableError("axes: quantisation", expected, ", ".join(self.quantisation))
        lacking = {axis: (None,) for axis in SOME_HAVE if not has(profile, engine, axis)}
        return {**values, "engine": (engine,), "quantisation": entries, **lacking}

    def left_out(self, profile: Profile) -> list[str]:
        """Return what is said of a setting that some engines lack, a line for each of these."""
        return [
            f"{CHAINS[engine].title} has no {axis}: its cells go without"
            for engine, values in self.by_engine(profile).items()
            for axis in SOME_HAVE
            if getattr(self, axis) is not None and values[axis] == (None,)
        ]


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
    seeds: Annotated[tuple[Annotated[int, _bounds("seed")], ...], _ONCE] = (0,)
    deadline_ms: Annotated[int, _bounds("deadline_ms")] = MAX_DEADLINE_MS
    budget_ms: Annotated[int, _bounds("deadline_ms")] | None = None
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
