"""Profiles: one file each says which models load, on what, with which weights, and the limits."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, fields
from importlib import resources
from types import MappingProxyType
from typing import Any, Final, TypeVar, get_args, get_type_hints

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import ENGINES
from pawfect.costs import BASES, STAGES, StageCost
from pawfect.flux.tokens import TOKEN_PX
from pawfect.models import MODELS, Model

PROFILE_VARIABLE: Final = "PAWFECT_PROFILE"
DEFAULT_PROFILE: Final = "embedded"
DEVICES: Final = ("cpu", "cuda")
DTYPES: Final = ("float32", "float16", "bfloat16")
# Where the outputs of FLUX's modulation layers come from: from the layers in each step, or once per
# prompt and schedule on the CPU, the layers' weights off the GPU.
MODULATIONS: Final = ("layers", "cached")

Settings = TypeVar("Settings")


class ProfileError(ValueError):
    """A profile that does not exist or whose file says something impossible."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one server.

    Attributes:
        max_in_flight: requests that one orchestrator instance holds at a time, at least 1.
        ready_s: how long the models may take to load before a start counts as failed, s.
    """

    max_in_flight: int
    ready_s: int


@dataclass(frozen=True)
class FluxSettings:
    """How FLUX.1-Fill runs.

    Attributes:
        device: cpu or cuda.
        dtype: of its arithmetic: float32, float16 or bfloat16.
        text_device: of the text encoders: T5-XXL (9.5 GB in 16 bits) does not fit beside the
            transformer on every card.
        text_dtype: of their arithmetic.
        text_threads: threads of theirs on a CPU, and of the modulation that is kept there.
        text_tokens: length of the text embeddings; longer prompts are cut.
        text_width: of a text embedding, for the warm-up (4096 for the full-size model).
        pooled_width: of the pooled embedding, likewise (768).
        sizes: sides, px, of the square working sizes, rising, multiples of 16; others have about
            the area of one of these.
        steps: denoising steps where the request asks for none.
        guidance_scale: likewise.
        tile_px: side above which the VAE works in tiles, px; 0: never.
        modulation: one of MODULATIONS.
        compile: whether the transformer's repeated blocks are compiled.
        compile_reason: why, or why not and what is in force instead.
    """

    device: str
    dtype: str
    text_device: str
    text_dtype: str
    text_threads: int
    text_tokens: int
    text_width: int
    pooled_width: int
    sizes: tuple[int, ...]
    steps: int
    guidance_scale: float
    tile_px: int
    modulation: str
    compile: bool
    compile_reason: str


@dataclass(frozen=True)
class LabelSettings:
    """How SAM3 names surfaces.

    Attributes:
        device: cpu or cuda.
        dtype: of its arithmetic.
        least_score: labels that score less are dropped, 0 to 1.
        timeout_ms: an answer that takes longer is not waited for.
    """

    device: str
    dtype: str
    least_score: float
    timeout_ms: int


@dataclass(frozen=True)
class CaptionSettings:
    """How Florence-2 captions.

    Attributes:
        device: cpu or cuda.
        dtype: of its arithmetic.
        max_tokens: longest caption, tokens.
        timeout_ms: an answer that takes longer is not waited for.
    """

    device: str
    dtype: str
    max_tokens: int
    timeout_ms: int


@dataclass(frozen=True)
class CheckSettings:
    """What a FLUX fill must pass before it leaves.

    Attributes:
        seam_step: largest colour step across the seam, CIE76, above what the patch fill has
            there.
        strange_coverage: share of the fill, 0 to 1, from which a label that its surroundings do
            not have counts as invented.
    """

    seam_step: float
    strange_coverage: float


@dataclass(frozen=True)
class Profile:
    """What one server runs.

    Attributes:
        name: the profile's name, as in PAWFECT_PROFILE.
        description: one line for people.
        models: the Triton models that load.
        engines: engines that are there, in the order in which `auto` takes them.
        limits: bounds.
        weights: entries of the weights' manifest by component (flux, flux_transformer, sam3,
            florence2).
        flux: None where FLUX is not there.
        sam3: None where SAM3 is not there.
        florence2: None where Florence-2 is not there.
        check: None where FLUX fills leave unchecked.
        budget: by model, the milliseconds within which 95 of 100 requests are to be answered.
        cost: what each of `pawfect.costs.STAGES` takes; empty where that is not known.
    """

    name: str
    description: str
    models: tuple[str, ...]
    engines: tuple[str, ...]
    limits: Limits
    weights: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    flux: FluxSettings | None = None
    sam3: LabelSettings | None = None
    florence2: CaptionSettings | None = None
    check: CheckSettings | None = None
    budget: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    cost: Mapping[str, StageCost] = field(default_factory=lambda: MappingProxyType({}))

    def engine(self, asked: str) -> tuple[str, str]:
        """Return the engine for a request and why.

        Args:
            asked: auto, flux or patch.

        Raises:
            PawfectError: UNAVAILABLE where the profile lacks the engine asked for.
        """
        if asked == "auto":
            return self.engines[0], f"first engine of profile {self.name}"
        if asked not in self.engines:
            raise PawfectError(
                ErrorKind.UNAVAILABLE,
                f"engine={asked}: profile {self.name} has {', '.join(self.engines)} only",
            )
        return asked, "asked for"

    def settings(self, model: Model) -> Any:
        """Return the table that a model needs; None where it needs none."""
        return getattr(self, model.settings) if model.settings else None

    def device(self, model: Model) -> str:
        """Return where a model computes, cpu or cuda."""
        settings = self.settings(model)
        return "cpu" if settings is None else str(getattr(settings, model.device))

    @property
    def neural(self) -> bool:
        """Whether any of its models needs torch."""
        return bool(self.weights)


def profile_names() -> tuple[str, ...]:
    """Return the names of the profiles that come with the package."""
    files = (resources.files("pawfect") / "profiles").iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


def load_profile(name: str | None = None) -> Profile:
    """Read a profile.

    Args:
        name: its name; None: the one of PAWFECT_PROFILE, else `embedded`.

    Raises:
        ProfileError: no such profile, or a file with missing, unknown or impossible entries.
    """
    name = name or os.environ.get(PROFILE_VARIABLE) or DEFAULT_PROFILE
    if name not in profile_names():
        raise ProfileError(f"profile: expected one of {', '.join(profile_names())}, got {name!r}")
    text = (resources.files("pawfect") / "profiles" / f"{name}.toml").read_text("utf-8")
    return parse_profile(name, tomllib.loads(text))


def parse_profile(name: str, table: Mapping[str, Any]) -> Profile:
    """Check a profile's entries and return it; raises ProfileError as `load_profile` does."""
    needed = {"description", "models", "engines", "limits"}
    optional = {"weights", "flux", "sam3", "florence2", "check", "budget", "cost"}
    _require_keys(name, table, needed, optional)
    models = tuple(table["models"])
    unknown = sorted(set(models) - set(MODELS))
    if unknown or not models:
        raise ProfileError(
            f"{name}: models: expected some of {', '.join(MODELS)}, got {unknown or 'none'}"
        )
    engines = tuple(table["engines"])
    if not engines or "auto" in engines or not set(engines) <= set(ENGINES):
        raise ProfileError(f"{name}: engines: expected some of flux, patch, got {list(engines)}")
    flux = {model.name for model in MODELS.values() if model.settings == "flux"}
    lacking = sorted(flux - set(models)) if "flux" in engines else []
    if lacking:
        raise ProfileError(f"{name}: engine flux: expected models {', '.join(lacking)} too")
    weights = dict(table.get("weights", {}))
    for model in (MODELS[model] for model in models if MODELS[model].weights):
        if not set(model.weights) <= set(weights) or model.settings not in table:
            raise ProfileError(
                f"{name}: model {model.name}: expected a table {model.settings} and weights of "
                f"{', '.join(model.weights)}"
            )
    return Profile(
        name,
        table["description"],
        models,
        engines,
        _parsed(name, "limits", Limits, table),
        MappingProxyType(weights),
        _parsed(name, "flux", FluxSettings, table) if "flux" in table else None,
        _parsed(name, "sam3", LabelSettings, table) if "sam3" in table else None,
        _parsed(name, "florence2", CaptionSettings, table) if "florence2" in table else None,
        _parsed(name, "check", CheckSettings, table) if "check" in table else None,
        _budget(name, table.get("budget", {}), models),
        _costs(name, table["cost"]) if "cost" in table else MappingProxyType({}),
    )


