"""The chains' transformers: the product's classes, and the configs of tiny and published ones."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pawfect.diffusion.transformer import ChainTransformer
from pawfect.flux.transformer import Transformer as FluxTransformer
from pawfect.klein.transformer import Transformer as KleinTransformer
from pawfect.qwen.transformer import Transformer as EditTransformer
from pawfect.weights.published import read
from pawfect_export.tiny import edit, flux, klein
from perf.diffusion.configs import CONFIGS

TRANSFORMERS: Final[Mapping[str, type[ChainTransformer]]] = MappingProxyType(
    {"flux": FluxTransformer, "klein": KleinTransformer, "edit": EditTransformer}
)
_TINY: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {"flux": flux.TRANSFORMER, "klein": klein.TRANSFORMER, "edit": edit.TRANSFORMER}
)


def config_of(chain: str, *, tiny: bool = False) -> dict[str, Any]:
    """Return the config of a chain's published transformer, or of the tiny one.

    Args:
        chain: flux, klein or edit.
        tiny: of the checkpoints that are built here.
    """
    if tiny:
        return dict(_TINY[chain])
    name = f"{chain}_transformer"
    return dict(CONFIGS[name] if name in CONFIGS else read(name).config)


def build_transformer(chain: str, config: Mapping[str, Any]) -> Any:
    """Return a transformer of a config as the product builds it, its weights on the meta device."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(dict(config)))
        return TRANSFORMERS[chain].build(Path(folder))
