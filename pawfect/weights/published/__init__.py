"""The full-size checkpoints as they are published: configs, files and shapes, without weights.

One JSON file per checkpoint, each with where its parts were looked up and what had to be derived.
Tensors are written as patterns: `{0..18}` stands for each number of a range, `{weight,bias}` for
each of some words.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

NAMES: Final = (
    "flux_transformer",
    "flux_transformer_original",
    "flux_vae",
    "clip_text_encoder",
    "t5_text_encoder",
    "sam3",
    "florence2_base",
)
_CHOICE: Final = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class PublishedFile:
    """One file of a checkpoint.

    Attributes:
        name: in the module's folder.
        size: bytes; None where it could not be looked up.
        sha256: of the content, where it could be looked up.
    """

    name: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Published:
    """One published module.

    Attributes:
        config: its config.json.
        files: of the module's folder.
        tensors: shapes by the names in the files.
        dtype: of all tensors, as safetensors names it.
        source: where each part was looked up, and what was derived instead.
    """

    config: Mapping[str, Any]
    files: tuple[PublishedFile, ...]
    tensors: Mapping[str, tuple[int, ...]]
    dtype: str
    source: tuple[str, ...]


def read(name: str) -> Published:
    """Read one of NAMES; KeyError for another."""
    if name not in NAMES:
        raise KeyError(name)
    content = json.loads((resources.files(__package__) / f"{name}.json").read_text("utf-8"))
    tensors: dict[str, tuple[int, ...]] = {}
    for pattern, shape in content["tensors"].items():
        for tensor in _expanded(pattern):
            if tensor in tensors:
                raise ValueError(f"{name}: expected each tensor once, got {tensor} twice")
            tensors[tensor] = tuple(shape)
    return Published(
        config=MappingProxyType(content["config"]),
        files=tuple(PublishedFile(**file) for file in content["files"]),
        tensors=MappingProxyType(tensors),
        dtype=content["dtype"],
        source=tuple(content["source"]),
    )


def _expanded(pattern: str) -> Iterator[str]:
    fixed = _CHOICE.split(pattern)[::2]
    choices = [_choices(choice) for choice in _CHOICE.findall(pattern)]
    for chosen in itertools.product(*choices):
        yield "".join(itertools.chain(*itertools.zip_longest(fixed, chosen, fillvalue="")))


def _choices(text: str) -> list[str]:
    first, dots, last = text.partition("..")
    return [str(n) for n in range(int(first), int(last) + 1)] if dots else text.split(",")