def _budget(profile: str, given: Mapping[str, Any], models: tuple[str, ...]) -> Mapping[str, int]:
    for model, limit_ms in given.items():
        if model not in models:
            raise ProfileError(f"{profile}: budget: expected models of it, got {model}")
        _value(f"{profile}: budget: {model}", int, limit_ms)
    return MappingProxyType(dict(given))


def _costs(profile: str, given: Mapping[str, Any]) -> Mapping[str, StageCost]:
    where = f"{profile}: cost"
    _require_keys(where, given, set(STAGES))
    costs = {stage: _parsed(where, stage, StageCost, given) for stage in STAGES}
    for stage, cost in costs.items():
        if {len(cost.low), len(cost.likely), len(cost.high)} != {len(cost.px)}:
            raise ProfileError(f"{where}: {stage}: expected a time for each of {list(cost.px)} px")
    return MappingProxyType(costs)


def _parsed(profile: str, name: str, kind: type[Settings], table: Mapping[str, Any]) -> Settings:
    """Read one of a profile's tables into its dataclass, strictly."""
    where, given = f"{profile}: {name}", table[name]
    hints = get_type_hints(kind)
    _require_keys(where, given, {spec.name for spec in fields(kind)})  # type: ignore[arg-type]
    return kind(**{key: _value(f"{where}: {key}", hints[key], given[key]) for key in hints})


