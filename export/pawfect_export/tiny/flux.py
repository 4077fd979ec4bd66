"""A tiny FLUX-Fill: the classes, files and settings of the published model at toy sizes.

Its weights are random: it shows that pictures and numbers go through the chain as they should, and
what it paints means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel
from transformers.models.t5.configuration_t5 import T5Config
from transformers.models.t5.modeling_t5 import T5EncoderModel

from pawfect_export.tiny.flux_tokenizers import (
    CLIP_LENGTH,
    build_clip_tokenizer,
    build_t5_tokenizer,
)
from pawfect_export.writing import random_weights, write_json, write_weights

# Widths that the text encoders and the transformer share; 4096 and 768 in the published model.
PROMPT_WIDTH: Final = 64
POOLED_WIDTH: Final = 32
# As black-forest-labs/FLUX.1-Fill-dev publishes them, but for the sizes.
MODEL_INDEX: Final = MappingProxyType(
    {
        "_class_name": "FluxFillPipeline",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "T5TokenizerFast"],
        "transformer": ["diffusers", "FluxTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
)
SCHEDULER: Final = MappingProxyType(
    {
        "_class_name": "FlowMatchEulerDiscreteScheduler",
        "base_image_seq_len": 256,
        "base_shift": 0.5,
        "max_image_seq_len": 4096,
        "max_shift": 1.15,
        "num_train_timesteps": 1000,
        "shift": 3.0,
        "use_dynamic_shifting": True,
    }
)
TRANSFORMER: Final = MappingProxyType(
    {
        "_class_name": "FluxTransformer2DModel",
        "attention_head_dim": 32,
        "axes_dims_rope": [8, 12, 12],
        "guidance_embeds": True,
        "in_channels": 384,
        "joint_attention_dim": PROMPT_WIDTH,
        "num_attention_heads": 4,
        "num_layers": 2,
        "num_single_layers": 2,
        "out_channels": 64,
        "patch_size": 1,
        "pooled_projection_dim": POOLED_WIDTH,
    }
)
VAE: Final = MappingProxyType(
    {
        "_class_name": "AutoencoderKL",
        "act_fn": "silu",
        "block_out_channels": [16, 32, 32, 32],
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "force_upcast": True,
        "in_channels": 3,
        "latent_channels": 16,
        "latents_mean": None,
        "latents_std": None,
        "layers_per_block": 1,
        "mid_block_add_attention": True,
        "norm_num_groups": 8,
        "out_channels": 3,
        "sample_size": 1024,
        "scaling_factor": 0.3611,
        "shift_factor": 0.1159,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "use_post_quant_conv": False,
        "use_quant_conv": False,
    }
)
CLIP: Final = MappingProxyType(
    {
        "architectures": ["CLIPTextModel"],
        "attention_dropout": 0.0,
        "bos_token_id": 0,
        # Kept from OpenAI's release: the pooled state is that of the highest token id.
        "eos_token_id": 2,
        "hidden_act": "quick_gelu",
        "hidden_size": POOLED_WIDTH,
        "intermediate_size": 4 * POOLED_WIDTH,
        "layer_norm_eps": 1e-05,
        "max_position_embeddings": CLIP_LENGTH,
        "model_type": "clip_text_model",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "pad_token_id": 1,
        "projection_dim": POOLED_WIDTH,
        "torch_dtype": "bfloat16",
    }
)
T5: Final = MappingProxyType(
    {
        "architectures": ["T5EncoderModel"],
        "d_ff": 2 * PROMPT_WIDTH,
        "d_kv": 16,
        "d_model": PROMPT_WIDTH,
        "decoder_start_token_id": 0,
        "dense_act_fn": "gelu_new",
        "dropout_rate": 0.1,
        "eos_token_id": 1,
        "feed_forward_proj": "gated-gelu",
        "is_encoder_decoder": True,
        "is_gated_act": True,
        "layer_norm_epsilon": 1e-06,
        "model_type": "t5",
        "num_heads": 4,
        "num_layers": 2,
        "pad_token_id": 0,
        "relative_attention_max_distance": 128,
        "relative_attention_num_buckets": 32,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_cache": True,
    }
)
# As many parts as the published files have.
TRANSFORMER_PARTS: Final = 3
T5_PARTS: Final = 2


def build(
    folder: Path, seed: int = 0, sizes: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
) -> None:
    """Write a complete tiny FLUX-Fill: the same files for the same seed and sizes.

    Args:
        folder: is made; files in it are replaced.
        seed: of the random weights, 0 or more.
        sizes: by module (transformer, vae, text_encoder, text_encoder_2), entries of its config
            that are other than here; widths that modules share must agree.
    """
    generator = torch.Generator().manual_seed(seed)
    transformer = {**TRANSFORMER, **sizes.get("transformer", {})}
    vae = {**VAE, **sizes.get("vae", {})}
    clip = {**CLIP, "vocab_size": build_clip_tokenizer(folder / "tokenizer")}
    t5 = {**T5, "vocab_size": build_t5_tokenizer(folder / "tokenizer_2")}
    clip |= sizes.get("text_encoder", {})
    t5 |= sizes.get("text_encoder_2", {})
    write_json(folder / "model_index.json", MODEL_INDEX)
    write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    with torch.device("meta"):
        modules: dict[str, tuple[Any, Mapping[str, Any]]] = {
            "transformer": (FluxTransformer2DModel.from_config(transformer), transformer),
            "vae": (AutoencoderKL.from_config(vae), vae),
            "text_encoder": (CLIPTextModel(CLIPTextConfig.from_dict(clip)), clip),
            "text_encoder_2": (T5EncoderModel(T5Config.from_dict(t5)), t5),
        }
    weights = {}
    for name, (module, config) in modules.items():
        write_json(folder / name / "config.json", config)
        weights[name] = random_weights(module, generator)
    # Names as published: CLIP's with its prefix, T5's shared embedding once.
    weights["text_encoder"] = {f"text_model.{k}": v for k, v in weights["text_encoder"].items()}
    del weights["text_encoder_2"]["encoder.embed_tokens.weight"]
    write_weights(
        folder / "transformer", "diffusion_pytorch_model", weights["transformer"], TRANSFORMER_PARTS
    )
    write_weights(folder / "vae", "diffusion_pytorch_model", weights["vae"])
    write_weights(folder / "text_encoder", "model", weights["text_encoder"])
    write_weights(folder / "text_encoder_2", "model", weights["text_encoder_2"], T5_PARTS)
