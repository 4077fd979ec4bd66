"""How each model is measured under a profile: the tables of `models.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

from pawfect.contract.tables import SOME, Rule, TableError, at_least, one_of, read_table
from pawfect.models import MODELS
from pawfect.profile import profile_names

FILE: Final = Path(__file__).with_name("models.toml")
_FROM_ONE: Final = Rule(
    lambda values: values[:1] == (1,) and list(values) == sorted(set(values)),
    "rising integers from 1",
)


@dataclass(frozen=True)
class AnalyzerConfig:
    """How one model is measured under one profile; see `models.toml`.

    Attributes:
        model: name in the contract.
        inputs: the tensors that are sent; all required ones among them.
        source: what is sent of the reference scene.
        concurrency: numbers of requests kept in flight, 1 first: a budget is judged by it.
        requests: requests per measurement.
        texts: by tensor, texts that are sent in place of what the source has.
        parameters: the request's, as texts.
    """

    model: Annotated[str, one_of(*MODELS)]
    inputs: Annotated[tuple[str, ...], SOME]
    source: Annotated[str, one_of("photo", "file", "window", "view", "chain")]
    concurrency: Annotated[tuple[int, ...], _FROM_ONE]
    requests: Annotated[int, at_least(1)]
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def streaming(self) -> bool:
        """Whether the model answers several times, which needs a gRPC stream."""
        return MODELS[self.model].spec.decoupled


def load_configs(models: tuple[str, ...], profile: str, path: Path = FILE) -> list[AnalyzerConfig]:
    """Return the configurations of these models under a profile, in their order.

    A profile without a table of its own, such as t4-klein, has that of t4. Every table of the file
    is read, whatever the profile.

    Raises:
        TableError: no TOML file, a wrong or missing entry, a table of no model or profile, a
            required tensor that is not sent.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TableError(path.name, "a TOML file", error) from None
    found = {model: _by_profile(model, dict(table)) for model, table in tables.items()}
    lacking = [model for model in models if model not in found]
    if lacking:
        raise TableError(path.name, f"a table {lacking[0]}", ", ".join(found))
    return [_found(found[model], profile) for model in models]


def _found(by_profile: Mapping[str, AnalyzerConfig], profile: str) -> AnalyzerConfig:
    """Return the configuration of a profile: its own, else of the one that it is named after."""
    named = profile, profile.partition("-")[0], ""
    return next(by_profile[name] for name in named if name in by_profile)


def _by_profile(model: str, table: dict[str, Any]) -> dict[str, AnalyzerConfig]:
    changes = table.pop("profiles", {})
    strangers = sorted(set(changes) - set(profile_names()))
    if strangers:
        names = ", ".join(profile_names())
        raise TableError(f"{model}: profiles", f"tables of {names}", ", ".join(strangers))
    return {
        name: _config(f"{model}: profiles: {name}" if name else model, model, table | change)
        for name, change in {"": {}, **changes}.items()
    }


def _config(where: str, model: str, table: dict[str, Any]) -> AnalyzerConfig:
    config = read_table(AnalyzerConfig, {"model": model, **table}, where)
    spec = MODELS[model].spec
    known = {tensor.name for tensor in spec.inputs}
    required = {tensor.name for tensor in spec.inputs if not tensor.optional} | set(config.texts)
    if not required <= set(config.inputs) <= known:
        expected = f"{sorted(required)} of {sorted(known)}"
        raise TableError(f"{where}: inputs", expected, list(config.inputs))
    return config
