"""The perf_analyzer configurations in `perf/perf_analyzer/`, one file per model."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from pawfect.contract import MODELS

FOLDER: Final = Path(__file__).parents[1] / "perf_analyzer"
# The whole photo and its mask; the window that the patch engine is given; what FLUX's chain asks
# this model for when it fills that photo.
SOURCES: Final = ("photo", "window", "chain")


class ConfigError(ValueError):
    """A configuration that names something that does not exist."""


@dataclass(frozen=True)
class AnalyzerConfig:
    """How one model is measured.

    Attributes:
        model: name in the contract.
        inputs: the tensors that are sent; all required ones among them.
        source: what is sent of the reference scene: one of SOURCES.
        streaming: one gRPC stream instead of unary calls; what decoupled models need.
        concurrency: numbers of requests kept in flight, one measurement each.
        requests: requests per measurement.
    """

    model: str
    inputs: tuple[str, ...]
    source: str
    streaming: bool
    concurrency: tuple[int, ...]
    requests: int


def load_config(path: Path) -> AnalyzerConfig:
    """Read and check one file.

    Raises:
        ConfigError: missing or unknown entries, an unknown model or tensor, a required tensor that
            is not sent, an unknown source, or streaming where the model answers once.
    """
    table = tomllib.loads(path.read_text("utf-8"))
    expected = {spec.name for spec in fields(AnalyzerConfig)}
    if set(table) != expected:
        raise ConfigError(f"{path.name}: expected {sorted(expected)}, got {sorted(table)}")
    config = AnalyzerConfig(
        table["model"],
        tuple(table["inputs"]),
        table["source"],
        table["streaming"],
        tuple(table["concurrency"]),
        table["requests"],
    )
    spec = MODELS.get(config.model)
    if spec is None:
        raise ConfigError(f"{path.name}: expected one of {', '.join(MODELS)}, got {config.model}")
    required = {tensor.name for tensor in spec.inputs if not tensor.optional}
    known = {tensor.name for tensor in spec.inputs}
    if not required <= set(config.inputs) <= known:
        raise ConfigError(f"{path.name}: inputs: expected {sorted(required)}, got {config.inputs}")
    if config.source not in SOURCES:
        sources = ", ".join(SOURCES)
        raise ConfigError(f"{path.name}: source: expected one of {sources}, got {config.source}")
    if config.streaming != spec.decoupled:
        raise ConfigError(f"{path.name}: streaming: expected {spec.decoupled}")
    if min((*config.concurrency, config.requests)) < 1:
        raise ConfigError(f"{path.name}: concurrency and requests: expected at least 1")
    return config


def load_configs(models: tuple[str, ...]) -> list[AnalyzerConfig]:
    """Return the configurations of these models, in their order.

    Raises:
        ConfigError: a model has no file, or a file is wrong.
    """
    configs = []
    for model in models:
        path = FOLDER / f"{model}.toml"
        if not path.is_file():
            raise ConfigError(f"{model}: expected a file {path.name} beside the others")
        configs.append(load_config(path))
    return configs
