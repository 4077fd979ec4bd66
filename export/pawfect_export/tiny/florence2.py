"""A tiny Florence-2: the published model's class, files and tokens at toy size.

Its weights are random: it shows that pictures and words go through as they should, and what it says
means nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import torch
from safetensors.torch import save_file
from transformers.models.florence2.configuration_florence2 import Florence2Config
from transformers.models.florence2.modeling_florence2 import Florence2ForConditionalGeneration

from pawfect_export.tiny.florence2_tokenizer import build_tokenizer
from pawfect_export.writing import random_weight, write_json

# Side of the picture, px; the published model takes 768. Its four stages then have 24, 12, 6 and 3
# cells, whole windows of 3, as the published ones have whole windows of 12.
SIDE: Final = 96
IMAGE_TOKENS: Final = 3 * 3 + 1
WIDTH: Final = 64
# The published tower has depths 1, 1, 9, 1 and widths 128, 256, 512, 1024.
VISION: Final = MappingProxyType(
    {
        "activation_function": "gelu",
        "depths": [1, 1, 2, 1],
        "drop_path_rate": 0.1,
        "embed_dim": [16, 32, 48, 64],
        "in_channels": 3,
        "max_position_embeddings": 50,
        "max_temporal_embeddings": 100,
        "mlp_ratio": 4.0,
        "model_type": "florence_vision",
        "num_groups": [1, 2, 3, 4],
        "num_heads": [1, 2, 3, 4],
        "patch_padding": [3, 1, 1, 1],
        "patch_prenorm": [False, True, True, True],
        "patch_size": [7, 3, 3, 3],
        "patch_stride": [4, 2, 2, 2],
        "projection_dim": WIDTH,
        "qkv_bias": True,
        "window_size": 3,
    }
)
# A BART: 6 and 6 layers, width 768 and 1024 positions in the published base model.
TEXT: Final = MappingProxyType(
    {
        "activation_dropout": 0.1,
        "activation_function": "gelu",
        "attention_dropout": 0.1,
        "bos_token_id": 0,
        "d_model": WIDTH,
        "decoder_attention_heads": 4,
        "decoder_ffn_dim": 4 * WIDTH,
        "decoder_layers": 2,
        "decoder_start_token_id": 2,
        "dropout": 0.1,
        "encoder_attention_heads": 4,
        "encoder_ffn_dim": 4 * WIDTH,
        "encoder_layers": 2,
        "eos_token_id": 2,
        "is_encoder_decoder": True,
        "max_position_embeddings": 256,
        "model_type": "bart",
        "pad_token_id": 1,
        "scale_embedding": False,
        "tie_word_embeddings": True,
    }
)
GENERATION: Final = MappingProxyType(
    {
        "bos_token_id": 0,
        "decoder_start_token_id": 2,
        "early_stopping": True,
        "eos_token_id": 2,
        "forced_bos_token_id": 0,
        "forced_eos_token_id": 2,
        "no_repeat_ngram_size": 3,
        "num_beams": 3,
        "pad_token_id": 1,
    }
)
PREPROCESSOR: Final = MappingProxyType(
    {
        "crop_size": {"height": SIDE, "width": SIDE},
        "do_center_crop": False,
        "do_convert_rgb": None,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.485, 0.456, 0.406],
        "image_processor_type": "CLIPImageProcessor",
        "image_seq_length": IMAGE_TOKENS,
        "image_std": [0.229, 0.224, 0.225],
        "processor_class": "Florence2Processor",
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"height": SIDE, "width": SIDE},
    }
)
PROCESSOR: Final = MappingProxyType(
    {
        "num_additional_image_tokens": 0,
        "post_processor_config": {"pure_text": {}},
        "processor_class": "Florence2Processor",
    }
)
# The model pads its vocabulary to whole rows of the GPU's matrix units.
VOCABULARY_STEP: Final = 64


def build(folder: Path, seed: int = 0) -> None:
    """Write a complete tiny Florence-2 of 0.7 M parameters: the same files for the same seed.

    Args:
        folder: is made; files in it are replaced.
        seed: of the random weights, 0 or more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokens, image_token = build_tokenizer(folder)
    vocabulary = math.ceil(tokens / VOCABULARY_STEP) * VOCABULARY_STEP
    config = {
        "architectures": ["Florence2ForConditionalGeneration"],
        "dtype": "float16",
        "image_token_id": image_token,
        "is_encoder_decoder": True,
        "model_type": "florence2",
        "text_config": {**TEXT, "vocab_size": vocabulary},
        "tie_word_embeddings": True,
        "vision_config": dict(VISION),
    }
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", GENERATION)
    write_json(folder / "preprocessor_config.json", PREPROCESSOR)
    write_json(folder / "processor_config.json", PROCESSOR)
    weights = _random_weights(config, torch.Generator().manual_seed(seed))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _random_weights(
    config: Mapping[str, Any], generator: torch.Generator
) -> dict[str, torch.Tensor]:
    """Return float16 weights, as published, that keep activations near unit size.

    Each tied weight is there once, and the sinusoids of the one constant buffer are its own.
    """
    with torch.random.fork_rng(devices=[]):
        model = Florence2ForConditionalGeneration(Florence2Config.from_dict(dict(config)))
    buffers = dict(model.named_buffers())
    weights = {name: tensor.clone() for name, tensor in buffers.items()}
    # Without the names under which a tied weight is listed again.
    for name, like in sorted(model.named_parameters()):
        weights[name] = random_weight(name, like.shape, generator)
    return {name: tensor.to(torch.float16) for name, tensor in weights.items()}