_CHOICES: Final = MappingProxyType(
    {
        "device": DEVICES,
        "text_device": DEVICES,
        "dtype": DTYPES,
        "text_dtype": DTYPES,
        "modulation": MODULATIONS,
        "basis": BASES,
    }
)


def _value(where: str, hint: Any, value: Any) -> Any:
    if hint is str:
        choices = _CHOICES.get(where.rpartition(" ")[2])
        if choices is not None and value not in choices:
            raise ProfileError(f"{where}: expected one of {', '.join(choices)}, got {value!r}")
        if not isinstance(value, str) or not value:
            raise ProfileError(f"{where}: expected a text, got {value!r}")
        return value
    if hint is bool:
        if type(value) is not bool:
            raise ProfileError(f"{where}: expected true or false, got {value!r}")
        return value
    if get_args(hint)[:1] == (float,):
        if not isinstance(value, list) or not value:
            raise ProfileError(f"{where}: expected some numbers, got {value!r}")
        return tuple(_value(where, float, item) for item in value)
    if get_args(hint):
        fits = isinstance(value, list) and bool(value) and value == sorted(set(value))
        if not fits or any(type(item) is not int or item % TOKEN_PX for item in value):
            raise ProfileError(f"{where}: expected rising multiples of {TOKEN_PX}, got {value!r}")
        return tuple(value)
    number = type(value) is int or (hint is float and type(value) is float)
    least = 0 if hint is float or where.endswith("tile_px") else 1
    if not number or not least <= value < float("inf"):
        expected = "an integer" if hint is int else "a number"
        raise ProfileError(f"{where}: expected {expected} of at least {least}, got {value!r}")
    return hint(value)


def _require_keys(
    where: str,
    table: Mapping[str, Any],
    needed: set[str],
    optional: Set[str] = frozenset(),
) -> None:
    if not needed <= set(table) <= needed | optional:
        raise ProfileError(f"{where}: expected {sorted(needed)}, got {sorted(table)}")
