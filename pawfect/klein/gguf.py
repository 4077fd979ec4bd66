"""Names of the tensors in GGUF files of FLUX.2's transformer: as Black Forest Labs publish them.

One published tensor holds the rows of one or more of diffusers' tensors, one below the other. The
pairs follow the two implementations: https://github.com/black-forest-labs/flux2 (model.py) and
diffusers' Flux2Transformer2DModel. Nothing has a bias. Files say that they are `flux`, the one name
that ComfyUI-GGUF knows both models by; from FLUX.1's their tensors tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from pawfect.diffusion.gguf import Published

# The one layer whose rows are ordered differently: shift above scale as published, scale above
# shift in diffusers' AdaLayerNormContinuous.
SHIFT_ABOVE_SCALE: Final = "final_layer.adaLN_modulation.1"

_Stems = Mapping[str, tuple[str, ...]]
_AROUND: Final[_Stems] = MappingProxyType(
    {
        "img_in": ("x_embedder",),
        "txt_in": ("context_embedder",),
        "time_in.in_layer": ("time_guidance_embed.timestep_embedder.linear_1",),
        "time_in.out_layer": ("time_guidance_embed.timestep_embedder.linear_2",),
        # Of FLUX.2 [dev]; [klein] has no guidance to embed.
        "guidance_in.in_layer": ("time_guidance_embed.guidance_embedder.linear_1",),
        "guidance_in.out_layer": ("time_guidance_embed.guidance_embedder.linear_2",),
        "double_stream_modulation_img.lin": ("double_stream_modulation_img.linear",),
        "double_stream_modulation_txt.lin": ("double_stream_modulation_txt.linear",),
        "single_stream_modulation.lin": ("single_stream_modulation.linear",),
        SHIFT_ABOVE_SCALE: ("norm_out.linear",),
        "final_layer.linear": ("proj_out",),
    }
)
_DOUBLE: Final[_Stems] = MappingProxyType(
    {
        "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
        "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
        "img_attn.norm.query_norm": ("attn.norm_q",),
        "img_attn.norm.key_norm": ("attn.norm_k",),
        "txt_attn.norm.query_norm": ("attn.norm_added_q",),
        "txt_attn.norm.key_norm": ("attn.norm_added_k",),
        "img_attn.proj": ("attn.to_out.0",),
        "txt_attn.proj": ("attn.to_add_out",),
        "img_mlp.0": ("ff.linear_in",),
        "img_mlp.2": ("ff.linear_out",),
        "txt_mlp.0": ("ff_context.linear_in",),
        "txt_mlp.2": ("ff_context.linear_out",),
    }
)
_SINGLE: Final[_Stems] = MappingProxyType(
    {
        "linear1": ("attn.to_qkv_mlp_proj",),
        "linear2": ("attn.to_out",),
        "norm.query_norm": ("attn.norm_q",),
        "norm.key_norm": ("attn.norm_k",),
    }
)


def parts_of(module: Any) -> dict[str, tuple[str, ...]]:
    """Return by published name the module's own tensors that each published one holds.

    Args:
        module: a Flux2Transformer2DModel, on any device.
    """
    stems = {
        stem: parts for stem, parts in _AROUND.items() if f"{parts[0]}.weight" in _names(module)
    }
    for published, own, names in (
        ("double_blocks", "transformer_blocks", _DOUBLE),
        ("single_blocks", "single_transformer_blocks", _SINGLE),
    ):
        for n in range(len(getattr(module, own))):
            for stem, parts in names.items():
                stems[f"{published}.{n}.{stem}"] = tuple(f"{own}.{n}.{part}" for part in parts)
    return {
        f"{stem}.{'scale' if stem.endswith('_norm') else 'weight'}": tuple(
            f"{part}.weight" for part in parts
        )
        for stem, parts in stems.items()
    }


def halves_swapped(name: str) -> bool:
    """Return whether the two halves of a published tensor's rows change places in diffusers."""
    return name.startswith(SHIFT_ABOVE_SCALE)


PUBLISHED: Final = Published("flux", parts_of, halves_swapped)


def _names(module: Any) -> frozenset[str]:
    return frozenset(name for name, _ in module.named_parameters())
