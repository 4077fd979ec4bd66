"""The matrix of an audit: a TOML file, read strictly, checked whole before anything runs."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from pawfect.contract.errors import PawfectError
from pawfect.contract.parameters import MAX_DEADLINE_MS, InpaintParams
from pawfect.picture.canvas import TOKEN_PX
from pawfect.profile import ProfileError, load_profile
from pawfect.weights.manifest import manifest
from perf.audit.prompts import SPECIFICITIES, check_texts
from perf.scenes import scene_names

# Settings that the model's own users name: guidance from 2 to the model card's 30, steps from the
# distilled 4 to the model card's 28.
GUIDANCE: Final = (2.0, 4.0, 10.0, 20.0, 30.0)
STEPS: Final = (4, 8, 12, 20, 28)
# The target of the product on its own card, ms.
BUDGET_MS: Final = 30_000
LARGEST_SIZE: Final = 2048
# Beyond this a matrix is a slip of the pen: at 10 s a cell it runs for eleven days.
MOST_CELLS: Final = 100_000
FILES: Final = ("photo", "mask", "protect", "truth")
AXES: Final = ("quantisation", "guidance", "steps", "strength", "prompt", "size")

T = TypeVar("T")


class MatrixError(ValueError):
    """A matrix that says something impossible; the key is named."""


def _parameter(name: str) -> BeforeValidator:
    """Check a value as the request parameter of this name."""

    def check(value: Any) -> Any:
        try:
            return getattr(InpaintParams.parse({name: value}), name)
        except PawfectError as error:
            raise ValueError(error.message) from None

    return BeforeValidator(check)


def _one_of(known: Callable[[], Any]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in known():
            raise ValueError(f"expected one of {', '.join(sorted(known()))}, got {value!r}")
        return value

    return AfterValidator(check)


def _once(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) < len(values):
        raise ValueError(f"expected each value once, got {list(values)}")
    return values


# A TOML list of at least one value, each once.
Values = Annotated[tuple[T, ...], Field(min_length=1, strict=False), AfterValidator(_once)]
Size = Annotated[int, Field(gt=0, le=LARGEST_SIZE, multiple_of=TOKEN_PX)]
Text = Annotated[str, Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SessionSource(_Table):
    """Where one session's pictures come from: a scene, or files.

    Attributes:
        name: unique in the matrix.
        scene: a scene of `perf.scenes`, whose truth is known; else None.
        prompts: texts by specificity, where they are not the scene's own.
    """

    name: Text = ""
    scene: Annotated[str, _one_of(scene_names)] | None = None
    photo: Text | None = None
    mask: Text | None = None
    protect: Text | None = None
    truth: Text | None = None
    prompts: dict[Annotated[str, _one_of(lambda: SPECIFICITIES)], str] = {}
    folder: Path = Path()

    @property
    def files(self) -> dict[str, Path]:
        """The files by role: photo, mask, protect, truth."""
        named = ((role, getattr(self, role)) for role in FILES)
        return {role: self.folder / name for role, name in named if name is not None}

    @model_validator(mode="before")
    @classmethod
    def _in_its_folder(cls, table: Any, info: ValidationInfo) -> Any:
        if not isinstance(table, dict) or "folder" in table:
            raise ValueError(f"expected a table of {', '.join(('name', 'scene', *FILES))}, prompts")
        photo = table.get("photo")
        stem = Path(photo).stem if isinstance(photo, str) else None
        return {"name": table.get("scene") or stem, **table, "folder": info.context}

    @model_validator(mode="after")
    def _scene_or_files(self) -> Self:
        if self.scene is not None and self.files:
            raise ValueError("expected a scene or files, got both")
        if self.scene is None and not {"photo", "mask"} <= set(self.files):
            raise ValueError(f"expected a scene, or photo and mask, got {sorted(self.files)}")
        for role, path in self.files.items():
            if not path.is_file():
                raise ValueError(f"{role}: no file {path.name}")
        return self


class Axes(_Table):
    """What is varied.

    Attributes:
        quantisation: entries of the weights' manifest for `flux_transformer`.
        guidance: guidance scales.
        steps: denoising steps.
        strength: 1: from noise; below: from the patch result.
        prompt: some of SPECIFICITIES.
        size: working sizes, px.
    """

    quantisation: Values[Annotated[str, _one_of(manifest)]]
    guidance: Values[Annotated[float, _parameter("guidance_scale")]] = GUIDANCE
    steps: Values[Annotated[int, _parameter("steps")]] = STEPS
    strength: Values[Annotated[float, _parameter("strength")]] = (1.0,)
    prompt: Values[Annotated[str, _one_of(lambda: SPECIFICITIES)]] = SPECIFICITIES
    size: Values[Size]


class Matrix(_Table):
    """What is tried, on what, and what counts as in time.

    Attributes:
        profile: whose server runs.
        seeds: of the noise.
        deadline_ms: of each request; the longest by default, so that a slow setting shows its time.
        budget_ms: what a recommended setting must keep.
        axes: what is varied.
        session: what is filled.
    """

    profile: str
    seeds: Values[Annotated[int, _parameter("seed")]] = (0,)
    deadline_ms: Annotated[int, _parameter("deadline_ms")] = MAX_DEADLINE_MS
    budget_ms: Annotated[int, _parameter("deadline_ms")]
    axes: Axes
    session: Annotated[tuple[SessionSource, ...], Field(min_length=1, strict=False)]

    @property
    def cells(self) -> int:
        """How many cells there are."""
        count = len(self.session) * len(self.seeds)
        for axis in AXES:
            count *= len(getattr(self.axes, axis))
        return count

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.cells > MOST_CELLS:
            raise ValueError(f"expected at most {MOST_CELLS} cells, got {self.cells}")
        names = [session.name for session in self.session]
        if len(set(names)) < len(names):
            raise ValueError(f"session: expected each name once, got {names}")
        for session in self.session:
            check_texts(session.name, session.scene, session.prompts, self.axes.prompt)
        return self


def load_matrix(path: Path) -> Matrix:
    """Read a matrix file; relative paths in it count from its folder.

    Raises:
        MatrixError: it cannot be read; an unknown or missing key; a value out of bounds, twice in
            an axis or of another type; a profile without FLUX; unknown weights or scenes.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise MatrixError(f"matrix {path.name}: {error.strerror}") from None
    except ValueError as error:
        raise MatrixError(f"matrix {path.name}: expected TOML, got: {error}") from None
    try:
        return Matrix.model_validate(_with_defaults(table), context=path.parent)
    except ValidationError as error:
        found = error.errors()[0]
        where = ".".join(str(part) for part in found["loc"]) or "matrix"
        said = str(found.get("ctx", {}).get("error", found["msg"]))
        raise MatrixError(f"{where}: {said}, got {found['input']!r}"[:500]) from None


def _with_defaults(table: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in what the profile decides."""
    try:
        profile = load_profile(str(table.get("profile") or "?"))
    except ProfileError as error:
        raise MatrixError(str(error)) from None
    if profile.flux is None:
        raise MatrixError(f"profile: expected one with FLUX, got {profile.name}")
    axes = table.get("axes", {})
    if isinstance(axes, dict):
        own = {
            "quantisation": [profile.weights["flux_transformer"]],
            "size": list(profile.flux.sizes),
        }
        axes = own | axes
    defaults = {
        "budget_ms": profile.budget.get("inpaint", BUDGET_MS),
        "session": [{"name": "reference", "scene": "reference_1600"}],
    }
    return {**defaults, **table, "axes": axes}
