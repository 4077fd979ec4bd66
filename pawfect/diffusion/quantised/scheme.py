"""The schemes by name, and the recipe that a file of quantised weights was made by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, Final, Protocol

import torch

from pawfect.contract.errors import invalid
from pawfect.diffusion.quantised import sizes
from pawfect.diffusion.quantised.ggml import Ggml
from pawfect.diffusion.quantised.int4 import Int4
from pawfect.diffusion.quantised.int8 import Int8


class Scheme(Protocol):
    """How a linear layer is quantised.

    Attributes:
        name: as in recipes and commands.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    def linear(
        self, in_features: int, out_features: int, bias: bool, dtype: torch.dtype
    ) -> torch.nn.Module:
        """Return a layer with its tensors by the names of `quantise`, and `bias`, unfilled.

        Args:
            in_features: columns of the weight.
            out_features: rows.
            bias: whether it has one.
            dtype: in which the module around it computes.
        """
        ...

    def quantise(self, weight: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the layer's tensors, on the CPU, of a weight, floating [N, K]; deterministic."""
        ...


SCHEMES: Final[Mapping[str, Scheme]] = MappingProxyType(
    {"int8": Int8(), "int4": Int4(), "q4_0": Ggml("q4_0"), "q8_0": Ggml("q8_0")}
)
# Names of tensors that keep the dtype they are stored in, whatever the module computes in.
AS_STORED: Final = ("weight_scale", "group_scale")
# Blocks whose linear layers are quantised, by their class in diffusers or transformers, and the
# endings of the layers that stay plain: the modulation, small products whose error would reach a
# whole block, and whose outputs can be had once per prompt and schedule. FLUX.2's stands outside
# its blocks. So do all embedders, last layers and Qwen2.5-VL's vision tower, which is small (0.7 of
# 8 billion parameters) and whose blocks are of another class.
BLOCKS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "FluxTransformerBlock": (".norm1.linear", ".norm1_context.linear"),
        "FluxSingleTransformerBlock": (".norm.linear",),
        "Flux2TransformerBlock": (),
        "Flux2SingleTransformerBlock": (),
        "QwenImageTransformerBlock": (".img_mod.1", ".txt_mod.1"),
        "Qwen3DecoderLayer": (),
        "Qwen2_5_VLDecoderLayer": (),
    }
)


@dataclass(frozen=True)
class Recipe:
    """How quantised weights were made, in each of their files.

    Attributes:
        scheme: one of SCHEMES.
        rotation: largest rotated block; 1 where the scheme rotates nothing.
        group: weights that share a scale: a GGUF block, a group of int4, 0: a whole channel.
        source: identity of the weights that were quantised.
        lora: identity of the LoRA fused before, or empty.
        lora_scale: the factor it was fused with; 0 where there is none.
        version: of the package that made them.
    """

    scheme: str
    rotation: int
    group: int
    source: str
    lora: str
    lora_scale: float
    version: str

    def metadata(self) -> dict[str, str]:
        """Return it as a safetensors file has it."""
        return {sizes.METADATA_KEY: json.dumps(asdict(self), sort_keys=True)}

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """Read what `metadata` wrote.

        Raises:
            ValueError: for anything else; the message says what was expected.
        """
        content = json.loads(text)
        names = {item.name for item in fields(cls)}
        if not isinstance(content, dict) or content.keys() != names:
            raise ValueError(f"expected a recipe of {', '.join(sorted(names))}")
        recipe = cls(**content)
        if recipe.scheme not in SCHEMES:
            raise ValueError(f"expected a scheme of {', '.join(SCHEMES)}, got {recipe.scheme!r}")
        if (recipe.rotation, recipe.group) != settings(recipe.scheme):
            expected = "rotation {}, group {}".format(*settings(recipe.scheme))
            raise ValueError(f"expected {expected}, got {recipe.rotation}, {recipe.group}")
        return recipe


def find_scheme(name: str) -> Scheme:
    """Return the scheme of that name; INVALID_ARG for another, K-quants named as read-only."""
    if name not in SCHEMES:
        note = ""
        if name.lower().startswith("q") and "_k" in name.lower():
            note = " (K-quants are read from published GGUF files, not made here)"
        raise invalid("scheme", f"one of {', '.join(SCHEMES)}{note}", repr(name))
    return SCHEMES[name]


def settings(scheme: str) -> tuple[int, int]:
    """Return a scheme's rotation and group as recipes name them."""
    rotation = getattr(SCHEMES[scheme], "rotation", 1)
    group = {"int8": 0, "int4": sizes.INT4_GROUP}.get(scheme)
    return rotation, sizes.GGML_BLOCKS[scheme][0] if group is None else group


def quantised_layers(module: torch.nn.Module, scheme: str) -> dict[str, torch.nn.Linear]:
    """Return by name the linear layers of a module that a scheme quantises: those of its BLOCKS.

    Args:
        module: a transformer or a text encoder, plain, on any device, the meta device too.
        scheme: one of SCHEMES.
    """
    return {
        name: layer
        for path, block in module.named_modules()
        if (kind := type(block).__name__) in BLOCKS
        for name, layer in block.named_modules(prefix=path)
        if isinstance(layer, torch.nn.Linear)
        and not name.endswith(BLOCKS[kind])
        and sizes.taken(scheme, layer.in_features)
    }


def with_layers(module: torch.nn.Module, scheme: Scheme, dtype: torch.dtype) -> list[Any]:
    """Put a scheme's unfilled layers in place of the plain ones; return them.

    Args:
        module: plain, on the meta device.
        scheme: whose layers.
        dtype: in which the module computes.
    """
    made: list[Any] = []
    for name, layer in quantised_layers(module, scheme.name).items():
        with torch.device(layer.weight.device):
            bias = layer.bias is not None
            made.append(scheme.linear(layer.in_features, layer.out_features, bias, dtype))
        module.set_submodule(name, made[-1])
    return made
