"""The matrix of an audit: a TOML file, read strictly, checked whole before anything runs."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pawfect.contract.errors import PawfectError
from pawfect.contract.parameters import MAX_DEADLINE_MS, InpaintParams
from pawfect.flux.tokens import TOKEN_PX
from pawfect.profile import Profile, ProfileError, load_profile
from pawfect.weights.manifest import manifest
from perf.audit.prompts import SPECIFICITIES, check_texts

# Settings that the model's own users name: guidance from 2 to the model card's 30, steps from the
# distilled 4 to the model card's 28.
GUIDANCE: Final = (2.0, 4.0, 10.0, 20.0, 30.0)
STEPS: Final = (4, 8, 12, 20, 28)
# The target of the product on its own card, ms.
BUDGET_MS: Final = 30_000
LARGEST_SIZE: Final = 2048
# Beyond this a matrix is a slip of the pen: at 10 s a cell it runs for eleven days.
MOST_CELLS: Final = 100_000

_TOP: Final = ("profile", "seeds", "deadline_ms", "budget_ms", "axes", "session")
_AXES: Final = ("quantisation", "guidance", "steps", "strength", "prompt", "size")
_SESSION: Final = ("name", "scene", "photo", "mask", "protect", "truth", "prompts")


class MatrixError(ValueError):
    """A matrix that says something impossible; the key is named."""


@dataclass(frozen=True)
class SessionSource:
    """Where one session's pictures come from.

    Attributes:
        name: unique in the matrix.
        scene: a scene of `perf.scenes`, whose truth is known; else None.
        files: by role (photo, mask, protect, truth) where there is no scene.
        prompts: texts by specificity, where they are not the scene's own.
    """

    name: str
    scene: str | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Matrix:
    """What is tried, on what, and what counts as in time.

    Attributes:
        profile: whose server runs.
        seeds: of the noise.
        deadline_ms: of each request; the longest by default, so that a slow setting shows its time.
        budget_ms: what a recommended setting must keep.
        quantisation: entries of the weights' manifest for `flux_transformer`.
        guidance: guidance scales.
        steps: denoising steps.
        strength: 1: from noise; below: from the patch result.
        prompt: some of SPECIFICITIES.
        size: working sizes, px.
        sessions: what is filled.
    """

    profile: str
    seeds: tuple[int, ...]
    deadline_ms: int
    budget_ms: int
    quantisation: tuple[str, ...]
    guidance: tuple[float, ...]
    steps: tuple[int, ...]
    strength: tuple[float, ...]
    prompt: tuple[str, ...]
    size: tuple[int, ...]
    sessions: tuple[SessionSource, ...]

    @property
    def cells(self) -> int:
        """How many cells there are."""
        count = len(self.sessions) * len(self.seeds)
        for axis in _AXES:
            count *= len(getattr(self, axis))
        return count


def load_matrix(path: Path) -> Matrix:
    """Read a matrix file; relative paths in it count from its folder.

    Raises:
        MatrixError: it cannot be read, or as `parse_matrix` does.
    """
    try:
        text = path.read_text("utf-8")
        table = tomllib.loads(text)
    except OSError as error:
        raise MatrixError(f"matrix {path.name}: {error.strerror}") from None
    except ValueError as error:
        raise MatrixError(f"matrix {path.name}: expected TOML, got: {error}") from None
    return parse_matrix(table, path.parent)


def parse_matrix(table: Mapping[str, Any], folder: Path) -> Matrix:
    """Check a matrix and return it.

    Args:
        table: as TOML gives it.
        folder: from which relative paths count.

    Raises:
        MatrixError: an unknown or missing key, with the nearest right one; a value out of bounds,
            twice in an axis or of another type; a profile without FLUX; unknown weights or scenes.
    """
    _only_known("matrix", table, _TOP)
    name = table.get("profile")
    try:
        profile = load_profile(name if isinstance(name, str) and name else "?")
    except ProfileError as error:
        raise MatrixError(str(error).replace("'?'", repr(name))) from None
    if profile.flux is None:
        raise MatrixError(f"profile: expected one with FLUX, got {profile.name}")
    axes = table.get("axes", {})
    if not isinstance(axes, Mapping):
        raise MatrixError(f"axes: expected a table, got {axes!r}")
    _only_known("axes", axes, _AXES)
    matrix = Matrix(
        profile.name,
        _axis("seeds", table.get("seeds", [0]), "seed"),
        _parameter("deadline_ms", "deadline_ms", table.get("deadline_ms", MAX_DEADLINE_MS)),
        _parameter("budget_ms", "deadline_ms", table.get("budget_ms", _budget(profile))),
        _names("axes.quantisation", axes.get("quantisation", [_own_weights(profile)]), manifest()),
        _axis("axes.guidance", axes.get("guidance", list(GUIDANCE)), "guidance_scale"),
        _axis("axes.steps", axes.get("steps", list(STEPS)), "steps"),
        _axis("axes.strength", axes.get("strength", [1.0]), "strength"),
        _names("axes.prompt", axes.get("prompt", list(SPECIFICITIES)), SPECIFICITIES),
        _sizes(axes.get("size", list(profile.flux.sizes))),
        _sessions(table.get("session", [{"name": "reference", "scene": "reference_1600"}]), folder),
    )
    if matrix.cells > MOST_CELLS:
        raise MatrixError(f"matrix: expected at most {MOST_CELLS} cells, got {matrix.cells}")
    for session in matrix.sessions:
        try:
            check_texts(session.name, session.scene, session.prompts, matrix.prompt)
        except ValueError as error:
            raise MatrixError(str(error)) from None
    return matrix


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean X?" where a known name is near, else the list of what is known."""
    known = sorted(known)
    close = get_close_matches(name, known, 1, 0.5)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(known)}"


