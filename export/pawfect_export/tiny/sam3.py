"""A tiny SAM3: the published repository's files, the real classes, a million parameters.

As in facebook/sam3 the weights are the video model's, detector and tracker, so that the loader has
the same parts to take and to leave. The numbers are random: what it labels means nothing.
"""

from __future__ import annotations

import os
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import save
from tokenizers import pre_tokenizers
from transformers.models.clip.tokenization_clip import CLIPTokenizer
from transformers.models.sam3_video.configuration_sam3_video import Sam3VideoConfig
from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoModel

from pawfect.scene.lexicon import labelled_surfaces
from pawfect_export.writing import write_json

# 16x16 patches in windows of 8x8, positions learned at 8x8 and tiled: full size is 72, 24 and 24.
SIDE: Final = 224
WIDTH: Final = 48
TEXT_LENGTH: Final = 32
# Merges that the tokenizer learns from the vocabulary's phrases: common words become one token,
# rare ones stay several.
MERGES: Final = 160
START, END = "<|startoftext|>", "<|endoftext|>"


def build(folder: Path, seed: int = 0) -> None:
    """Write a tiny SAM3 checkpoint.

    Args:
        folder: made where it is missing; its files of these names are replaced.
        seed: the same seed writes the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokens = _write_tokenizer(folder)
    config = Sam3VideoConfig(**_config(tokens))
    config.architectures = ["Sam3VideoModel"]
    write_json(folder / "config.json", config.to_dict(), sort_keys=True)
    write_json(folder / "processor_config.json", _processor(), sort_keys=True)
    with torch.device("meta"):
        shapes = {
            name: tensor.shape for name, tensor in Sam3VideoModel(config).state_dict().items()
        }
    rng = np.random.default_rng(seed)
    tensors = {name: _initial(name, shape, rng) for name, shape in shapes.items()}
    (folder / "model.safetensors").write_bytes(save(tensors, {"format": "pt"}))


def _config(tokens: int) -> dict[str, Any]:
    backbone = {
        "model_type": "sam3_vit_model",
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "pretrain_image_size": SIDE // 2,
        "window_size": 8,
        "global_attn_indexes": [1, 3],
    }
    vision = {
        "backbone_config": backbone,
        "fpn_hidden_size": WIDTH,
        "backbone_feature_sizes": [[64, 64], [32, 32], [16, 16]],
    }
    text = {
        "model_type": "clip_text_model",
        "vocab_size": tokens,
        "bos_token_id": tokens - 2,
        "eos_token_id": tokens - 1,
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "projection_dim": WIDTH // 2,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": TEXT_LENGTH,
        "hidden_act": "gelu",
    }
    attention = {"hidden_size": WIDTH, "num_attention_heads": 4}
    layers = {**attention, "intermediate_size": 2 * WIDTH, "num_layers": 2}
    detector = {
        "model_type": "sam3",
        "vision_config": vision,
        "text_config": text,
        "geometry_encoder_config": layers,
        "detr_encoder_config": layers,
        "detr_decoder_config": {**layers, "num_queries": 20},
        "mask_decoder_config": attention,
    }
    tracker = {
        "model_type": "sam3_tracker_video",
        "vision_config": {"model_type": "sam3_vision_model", **vision},
        "prompt_encoder_config": {"hidden_size": WIDTH, "image_size": SIDE},
        "mask_decoder_config": {
            **attention,
            "mlp_dim": 2 * WIDTH,
            "iou_head_hidden_dim": WIDTH,
        },
        "memory_attention_hidden_size": WIDTH,
        "memory_attention_num_layers": 1,
        "memory_attention_feed_forward_hidden_size": 2 * WIDTH,
        "memory_attention_rope_feat_sizes": [16, 16],
        "memory_encoder_hidden_size": WIDTH,
        "memory_encoder_output_channels": WIDTH // 4,
        "mask_downsampler_embed_dim": WIDTH,
        "memory_fuser_embed_dim": WIDTH,
        "memory_fuser_intermediate_dim": 2 * WIDTH,
        "image_size": SIDE,
    }
    return {"detector_config": detector, "tracker_config": tracker, "low_res_mask_size": 64}


def _initial(name: str, shape: torch.Size, rng: np.random.Generator) -> torch.Tensor:
    """Return a tensor's random weights: every layer keeps the scale of what goes through it."""
    if name.endswith("semantic_projection.bias"):
        # Masks cover some of most pictures, so that there are labels to pass on.
        values = np.full(shape, 0.75)
    elif len(shape) < 2:
        norm = name.endswith(("weight", "scale"))
        values = np.full(shape, float(norm)) + 0.05 * rng.standard_normal(shape)
    elif "embed" in name:
        values = 0.5 * rng.standard_normal(shape)
    else:
        values = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(values.astype(np.float32))


def _write_tokenizer(folder: Path) -> int:
    """Write CLIP's tokenizer with merges learned from the vocabulary; return its tokens."""
    # CLIP's vocabulary: 256 bytes, the same ending a word, one token per merge, start and end.
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = _learn_merges()
    tokens = [*alphabet, *(f"{letter}</w>" for letter in alphabet)]
    tokens += ["".join(merge) for merge in merges]
    tokens += [START, END]
    vocab = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    write_json(folder / "vocab.json", vocab, sort_keys=True, ensure_ascii=True)
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges), ""]
    (folder / "merges.txt").write_text("\n".join(lines), "utf-8")
    CLIPTokenizer(
        vocab=os.fspath(folder / "vocab.json"),
        merges=os.fspath(folder / "merges.txt"),
        model_max_length=TEXT_LENGTH,
    ).save_pretrained(folder)
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    write_json(folder / "special_tokens_map.json", special, sort_keys=True)
    return len(vocab)


def _learn_merges() -> list[tuple[str, str]]:
    """Return the merges that byte-pair encoding learns from the vocabulary's words, in order.

    Sennrich et al., "Neural machine translation of rare words with subword units", 2016. Of equally
    frequent pairs the first in the alphabet is merged; the tokenizers package's own trainer picks
    one by chance.
    """
    split = CLIPTokenizer().backend_tokenizer.pre_tokenizer.pre_tokenize_str
    words = [
        [*word[:-1], f"{word[-1]}</w>"]
        for surface in labelled_surfaces()
        for phrase in surface.phrases
        for word, _ in split(phrase)
    ]
    merges: list[tuple[str, str]] = []
    while len(merges) < MERGES:
        pairs = Counter(pair for word in words for pair in pairwise(word))
        if not pairs:
            break
        merges.append(min(pairs, key=lambda pair: (-pairs[pair], pair)))
        words = [_merged(word, merges[-1]) for word in words]
    return merges


def _merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    """Return a word's tokens with every occurrence of a pair joined, from the left."""
    joined: list[str] = []
    for token in word:
        if joined and (joined[-1], token) == pair:
            joined[-1] += token
        else:
            joined.append(token)
    return joined


def _processor() -> dict[str, Any]:
    """Return processor_config.json with the published file's keys, for this size."""
    numbers = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"height": SIDE, "width": SIDE},
        "data_format": "channels_first",
    }
    # Four cells of the mask to each of the 14 px patches.
    mask_size = {"height": SIDE * 4 // 14, "width": SIDE * 4 // 14}
    return {
        "image_processor": {
            "image_processor_type": "Sam3ImageProcessorFast",
            "mask_size": mask_size,
            **numbers,
        },
        "processor_class": "Sam3VideoProcessor",
        "target_size": SIDE,
        "video_processor": {"video_processor_type": "Sam2VideoVideoProcessor", **numbers},
    }
