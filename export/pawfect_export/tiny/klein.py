"""A tiny FLUX.2 [klein]: the classes, files and settings of the published model at toy sizes.

Its weights are random: it shows that pictures and numbers go through the chain as they should, and
what it paints means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import torch
from diffusers.models.autoencoders.autoencoder_kl_flux2 import AutoencoderKLFlux2
from diffusers.models.transformers.transformer_flux2 import Flux2Transformer2DModel
from transformers.models.qwen3.configuration_qwen3 import Qwen3Config
from transformers.models.qwen3.modeling_qwen3 import Qwen3ForCausalLM

from pawfect_export.tiny.qwen_tokenizer import build_tokenizer
from pawfect_export.writing import random_weights, write_json, write_weights

# Of the text encoder; three of its layers side by side are what the transformer takes. 2560 in the
# published model.
TEXT_WIDTH: Final = 32
# One more than the last that is taken: few layers of another number would not do, for no config
# says which are taken. 36 in the published model.
TEXT_LAYERS: Final = 28
# As black-forest-labs/FLUX.2-klein-4B publishes them, but for the sizes.
MODEL_INDEX: Final = MappingProxyType(
    {
        "_class_name": "Flux2KleinPipeline",
        "is_distilled": True,
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "Qwen3ForCausalLM"],
        "tokenizer": ["transformers", "Qwen2TokenizerFast"],
        "transformer": ["diffusers", "Flux2Transformer2DModel"],
        "vae": ["diffusers", "AutoencoderKLFlux2"],
    }
)
SCHEDULER: Final = MappingProxyType(
    {
        "_class_name": "FlowMatchEulerDiscreteScheduler",
        "base_image_seq_len": 256,
        "base_shift": 0.5,
        "invert_sigmas": False,
        "max_image_seq_len": 4096,
        "max_shift": 1.15,
        "num_train_timesteps": 1000,
        "shift": 3.0,
        "shift_terminal": None,
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
        "_class_name": "Flux2Transformer2DModel",
        "attention_head_dim": 32,
        "axes_dims_rope": [8, 8, 8, 8],
        "eps": 1e-06,
        "guidance_embeds": False,
        "in_channels": 128,
        "joint_attention_dim": 3 * TEXT_WIDTH,
        "mlp_ratio": 3.0,
        "num_attention_heads": 4,
        "num_layers": 2,
        "num_single_layers": 2,
        "out_channels": None,
        "patch_size": 1,
        "rope_theta": 2000,
        "timestep_guidance_channels": 256,
    }
)
VAE: Final = MappingProxyType(
    {
        "_class_name": "AutoencoderKLFlux2",
        "act_fn": "silu",
        "batch_norm_eps": 0.0001,
        "batch_norm_momentum": 0.1,
        "block_out_channels": [16, 32, 32, 32],
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "in_channels": 3,
        "latent_channels": 32,
        "layers_per_block": 1,
        "mid_block_add_attention": True,
        "norm_num_groups": 8,
        "out_channels": 3,
        "patch_size": [2, 2],
        "sample_size": 1024,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "use_post_quant_conv": True,
        "use_quant_conv": True,
    }
)
QWEN3: Final = MappingProxyType(
    {
        "architectures": ["Qwen3ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "head_dim": 16,
        "hidden_act": "silu",
        "hidden_size": TEXT_WIDTH,
        "initializer_range": 0.02,
        "intermediate_size": 2 * TEXT_WIDTH,
        "layer_types": ["full_attention"] * TEXT_LAYERS,
        "max_position_embeddings": 40_960,
        "max_window_layers": TEXT_LAYERS,
        "model_type": "qwen3",
        "num_attention_heads": 4,
        "num_hidden_layers": TEXT_LAYERS,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 1_000_000,
        "sliding_window": None,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "use_sliding_window": False,
    }
)
# As many parts as the published files have.
TEXT_PARTS: Final = 2


def build(
    folder: Path, seed: int = 0, sizes: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
) -> None:
    """Write a complete tiny klein: the same files for the same seed and sizes.

    Args:
        folder: is made; files in it are replaced.
        seed: of the random weights, 0 or more.
        sizes: by module (transformer, vae, text_encoder), entries of its config that are other than
            here; widths that modules share must agree.
    """
    generator = torch.Generator().manual_seed(seed)
    tokens = build_tokenizer(folder / "tokenizer")
    # The added tokens come last: of a text, its start and its end.
    ids = {"bos_token_id": tokens - 5, "eos_token_id": tokens - 3}
    transformer = {**TRANSFORMER, **sizes.get("transformer", {})}
    vae = {**VAE, **sizes.get("vae", {})}
    qwen3 = {**QWEN3, **ids, "vocab_size": tokens, **sizes.get("text_encoder", {})}
    write_json(folder / "model_index.json", MODEL_INDEX)
    write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    with torch.device("meta"):
        modules: dict[str, tuple[Any, Mapping[str, Any]]] = {
            "transformer": (Flux2Transformer2DModel.from_config(transformer), transformer),
            "vae": (AutoencoderKLFlux2.from_config(vae), vae),
            "text_encoder": (Qwen3ForCausalLM(Qwen3Config.from_dict(qwen3)), qwen3),
        }
    weights = {}
    for name, (module, config) in modules.items():
        write_json(folder / name / "config.json", config)
        weights[name] = random_weights(module, generator)
    # Tied to the embedding.
    del weights["text_encoder"]["lm_head.weight"]
    # A variance is positive, and a count whole.
    statistics = weights["vae"]
    statistics["bn.running_var"] = statistics["bn.running_var"].abs() + 0.5
    statistics["bn.num_batches_tracked"] = torch.tensor(1)
    for name in ("transformer", "vae"):
        write_weights(folder / name, "diffusion_pytorch_model", weights[name])
    write_weights(folder / "text_encoder", "model", weights["text_encoder"], TEXT_PARTS)
