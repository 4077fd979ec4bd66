"""Configs of published models of which no list of tensors is kept, by the name of the module.

Sizes as the models' own repositories give them; what is left out is the class's default. Their
parameters are checked against the sizes of the published files.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

CONFIGS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        # black-forest-labs/FLUX.2-klein-4B
        "klein_transformer": {
            "_class_name": "Flux2Transformer2DModel",
            "attention_head_dim": 128,
            "axes_dims_rope": [32, 32, 32, 32],
            "guidance_embeds": False,
            "in_channels": 128,
            "joint_attention_dim": 7680,
            "mlp_ratio": 3.0,
            "num_attention_heads": 24,
            "num_layers": 5,
            "num_single_layers": 20,
            "patch_size": 1,
            "rope_theta": 2000,
        },
        "klein_vae": {
            "_class_name": "AutoencoderKLFlux2",
            "block_out_channels": [128, 256, 512, 512],
            "down_block_types": ["DownEncoderBlock2D"] * 4,
            "latent_channels": 32,
            "layers_per_block": 2,
            "up_block_types": ["UpDecoderBlock2D"] * 4,
        },
        "qwen3": {
            "architectures": ["Qwen3ForCausalLM"],
            "head_dim": 128,
            "hidden_size": 2560,
            "intermediate_size": 9728,
            "model_type": "qwen3",
            "num_attention_heads": 32,
            "num_hidden_layers": 36,
            "num_key_value_heads": 8,
            "rope_theta": 1_000_000,
            "vocab_size": 151_936,
        },
        # Qwen/Qwen-Image-Edit-2509
        "edit_transformer": {
            "_class_name": "QwenImageTransformer2DModel",
            "attention_head_dim": 128,
            "axes_dims_rope": [16, 56, 56],
            "guidance_embeds": False,
            "in_channels": 64,
            "joint_attention_dim": 3584,
            "num_attention_heads": 24,
            "num_layers": 60,
            "out_channels": 16,
            "patch_size": 2,
        },
        "edit_vae": {
            "_class_name": "AutoencoderKLQwenImage",
            "attn_scales": [],
            "base_dim": 96,
            "dim_mult": [1, 2, 4, 4],
            "num_res_blocks": 2,
            "temperal_downsample": [False, True, True],
            "z_dim": 16,
        },
        "qwen2_5_vl": {
            "architectures": ["Qwen2_5_VLForConditionalGeneration"],
            "model_type": "qwen2_5_vl",
            "text_config": {
                "hidden_size": 3584,
                "intermediate_size": 18944,
                "num_attention_heads": 28,
                "num_hidden_layers": 28,
                "num_key_value_heads": 4,
                "rope_scaling": {"mrope_section": [16, 24, 24], "rope_type": "default"},
                "rope_theta": 1_000_000.0,
                "vocab_size": 152_064,
            },
            "vision_config": {
                "depth": 32,
                "fullatt_block_indexes": [7, 15, 23, 31],
                "hidden_size": 1280,
                "intermediate_size": 3420,
                "num_heads": 16,
                "out_hidden_size": 3584,
                "window_size": 112,
            },
        },
    }
)
