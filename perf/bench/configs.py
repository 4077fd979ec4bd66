"""The perf_analyzer configurations in `perf/perf_analyzer/`, one file per model.

A file says how its model is measured under any profile; its tables `[profiles.NAME]` say what is
different under one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pawfect.contract.errors import PawfectError
from pawfect.contract.tensors import ModelSpec
from pawfect.models import MODELS
from pawfect.orchestrator.calls import Scalars
from pawfect.profile import profile_names

FOLDER: Final = Path(__file__).parents[1] / "perf_analyzer"
# The whole photo and its mask; the window that the patch engine is given; what FLUX's chain asks
# this model for when it fills that photo.
SOURCES: Final = ("photo", "window", "chain")
NEEDED: Final = frozenset({"model", "inputs", "source", "streaming", "concurrency", "requests"})
OPTIONAL: Final = frozenset({"texts", "parameters", "profiles"})
# What a profile may say otherwise; the others are the model's own.
OVERRIDES: Final = frozenset({"inputs", "concurrency", "requests", "texts", "parameters"})


class ConfigError(ValueError):
    """A configuration that names something that does not exist."""


@dataclass(frozen=True)
class AnalyzerConfig:
    """How one model is measured under one profile.

    Attributes:
        model: name in the contract.
        inputs: the tensors that are sent; all required ones among them.
        source: what is sent of the reference scene: one of SOURCES.
        streaming: one gRPC stream instead of unary calls; what decoupled models need.
        concurrency: numbers of requests kept in flight, one measurement each.
        requests: requests per measurement.
        texts: by tensor, texts that are sent in place of what the source has.
        parameters: request parameters: integers, texts, true and false.
    """

    model: str
    inputs: tuple[str, ...]
    source: str
    streaming: bool
    concurrency: tuple[int, ...]
    requests: int
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    parameters: Scalars = field(default_factory=lambda: MappingProxyType({}))


def load_config(path: Path, profile: str) -> AnalyzerConfig:
    """Read one file, all of it, and return what it says of one profile.

    Args:
        path: of the file.
        profile: its name.

    Raises:
        ConfigError: missing or unknown entries, in whichever profile's table; an unknown model,
            tensor, profile, source or request parameter; a required tensor that is not sent, or
            streaming where the model answers once.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path.name}: expected a TOML file, got {error}") from None
    if not NEEDED <= set(table) <= NEEDED | OPTIONAL:
        raise ConfigError(
            f"{path.name}: expected {sorted(NEEDED)} and perhaps {sorted(OPTIONAL)}, "
            f"got {sorted(table)}"
        )
    changes = table.pop("profiles", {})
    if not isinstance(changes, dict) or not set(changes) <= set(profile_names()):
        raise ConfigError(
            f"{path.name}: profiles: expected tables of {', '.join(profile_names())}, "
            f"got {sorted(changes) if isinstance(changes, dict) else changes!r}"
        )
    configs: dict[str | None, AnalyzerConfig] = {None: _config(path.name, table)}
    for name, change in changes.items():
        where = f"{path.name}: profiles.{name}"
        if not isinstance(change, dict) or not set(change) <= OVERRIDES:
            raise ConfigError(f"{where}: expected some of {sorted(OVERRIDES)}, got {change!r}")
        configs[name] = _config(where, table | change)
    return configs[profile if profile in configs else None]


def load_configs(models: tuple[str, ...], profile: str) -> list[AnalyzerConfig]:
    """Return the configurations of these models under a profile, in their order.

    Raises:
        ConfigError: a model has no file, a file is wrong, or one is of no model.
    """
    files = {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}
    strangers = sorted(set(files) - set(MODELS))
    if strangers:
        raise ConfigError(f"expected files of {', '.join(MODELS)}, got {', '.join(strangers)}")
    lacking = [model for model in models if model not in files]
    if lacking:
        raise ConfigError(f"{lacking[0]}: expected a file {lacking[0]}.toml beside the others")
    return [load_config(files[model], profile) for model in models]


def _config(where: str, table: Mapping[str, Any]) -> AnalyzerConfig:
    model = table["model"]
    if not isinstance(model, str) or model not in MODELS:
        raise ConfigError(f"{where}: expected one of {', '.join(MODELS)}, got {model}")
    spec = MODELS[model].spec
    if table["source"] not in SOURCES:
        sources = ", ".join(SOURCES)
        raise ConfigError(f"{where}: source: expected one of {sources}, got {table['source']}")
    if table["streaming"] is not spec.decoupled:
        raise ConfigError(f"{where}: streaming: expected {spec.decoupled}")
    concurrency = table["concurrency"]
    counts = [*concurrency, table["requests"]] if isinstance(concurrency, list) else [concurrency]
    if len(counts) < 2 or any(type(count) is not int or count < 1 for count in counts):
        raise ConfigError(f"{where}: concurrency and requests: expected integers of at least 1")
    texts = _texts(where, spec, table.get("texts", {}))
    return AnalyzerConfig(
        spec.name,
        _inputs(where, spec, table["inputs"], set(texts)),
        table["source"],
        table["streaming"],
        tuple(concurrency),
        table["requests"],
        texts,
        _parameters(where, spec.name, table.get("parameters", {})),
    )


def _inputs(where: str, spec: ModelSpec, given: Any, texts: set[str]) -> tuple[str, ...]:
    required = {tensor.name for tensor in spec.inputs if not tensor.optional}
    known = {tensor.name for tensor in spec.inputs}
    named = isinstance(given, list) and all(isinstance(name, str) for name in given)
    if not named or not required | texts <= set(given) <= known:
        raise ConfigError(
            f"{where}: inputs: expected {sorted(required | texts)} of {sorted(known)}, got {given}"
        )
    return tuple(given)


def _texts(where: str, spec: ModelSpec, given: Any) -> Mapping[str, tuple[str, ...]]:
    known = {tensor.name for tensor in spec.inputs if tensor.datatype == "BYTES"}
    fits = isinstance(given, dict) and set(given) <= known
    if not fits or not all(
        isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)
        for texts in given.values()
    ):
        raise ConfigError(f"{where}: texts: expected lists of texts by {sorted(known)}: {given!r}")
    return MappingProxyType({name: tuple(texts) for name, texts in given.items()})


def _parameters(where: str, model: str, given: Any) -> Scalars:
    """Check request parameters as the model itself would; perf_analyzer sends no fractions."""
    if not isinstance(given, dict) or any(isinstance(value, float) for value in given.values()):
        raise ConfigError(f"{where}: parameters: expected integers, texts or booleans: {given!r}")
    try:
        MODELS[model].parameters.parse(given)
    except PawfectError as error:
        raise ConfigError(f"{where}: {error.message}") from None
    return MappingProxyType(dict(given))
