"""Names of FLUX's tensors as Black Forest Labs publish them, beside diffusers' own.

One published tensor holds the rows of one or more of diffusers' tensors, one below the other. The
pairs follow the two implementations: https://github.com/black-forest-labs/flux (model.py) and
diffusers' FluxTransformer2DModel. Sizes come from the module, never from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

# The one layer whose rows are ordered differently: shift above scale as published, scale above
# shift in diffusers' AdaLayerNormContinuous.
SHIFT_ABOVE_SCALE: Final = "final_layer.adaLN_modulation.1"

_Stems = Mapping[str, tuple[str, ...]]
_LINEARS: Final[_Stems] = MappingProxyType(
    {
        "img_in": ("x_embedder",),
        "txt_in": ("context_embedder",),
        "time_in.in_layer": ("time_text_embed.timestep_embedder.linear_1",),
        "time_in.out_layer": ("time_text_embed.timestep_embedder.linear_2",),
        "vector_in.in_layer": ("time_text_embed.text_embedder.linear_1",),
        "vector_in.out_layer": ("time_text_embed.text_embedder.linear_2",),
        SHIFT_ABOVE_SCALE: ("norm_out.linear",),
        "final_layer.linear": ("proj_out",),
    }
)
_GUIDANCE: Final[_Stems] = MappingProxyType(
    {
        "guidance_in.in_layer": ("time_text_embed.guidance_embedder.linear_1",),
        "guidance_in.out_layer": ("time_text_embed.guidance_embedder.linear_2",),
    }
)
_DOUBLE_LINEARS: Final[_Stems] = MappingProxyType(
    {
        "img_mod.lin": ("norm1.linear",),
        "txt_mod.lin": ("norm1_context.linear",),
        "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
        "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
        "img_attn.proj": ("attn.to_out.0",),
        "txt_attn.proj": ("attn.to_add_out",),
        "img_mlp.0": ("ff.net.0.proj",),
        "img_mlp.2": ("ff.net.2",),
        "txt_mlp.0": ("ff_context.net.0.proj",),
        "txt_mlp.2": ("ff_context.net.2",),
    }
)
_DOUBLE_NORMS: Final[_Stems] = MappingProxyType(
    {
        "img_attn.norm.query_norm": ("attn.norm_q",),
        "img_attn.norm.key_norm": ("attn.norm_k",),
        "txt_attn.norm.query_norm": ("attn.norm_added_q",),
        "txt_attn.norm.key_norm": ("attn.norm_added_k",),
    }
)
_SINGLE_LINEARS: Final[_Stems] = MappingProxyType(
    {
        "modulation.lin": ("norm.linear",),
        "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
        "linear2": ("proj_out",),
    }
)
_SINGLE_NORMS: Final[_Stems] = MappingProxyType(
    {"norm.query_norm": ("attn.norm_q",), "norm.key_norm": ("attn.norm_k",)}
)


def published_names(
    double_blocks: int, single_blocks: int, *, guidance: bool
) -> dict[str, tuple[str, ...]]:
    """Return for each published tensor the names of diffusers' tensors whose rows it holds.

    Args:
        double_blocks: of the model: 19 for FLUX.1 (diffusers' `num_layers`).
        single_blocks: of the model: 38 for FLUX.1 (diffusers' `num_single_layers`).
        guidance: the model embeds its guidance, as FLUX.1-dev and FLUX.1-Fill-dev do.
    """
    names = dict(_linears(_LINEARS))
    if guidance:
        names |= dict(_linears(_GUIDANCE))
    for count, published, own, linears, norms in (
        (double_blocks, "double_blocks", "transformer_blocks", _DOUBLE_LINEARS, _DOUBLE_NORMS),
        (
            single_blocks,
            "single_blocks",
            "single_transformer_blocks",
            _SINGLE_LINEARS,
            _SINGLE_NORMS,
        ),
    ):
        for n in range(count):
            for name, parts in (*_linears(linears), *_norms(norms)):
                names[f"{published}.{n}.{name}"] = tuple(f"{own}.{n}.{part}" for part in parts)
    return names


def halves_swapped(name: str) -> bool:
    """Return whether the two halves of a published tensor's rows change places in diffusers."""
    return name.startswith(SHIFT_ABOVE_SCALE)


def _linears(stems: _Stems) -> Iterator[tuple[str, tuple[str, ...]]]:
    for stem, parts in stems.items():
        for leaf in ("weight", "bias"):
            yield f"{stem}.{leaf}", tuple(f"{part}.{leaf}" for part in parts)


def _norms(stems: _Stems) -> Iterator[tuple[str, tuple[str, ...]]]:
    for stem, parts in stems.items():
        yield f"{stem}.scale", tuple(f"{part}.weight" for part in parts)
