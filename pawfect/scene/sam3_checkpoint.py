"""SAM3's published checkpoint into the parts that labelling needs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from transformers.models.clip.modeling_clip import CLIPTextEmbeddings
from transformers.models.sam3.configuration_sam3 import Sam3Config
from transformers.models.sam3.modeling_sam3 import Sam3Model, Sam3ViTLayer, Sam3ViTRotaryEmbedding

from pawfect.contract.errors import invalid
from pawfect.scene.sam3_view import Processing
from pawfect.weights.checkpoint import DTYPES, load_strict, read_tensors
from pawfect.weights.reading import read_json, unusable

# The published file holds the video model: its detector is the image model, the rest tracks objects
# from frame to frame (transformers, models/sam3_video/convert_sam3_video_to_hf.py).
DETECTOR_PREFIX: Final = "detector_model."
TRACKER_PREFIXES: Final = ("tracker_model.", "tracker_neck.")
PAD_TOKEN: Final = "<|endoftext|>"


@dataclass(frozen=True)
class LoadedSam3:
    """A SAM3 checkpoint in memory.

    Attributes:
        model: with its weights, in evaluation mode, on its device.
        processing: how it wants pictures.
        input_ids: INT64 [P, L], the phrases' tokens, on the CPU.
        attention_mask: INT64 [P, L], 1 for tokens, 0 for padding, on the CPU.
    """

    model: Sam3Model
    processing: Processing
    input_ids: torch.Tensor
    attention_mask: torch.Tensor


def load_sam3(folder: Path, phrases: Sequence[str], *, device: str, dtype: str) -> LoadedSam3:
    """Load a checkpoint and tokenise phrases.

    Args:
        folder: config.json, model.safetensors, tokenizer.json and processor_config.json as
            facebook/sam3 lays them out: the video model's weights, of which only the detector's
            are kept, or the image model's own (`Sam3Model.save_pretrained`).
        phrases: texts to tokenise, padded to the text encoder's length as `Sam3Processor` does.
        device: "cpu" or "cuda".
        dtype: "float32", "float16" or "bfloat16".

    Raises:
        PawfectError: UNAVAILABLE for anything that is missing, damaged or does not fit together;
            INVALID_ARG for another dtype.
    """
    if dtype not in DTYPES:
        raise invalid("dtype", " or ".join(DTYPES), dtype)
    model = build_module(folder)
    processing = _read_processing(folder, model.config)
    input_ids, attention_mask = _tokenise(folder, phrases, model.config)
    load_strict(
        model,
        read_tensors(folder, "model", under=DETECTOR_PREFIX, beside=TRACKER_PREFIXES),
        f"weights {folder.name}",
        device=device,
        dtype=DTYPES[dtype],
    )
    return LoadedSam3(model, processing, input_ids, attention_mask)


def build_without_weights(config: Sam3Config) -> Sam3Model:
    """Return the model with its parameters on the meta device and its constant buffers real.

    The buffers (positions and rotary frequencies) are in no checkpoint and are computed here as
    the modules compute them.
    """
    with torch.device("meta"):
        model = Sam3Model(config)
    for module in model.modules():
        if isinstance(module, Sam3ViTLayer):
            positions = module.precompute_positions(module.config, module.window_size)
            module.register_buffer("position_ids", positions, persistent=False)
        elif isinstance(module, Sam3ViTRotaryEmbedding):
            frequencies, _ = module.compute_axial_rope_parameters(module.config)
            module.register_buffer("inv_freq", frequencies, persistent=False)
            module.register_buffer("original_inv_freq", frequencies.clone(), persistent=False)
        elif isinstance(module, CLIPTextEmbeddings):
            positions = torch.arange(module.position_embedding.num_embeddings)[None]
            module.register_buffer("position_ids", positions, persistent=False)
    left = [name for name, buffer in model.named_buffers() if buffer.is_meta]
    if left:
        raise RuntimeError(f"buffers that nothing computes: {', '.join(left)}")
    return model


def build_module(folder: Path) -> Sam3Model:
    """Return the model of a folder's config.json; see `build_without_weights`.

    Raises:
        PawfectError: UNAVAILABLE where the config is missing, damaged or another model's.
    """
    table = read_json(folder, "config.json")
    kind = table.get("model_type")
    if kind not in ("sam3", "sam3_video"):
        raise unusable(folder, f"config.json: expected model_type sam3 or sam3_video, got {kind}")
    if kind == "sam3_video":
        table = table.get("detector_config") or {}
    try:
        # Sam3Config takes the full size for what is left out.
        return build_without_weights(Sam3Config.from_dict({**table}))
    except Exception as error:
        got = f"{type(error).__name__}: {_first_line(error)}"
        raise unusable(folder, f"config.json: expected SAM3's, got {got}") from error


def _read_processing(folder: Path, config: Any) -> Processing:
    name = "processor_config.json"
    table = read_json(folder, name).get("image_processor", {})
    if not isinstance(table, dict):
        got = type(table).__name__
        raise unusable(folder, f"{name}: expected image_processor as an object, got {got}")
    try:
        processing = Processing.parse(table)
    except ValueError as error:
        raise unusable(folder, f"{name}: {error}") from None
    if processing.side != config.image_size:
        problem = f"{name}: expected a side of {config.image_size} px, got {processing.side}"
        raise unusable(folder, problem)
    return processing


def _tokenise(
    folder: Path, phrases: Sequence[str], config: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the phrases' tokens and which of them are not padding, INT64 [P, L] both."""
    read_json(folder, "tokenizer.json")
    try:
        tokenizer = Tokenizer.from_file(os.fspath(folder / "tokenizer.json"))
    except Exception as error:
        problem = f"tokenizer.json: expected a tokenizer, got {_first_line(error)}"
        raise unusable(folder, problem) from error
    known, pad_id = config.text_config.vocab_size, tokenizer.token_to_id(PAD_TOKEN)
    if pad_id is None or tokenizer.get_vocab_size() > known:
        got = f"{tokenizer.get_vocab_size()}{' without it' if pad_id is None else ''}"
        problem = f"tokenizer.json: expected at most {known} tokens with {PAD_TOKEN}, got {got}"
        raise unusable(folder, problem)
    tokenizer.no_truncation()
    length = config.text_config.max_position_embeddings
    tokenizer.enable_padding(length=length, pad_id=pad_id, pad_token=PAD_TOKEN)
    encodings = tokenizer.encode_batch(list(phrases))
    for phrase, encoding in zip(phrases, encodings, strict=True):
        if len(encoding.ids) > length:
            problem = f"expected phrases of at most {length} tokens, got {len(encoding.ids)}"
            raise unusable(folder, f"{problem} for {phrase!r}")
    return (
        torch.tensor([encoding.ids for encoding in encodings]),
        torch.tensor([encoding.attention_mask for encoding in encodings]),
    )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
