"""Instructions as Qwen-Image-Edit reads them: by Qwen2.5-VL, which looks at the pictures too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.models.qwen2.tokenization_qwen2 import Qwen2Tokenizer
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VLModel,
    Qwen2_5_VLRotaryEmbedding,
    Qwen2_5_VLVisionRotaryEmbedding,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from pawfect.contract.errors import invalid
from pawfect.diffusion.loading import CONFIG_ERRORS, on_meta, read_config
from pawfect.diffusion.quantised.loading import AS_STORED, prepare
from pawfect.diffusion.text import (
    TextEmbedding,
    check_unicode,
    check_vocabulary,
    half,
    load_tokenizer,
)
from pawfect.qwen.pictures import check_pictures, scaled
from pawfect.qwen.template import DROPPED, PREFIX, SUFFIX, TEMPLATES, Template, check_template
from pawfect.weights.checkpoint import load_strict, read_tensors, torch_dtype
from pawfect.weights.reading import read_json, unusable

# `tokenizer_max_length` of the pipelines.
MAX_TOKENS: Final = 1024
TOKENIZER_FILES: Final = (("vocab.json", "merges.txt"), ("tokenizer.json",))
# Of the encoder's files.
STEM: Final = "model"
# Published below it, beside the vision tower; see `_own_name`.
LANGUAGE: Final = "language_model."


@dataclass
class TextEncoder:
    """Qwen2.5-VL without its language head.

    Attributes:
        encoder: a Qwen2_5_VLModel, loaded.
        tokenizer: its own.
        processor: turns pictures into the encoder's patches.
        template: of the pipeline.
        tokens: most of an instruction, without pictures and template.
        arithmetic: what computes the language model's layers: `plain`, or a scheme of quantisation
            and the kernels in force.
    """

    encoder: Any
    tokenizer: Any
    processor: Any
    template: Template
    tokens: int
    arithmetic: str = "plain"

    @classmethod
    def load(
        cls, folder: Path, *, device: str, dtype: str, tokens: int, weights: Path | None = None
    ) -> TextEncoder:
        """Load `text_encoder`, `tokenizer` and `processor` of a folder.

        Args:
            folder: of the whole model, as published; its `model_index.json` names the pipeline.
            device: cpu or cuda.
            dtype: float32, float16 or bfloat16.
            tokens: see the class; 1 to 1024.
            weights: whose `text_encoder` is loaded, such as one quantised here, which comes without
                a tokenizer and a processor; None: the whole model's.

        Raises:
            PawfectError: UNAVAILABLE where a file is missing, damaged or another model's.
        """
        if not 1 <= tokens <= MAX_TOKENS:
            raise invalid("tokens", f"1 to {MAX_TOKENS}", tokens)
        named = str(read_json(folder, "model_index.json").get("_class_name"))
        if named not in TEMPLATES:
            expected = " or ".join(TEMPLATES)
            raise unusable(folder, f"model_index.json: expected {expected}, got {named}")
        tokenizer = load_tokenizer(Qwen2Tokenizer, folder / "tokenizer", TOKENIZER_FILES)
        processor = _load_processor(folder / "processor")
        inner = (weights or folder) / "text_encoder"
        encoder, arithmetic = _load_encoder(inner, device, torch_dtype(dtype))
        check_vocabulary(tokenizer, encoder, folder / "tokenizer")
        check_template(tokenizer, encoder.config.image_token_id, folder / "tokenizer")
        return cls(encoder, tokenizer, processor, TEMPLATES[named], tokens, arithmetic)

    @torch.inference_mode()
    def encode(self, prompt: str, pictures: Sequence[NDArray[np.uint8]]) -> TextEmbedding:
        """Embed one instruction as the pipelines' `encode_prompt` does; an empty one is fine.

        Unlike in the pipelines of diffusers 0.42 beside transformers 5, whose image tokens lose
        their places (https://github.com/huggingface/diffusers/issues/14194), tokens of a picture
        have its rows and columns as positions, as in training. Special tokens that an instruction
        spells are text.

        Args:
            prompt: the instruction.
            pictures: UINT8 [H, W, 3] each, RGB, of any sizes up to 100 times as long as wide; one
                or more, as the pipeline has it.

        Returns:
            The encoder's last hidden state of each token behind PREFIX: of the pictures, of the
            instruction and of SUFFIX.

        Raises:
            PawfectError: INVALID_ARG for text that is not Unicode, and for wrong pictures; INTERNAL
                where an embedding does not fit in float16.
        """
        check_unicode("PROMPT", prompt)
        check_pictures(pictures, several=self.template.several)
        shown = [scaled(picture, self.template.area) for picture in pictures]
        patches = self.processor.preprocess(shown, return_tensors="pt")
        own = self.tokenizer(
            prompt, add_special_tokens=False, split_special_tokens=True, verbose=False
        ).input_ids
        ids = torch.tensor([self._ids(own[: self.tokens], patches.image_grid_thw)])
        device = self.encoder.device
        states = self.encoder(
            input_ids=ids.to(device),
            attention_mask=torch.ones_like(ids).to(device),
            pixel_values=patches.pixel_values.to(device, self.encoder.dtype),
            image_grid_thw=patches.image_grid_thw.to(device),
            mm_token_type_ids=(ids == self.encoder.config.image_token_id).int().to(device),
            use_cache=False,
        ).last_hidden_state[0, DROPPED:]
        return TextEmbedding(half("PROMPT_EMBEDS", states), max(0, len(own) - self.tokens))

    def _ids(self, prompt: list[int], grids: torch.Tensor) -> list[int]:
        """Return the tokens of the whole text, with as many for each picture as it has."""
        shown = "".join(self.template.picture.format(n) for n in range(1, len(grids) + 1))
        counts = iter((grids.prod(-1) // self.processor.merge_size**2).tolist())
        picture = self.encoder.config.image_token_id
        ids: list[int] = []
        # The tokens around the instruction are special ones: none goes over its ends.
        for token in self.tokenizer(PREFIX + shown, add_special_tokens=False).input_ids:
            ids += [token] * (next(counts) if token == picture else 1)
        tail: list[int] = self.tokenizer(SUFFIX, add_special_tokens=False).input_ids
        return ids + prompt + tail


def build_encoder(folder: Path) -> Any:
    """Return the Qwen2_5_VLModel of a folder's config.json, its weights on the meta device.

    Raises:
        PawfectError: UNAVAILABLE where the config is missing, damaged or another model's.
    """
    config = read_config(folder, "Qwen2_5_VLForConditionalGeneration", {})
    encoder = on_meta(folder, lambda: Qwen2_5_VLModel(Qwen2_5_VLConfig.from_dict(config)))
    # Their frequencies are in no checkpoint.
    visual, language = encoder.visual, encoder.language_model
    visual.rotary_pos_emb = Qwen2_5_VLVisionRotaryEmbedding(visual.config)
    language.rotary_emb = Qwen2_5_VLRotaryEmbedding(language.config)
    return encoder


def read_encoder(folder: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of an encoder of `build_encoder`, by its own names; see `read_tensors`."""
    published = read_tensors(folder, STEM, under="model.", beside=("lm_head.",))
    return {_own_name(name): tensor for name, tensor in published.items()}


def _load_encoder(folder: Path, device: str, dtype: torch.dtype) -> tuple[Any, str]:
    """Return the encoder of a folder, published or quantised here, and what computes its layers."""
    encoder = build_encoder(folder)
    tensors = read_encoder(folder)
    arithmetic = prepare(encoder, folder, STEM, device, dtype)
    load_strict(encoder, tensors, "text_encoder", device=device, dtype=dtype, as_stored=AS_STORED)
    return encoder, arithmetic


def _own_name(name: str) -> str:
    """Return the module's name of a tensor without its `model.`.

    transformers 4 saved the language model's layers there, beside the vision tower; transformers 5
    has a name for both.
    """
    return name if name.startswith(("visual.", LANGUAGE)) else LANGUAGE + name


def _load_processor(folder: Path) -> Any:
    read_json(folder, "preprocessor_config.json")
    try:
        return Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True)
    except CONFIG_ERRORS as error:
        problem = f"preprocessor_config.json: expected an image processor's, got {error}"
        raise unusable(folder, problem.splitlines()[0]) from None
