"""SAM3's published checkpoint into its image model and its tokenizer."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
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
# Letters of a phrase in a message.
SHOWN: Final = 60


@dataclass(frozen=True)
class LoadedSam3:
    """A SAM3 checkpoint in memory.

    Attributes:
        model: with its weights, in evaluation mode, on its device.
        processing: how it wants pictures.
        tokenise: returns P phrases' tokens and which of them are not padding, INT64 [P, L] both,
            on the CPU; raises INVALID_ARG for a phrase of more than L tokens.
    """

    model: Sam3Model
    processing: Processing
    tokenise: Callable[[Sequence[str]], tuple[torch.Tensor, torch.Tensor]]


def load_sam3(
    folder: Path, *, device: str, dtype: str, text_device: str | None = None
) -> LoadedSam3:
    """Load a checkpoint.

    Args:
        folder: config.json, model.safetensors, tokenizer.json and processor_config.json as
            facebook/sam3 lays them out: the video model's weights, of which only the detector's
            are kept, or the image model's own (`Sam3Model.save_pretrained`).
        device: "cpu" or "cuda".
        dtype: "float32", "float16" or "bfloat16".
        text_device: "cpu": the text encoder stays there, in the dtype of its file; else as device.

    Raises:
        PawfectError: UNAVAILABLE for anything that is missing, damaged or does not fit together;
            INVALID_ARG for another dtype.
    """
    if dtype not in DTYPES:
        raise invalid("dtype", " or ".join(DTYPES), dtype)
    model = build_module(folder)
    processing = _read_processing(folder, model.config)
    tokenise = _read_tokenizer(folder, model.config)
    load_strict(
        model,
        read_tensors(folder, "model", under=DETECTOR_PREFIX, beside=TRACKER_PREFIXES),
        f"weights {folder.name}",
        device=device,
        dtype=DTYPES[dtype],
        apart=() if text_device in (None, device) else ("text_encoder",),
    )
    return LoadedSam3(model, processing, tokenise)


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


def _read_tokenizer(
    folder: Path, config: Any
) -> Callable[[Sequence[str]], tuple[torch.Tensor, torch.Tensor]]:
    """Return `LoadedSam3.tokenise`, which pads to the encoder's length as `Sam3Processor` does."""
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

    def tokenise(phrases: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        encodings = tokenizer.encode_batch(list(phrases))
        for phrase, encoding in zip(phrases, encodings, strict=True):
            if len(encoding.ids) > length:
                got = f"{len(encoding.ids)} for {phrase[:SHOWN]!r}"
                raise invalid("PHRASE", f"at most {length} tokens, some {length - 2} words", got)
        return (
            torch.tensor([encoding.ids for encoding in encodings]),
            torch.tensor([encoding.attention_mask for encoding in encodings]),
        )

    return tokenise


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