def _budget(profile: Profile) -> int:
    return profile.budget.get("inpaint", BUDGET_MS)


def _own_weights(profile: Profile) -> str:
    return profile.weights["flux_transformer"]


def _only_known(where: str, table: Mapping[str, Any], known: Iterable[str]) -> None:
    for key in table:
        if key not in known:
            raise MatrixError(f"{where}: unknown key {key}{nearest(key, known)}")


def _listed(where: str, given: Any) -> list[Any]:
    if not isinstance(given, list) or not given:
        raise MatrixError(f"{where}: expected a list of values, got {given!r}")
    for index, value in enumerate(given):
        if value in given[:index]:
            raise MatrixError(f"{where}: expected each value once, got {value!r} twice")
    return given


def _parameter(where: str, name: str, value: Any) -> Any:
    """Check a value as the request parameter of this name."""
    try:
        return getattr(InpaintParams.parse({name: value}), name)
    except PawfectError as error:
        raise MatrixError(error.message.replace(name, where, 1)) from None


def _axis(where: str, given: Any, name: str) -> tuple[Any, ...]:
    return tuple(_parameter(where, name, value) for value in _listed(where, given))


def _names(where: str, given: Any, known: Iterable[str]) -> tuple[str, ...]:
    known = tuple(known)
    for value in _listed(where, given):
        if value not in known:
            raise MatrixError(f"{where}: unknown name {value!r}{nearest(str(value), known)}")
    return tuple(given)


def _sizes(given: Any) -> tuple[int, ...]:
    for value in _listed("axes.size", given):
        fits = type(value) is int and 0 < value <= LARGEST_SIZE and value % TOKEN_PX == 0
        if not fits:
            expected = f"multiples of {TOKEN_PX} up to {LARGEST_SIZE} px"
            raise MatrixError(f"axes.size: expected {expected}, got {value!r}")
    return tuple(given)


def _sessions(given: Any, folder: Path) -> tuple[SessionSource, ...]:
    if not isinstance(given, list) or not given:
        raise MatrixError(f"session: expected [[session]] tables, got {given!r}")
    sessions = tuple(_session(f"session {i + 1}", table, folder) for i, table in enumerate(given))
    names = [session.name for session in sessions]
    for name in names:
        if names.count(name) > 1:
            raise MatrixError(f"session: expected each name once, got {name!r} twice")
    return sessions


def _session(where: str, table: Any, folder: Path) -> SessionSource:
    from perf.scenes import scene_names

    if not isinstance(table, Mapping):
        raise MatrixError(f"{where}: expected a table, got {table!r}")
    _only_known(where, table, _SESSION)
    texts = {key: value for key, value in table.items() if key != "prompts"}
    for key, value in texts.items():
        if not isinstance(value, str) or not value:
            raise MatrixError(f"{where}: {key}: expected a text, got {value!r}")
    prompts = table.get("prompts", {})
    if not isinstance(prompts, Mapping) or not all(isinstance(t, str) for t in prompts.values()):
        raise MatrixError(f"{where}: prompts: expected texts by specificity, got {prompts!r}")
    _only_known(f"{where}: prompts", prompts, SPECIFICITIES)
    scene = texts.get("scene")
    files = {k: folder / v for k, v in texts.items() if k not in ("name", "scene")}
    if scene is not None and (files or scene not in scene_names()):
        if files:
            raise MatrixError(f"{where}: expected a scene or files, got both")
        raise MatrixError(f"{where}: unknown scene {scene!r}{nearest(scene, scene_names())}")
    if scene is None and not {"photo", "mask"} <= set(files):
        raise MatrixError(f"{where}: expected a scene, or photo and mask, got {sorted(texts)}")
    for role, path in files.items():
        if not path.is_file():
            raise MatrixError(f"{where}: {role}: no file {path.name}")
    name = texts.get("name") or scene or files["photo"].stem
    return SessionSource(name, scene, MappingProxyType(files), MappingProxyType(dict(prompts)))
