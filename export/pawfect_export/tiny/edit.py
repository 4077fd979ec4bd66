"""A tiny Qwen-Image-Edit: the classes, files and settings of the published model at toy sizes.

Its weights are random: it shows that pictures and numbers go through the chain as they should, and
what it paints means nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import torch
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import AutoencoderKLQwenImage
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLForConditionalGeneration

from pawfect_export.tiny.edit_tokenizer import build_tokenizer
from pawfect_export.writing import random_weight, write_json, write_weights

# Width that the text encoder and the transformer share; 3584 in the published model.
PROMPT_WIDTH: Final = 64
# Of Qwen-Image-Edit, and of its successors 2509 and 2511, which take several pictures.
PIPELINES: Final = ("QwenImageEditPipeline", "QwenImageEditPlusPipeline")
# As Qwen/Qwen-Image-Edit and Qwen/Qwen-Image-Edit-2509 publish them, but for the sizes.
MODEL_INDEX: Final = MappingProxyType(
    {
        "processor": ["transformers", "Qwen2VLProcessor"],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "Qwen2_5_VLForConditionalGeneration"],
        "tokenizer": ["transformers", "Qwen2Tokenizer"],
        "transformer": ["diffusers", "QwenImageTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKLQwenImage"],
    }
)
SCHEDULER: Final = MappingProxyType(
    {
        "_class_name": "FlowMatchEulerDiscreteScheduler",
        "base_image_seq_len": 256,
        "base_shift": 0.5,
        "invert_sigmas": False,
        "max_image_seq_len": 8192,
        "max_shift": 0.9,
        "num_train_timesteps": 1000,
        "shift": 1.0,
        "shift_terminal": 0.02,
        "stochastic_sampling": False,
        "time_shift_type": "exponential",
        "use_beta_sigmas": False,
        "use_dynamic_shifting": True,
        "use_exponential_sigmas": False,
        "use_karras_sigmas": False,
    }
)
TRANSFORMER: Final = MappingProxyType(
    {
        "_class_name": "QwenImageTransformer2DModel",
        "attention_head_dim": 32,
        "axes_dims_rope": [8, 12, 12],
        "guidance_embeds": False,
        "in_channels": 64,
        "joint_attention_dim": PROMPT_WIDTH,
        "num_attention_heads": 2,
        "num_layers": 2,
        "out_channels": 16,
        "patch_size": 2,
    }
)
VAE: Final = MappingProxyType(
    {
        "_class_name": "AutoencoderKLQwenImage",
        "attn_scales": [],
        "base_dim": 8,
        "dim_mult": [1, 2, 4, 4],
        "dropout": 0.0,
        "latents_mean": [
            *(-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508),
            *(0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921),
        ],
        "latents_std": [
            *(2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743),
            *(3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160),
        ],
        "num_res_blocks": 1,
        "temperal_downsample": [False, True, True],
        "z_dim": 16,
    }
)
TEXT_ENCODER: Final = MappingProxyType(
    {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"],
        "attention_dropout": 0.0,
        "hidden_act": "silu",
        "hidden_size": PROMPT_WIDTH,
        "initializer_range": 0.02,
        "intermediate_size": 2 * PROMPT_WIDTH,
        "max_position_embeddings": 128_000,
        "max_window_layers": 28,
        "model_type": "qwen2_5_vl",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06,
        "rope_scaling": {"mrope_section": [2, 3, 3], "type": "mrope"},
        "rope_theta": 1_000_000.0,
        "sliding_window": 32_768,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "use_sliding_window": False,
        "vision_config": {
            "depth": 2,
            "fullatt_block_indexes": [1],
            "hidden_act": "silu",
            "hidden_size": 32,
            "in_chans": 3,
            "intermediate_size": 64,
            "model_type": "qwen2_5_vl",
            "num_heads": 2,
            "out_hidden_size": PROMPT_WIDTH,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "spatial_patch_size": 14,
            "temporal_patch_size": 2,
            "tokens_per_second": 2,
            "window_size": 112,
        },
    }
)
# By the names that the text encoder's config has for the ids of these tokens.
TOKEN_IDS: Final = MappingProxyType(
    {
        "bos_token_id": "<|endoftext|>",
        "eos_token_id": "<|im_end|>",
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_end_token_id": "<|vision_end|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_token_id": "<|vision_pad|>",
    }
)
PREPROCESSOR: Final = MappingProxyType(
    {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_processor_type": "Qwen2VLImageProcessor",
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "max_pixels": 12_845_056,
        "merge_size": 2,
        "min_pixels": 3136,
        "patch_size": 14,
        "processor_class": "Qwen2_5_VLProcessor",
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"longest_edge": 12_845_056, "shortest_edge": 3136},
        "temporal_patch_size": 2,
    }
)
# Files of each; the published ones have more.
TRANSFORMER_PARTS: Final = 3
TEXT_PARTS: Final = 2


def build(
    folder: Path,
    seed: int = 0,
    pipeline: str = "QwenImageEditPlusPipeline",
    sizes: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> None:
    """Write a complete tiny Qwen-Image-Edit: the same files for the same seed, pipeline and sizes.

    Args:
        folder: is made; files in it are replaced.
        seed: of the random weights, 0 or more.
        pipeline: one of PIPELINES.
        sizes: by module (transformer, vae, text_encoder), entries of its config that are other than
            here; widths that modules share must agree.

    Raises:
        ValueError: for another pipeline.
    """
    if pipeline not in PIPELINES:
        raise ValueError(f"expected one of {', '.join(PIPELINES)}, got {pipeline}")
    generator = torch.Generator().manual_seed(seed)
    added = build_tokenizer(folder / "tokenizer")
    text = {
        **TEXT_ENCODER,
        **{name: added[token] for name, token in TOKEN_IDS.items()},
        "vocab_size": max(added.values()) + 1,
        **sizes.get("text_encoder", {}),
    }
    transformer = {**TRANSFORMER, **sizes.get("transformer", {})}
    vae = {**VAE, **sizes.get("vae", {})}
    write_json(folder / "model_index.json", {"_class_name": pipeline, **MODEL_INDEX})
    write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    shutil.copytree(folder / "tokenizer", folder / "processor", dirs_exist_ok=True)
    write_json(folder / "processor" / "preprocessor_config.json", PREPROCESSOR)
    with torch.device("meta"):
        modules: dict[str, tuple[Any, Mapping[str, Any]]] = {
            "transformer": (QwenImageTransformer2DModel.from_config(transformer), transformer),
            "vae": (AutoencoderKLQwenImage.from_config(vae), vae),
            "text_encoder": (
                Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig.from_dict(text)),
                text,
            ),
        }
    for name, (module, config) in modules.items():
        write_json(folder / name / "config.json", config)
        weights = {
            _published(tensor): _random(tensor, like.shape, generator).to(torch.bfloat16)
            for tensor, like in sorted(module.state_dict().items())
        }
        stem = "model" if name == "text_encoder" else "diffusion_pytorch_model"
        parts = {"transformer": TRANSFORMER_PARTS, "text_encoder": TEXT_PARTS}.get(name, 1)
        write_weights(folder / name, stem, weights, parts)


def _published(name: str) -> str:
    """Return a tensor's published name: of the text encoder's, that of transformers 4."""
    return name.replace("model.visual.", "visual.").replace("model.language_model.", "model.")


def _random(name: str, shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """Return random weights; the VAE's norms have theirs as planes of one pixel."""
    if name.endswith(".gamma"):
        return random_weight("weight", shape[:1], generator).reshape(shape)
    return random_weight(name, shape, generator)
