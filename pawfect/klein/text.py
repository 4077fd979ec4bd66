"""Prompts as FLUX.2 [klein] reads them: hidden states of three layers of Qwen3, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch
from jinja2 import TemplateError
from transformers.models.qwen2.tokenization_qwen2 import Qwen2Tokenizer
from transformers.models.qwen3.configuration_qwen3 import Qwen3Config
from transformers.models.qwen3.modeling_qwen3 import Qwen3Model, Qwen3RotaryEmbedding

from pawfect.contract.errors import invalid
from pawfect.diffusion.loading import on_meta, read_config
from pawfect.diffusion.quantised.loading import AS_STORED, prepare
from pawfect.diffusion.text import (
    TextEmbedding,
    check_unicode,
    check_vocabulary,
    half,
    load_tokenizer,
)
from pawfect.weights.checkpoint import load_strict, read_tensors, torch_dtype
from pawfect.weights.reading import unusable

# Of Flux2KleinPipeline: `max_sequence_length`.
MAX_TOKENS: Final = 512
# The layers whose outputs the transformer takes: `text_encoder_out_layers` of Flux2KleinPipeline;
# no published config says them. What comes after the last one is neither loaded nor run.
LAYERS: Final = (9, 18, 27)
# The prefix of the model below its head, and the name of its files.
PREFIX: Final = "model."
STEM: Final = "model"
TOKENIZER_FILES: Final = (("tokenizer.json",), ("vocab.json", "merges.txt"))


class TextEncoder:
    """Qwen3 up to the last of the LAYERS, and its tokenizer.

    Embeddings leave as float16 whatever the encoder computes in: they cross the wire.

    Args:
        encoder: of `build_encoder`, loaded.
        tokenizer: Qwen2's, with a chat template.
        tokens: L, the tokens of a prompt in its chat template.
        arithmetic: what computes its layers: `plain`, or a scheme of quantisation and the kernels
            in force.
    """

    def __init__(
        self, encoder: Any, tokenizer: Any, tokens: int, arithmetic: str = "plain"
    ) -> None:
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.tokens = tokens
        self.arithmetic = arithmetic

    @classmethod
    def load(
        cls, folder: Path, *, device: str, dtype: str, tokens: int, weights: Path | None = None
    ) -> TextEncoder:
        """Load `text_encoder` and `tokenizer` of a folder.

        Args:
            folder: of the whole model, as published.
            device: cpu or cuda.
            dtype: float32, float16 or bfloat16.
            tokens: L, the tokens of a prompt in its chat template, 1 to 512.
            weights: whose `text_encoder` is loaded, such as one quantised here, which comes without
                a tokenizer; None: the whole model's.

        Raises:
            PawfectError: UNAVAILABLE where a file is missing, damaged or another model's.
        """
        if not 1 <= tokens <= MAX_TOKENS:
            raise invalid("tokens", f"1 to {MAX_TOKENS}", tokens)
        tokenizer = load_tokenizer(Qwen2Tokenizer, folder / "tokenizer", TOKENIZER_FILES)
        try:
            _in_template(tokenizer, "grass")
        except (TemplateError, ValueError) as error:
            problem = f"expected a chat template, got {type(error).__name__}"
            raise unusable(folder / "tokenizer", problem) from None
        inner = (weights or folder) / "text_encoder"
        encoder, arithmetic = _load_encoder(inner, device, torch_dtype(dtype))
        check_vocabulary(tokenizer, encoder, folder / "tokenizer")
        return cls(encoder, tokenizer, tokens, arithmetic)

    @torch.inference_mode()
    def encode(self, prompt: str) -> TextEmbedding:
        """Embed one prompt as `Flux2KleinPipeline.encode_prompt` does; an empty one is fine.

        Returns:
            FP16 [L, 3H]: for each token, padding included, the outputs of the LAYERS.

        Raises:
            PawfectError: INVALID_ARG for text that is not Unicode, INTERNAL where an embedding does
                not fit in float16.
        """
        check_unicode("PROMPT", prompt)
        text = _in_template(self.tokenizer, prompt)
        tokenized = self.tokenizer(
            text,
            padding="max_length",
            max_length=self.tokens,
            truncation=True,
            return_tensors="pt",
        ).to(self.encoder.device)
        states = self.encoder(
            input_ids=tokenized.input_ids,
            attention_mask=tokenized.attention_mask,
            output_hidden_states=True,
            use_cache=False,
        ).hidden_states
        whole = len(self.tokenizer(text, verbose=False).input_ids)
        return TextEmbedding(
            embeds=half("PROMPT_EMBEDS", torch.cat([states[layer][0] for layer in LAYERS], dim=1)),
            cut=max(0, whole - self.tokens),
        )


def build_encoder(folder: Path) -> Any:
    """Return the Qwen3Model of a folder's config.json, its weights on the meta device.

    It ends with the last of the LAYERS, without the norm that follows the last layer of all.

    Raises:
        PawfectError: UNAVAILABLE where the config is missing, damaged or another model's.
    """
    config = read_config(folder, "Qwen3ForCausalLM", {})
    encoder = on_meta(folder, lambda: Qwen3Model(Qwen3Config.from_dict(config)))
    # The last layer of all would not do: its hidden state is taken behind the norm.
    if len(encoder.layers) <= LAYERS[-1]:
        raise unusable(folder, f"expected over {LAYERS[-1]} layers, got {len(encoder.layers)}")
    encoder.layers = encoder.layers[: LAYERS[-1]]
    encoder.norm = torch.nn.Identity()
    # Its frequencies, which no checkpoint holds.
    encoder.rotary_emb = Qwen3RotaryEmbedding(encoder.config)
    return encoder


def left_out(encoder: Any) -> tuple[str, ...]:
    """Return the prefixes of published tensors that an encoder of `build_encoder` goes without."""
    above = range(LAYERS[-1], encoder.config.num_hidden_layers)
    return ("lm_head.", f"{PREFIX}norm.", *(f"{PREFIX}layers.{layer}." for layer in above))


def read_encoder(folder: Path, encoder: Any) -> dict[str, torch.Tensor]:
    """Return the tensors of an encoder of `build_encoder`, by its own names; see `read_tensors`."""
    return read_tensors(folder, STEM, under=PREFIX, beside=left_out(encoder))


def _load_encoder(folder: Path, device: str, dtype: torch.dtype) -> tuple[Any, str]:
    """Return the encoder of a folder, published or quantised here, and what computes its layers."""
    encoder = build_encoder(folder)
    tensors = read_encoder(folder, encoder)
    arithmetic = prepare(encoder, folder, STEM, device, dtype)
    load_strict(encoder, tensors, "text_encoder", device=device, dtype=dtype, as_stored=AS_STORED)
    return encoder, arithmetic


def _in_template(tokenizer: Any, prompt: str) -> str:
    """Return a prompt as its tokenizer's chat template has a user say it."""
    text: str = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}],
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=False,
    )
    return text
