"""The chains' torch modules from published folders: built from their config, then filled whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from huggingface_hub.errors import StrictDataclassError

from pawfect.weights.reading import read_json, unusable

# What classes of diffusers and transformers raise for a config that is not theirs.
CONFIG_ERRORS: Final = (
    AttributeError,
    ArithmeticError,
    LookupError,
    RuntimeError,
    StrictDataclassError,
    TypeError,
    ValueError,
)


def read_config(folder: Path, class_name: str, required: Mapping[str, Any]) -> dict[str, Any]:
    """Read a module's `config.json` and make sure that it is the one meant.

    Args:
        folder: of one module.
        class_name: as `_class_name` (diffusers) or `architectures` (transformers) must say.
        required: entries without which the rest of the chain would not fit.

    Raises:
        PawfectError: UNAVAILABLE where it is missing, damaged, or another module's.
    """
    config = read_json(folder, "config.json")
    named = config.get("_class_name") or config.get("architectures")
    if named not in (class_name, [class_name]):
        raise unusable(folder, f"config.json: expected {class_name}, got {named}")
    for name, value in required.items():
        if config.get(name) != value:
            raise unusable(folder, f"{name}: expected {value}, got {config.get(name)!r}")
    return config


def on_meta(folder: Path, build: Callable[[], Any]) -> Any:
    """Build a module without memory for its weights.

    Raises:
        PawfectError: UNAVAILABLE where its class does not take the config.
    """
    try:
        with torch.device("meta"):
            return build()
    except CONFIG_ERRORS as error:
        problem = f"config.json: expected settings that build the module, got {error}"
        raise unusable(folder, problem.splitlines()[0]) from None
