"""Prompts as FLUX reads them: T5's token embeddings and CLIP's pooled one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel
from transformers.models.clip.tokenization_clip import CLIPTokenizer
from transformers.models.t5.configuration_t5 import T5Config
from transformers.models.t5.modeling_t5 import T5EncoderModel
from transformers.models.t5.tokenization_t5 import T5Tokenizer

from pawfect.contract.errors import invalid
from pawfect.diffusion.loading import on_meta, read_config
from pawfect.diffusion.text import check_unicode, check_vocabulary, half, load_tokenizer
from pawfect.weights.checkpoint import load_strict, read_tensors, torch_dtype

# FLUX was trained on up to 512 T5 tokens.
MAX_TOKENS: Final = 512
# The prefix that published CLIP checkpoints carry and transformers 5 no longer has in its module.
CLIP_PREFIX: Final = "text_model."
# Files of which one whole set makes a tokenizer; without any, transformers makes an empty one.
CLIP_FILES: Final = (("vocab.json", "merges.txt"), ("tokenizer.json",))
T5_FILES: Final = (("tokenizer.json",), ("spiece.model",))


@dataclass(frozen=True)
class TextEmbedding:
    """One prompt as the transformer takes it.

    Attributes:
        embeds: FP16 [L, D], T5's last hidden state of each token, padding included.
        pooled: FP16 [P], CLIP's state of the end-of-text token.
        cut: T5 tokens of the prompt over L, which `embeds` leaves out.
    """

    embeds: NDArray[np.float16]
    pooled: NDArray[np.float16]
    cut: int


class TextEncoder:
    """FLUX's two text encoders and their tokenizers.

    Embeddings leave as float16 whatever the encoders compute in: they cross the wire.
    """

    def __init__(
        self, clip: Any, t5: Any, clip_tokenizer: Any, t5_tokenizer: Any, tokens: int
    ) -> None:
        self.clip = clip
        self.t5 = t5
        self.clip_tokenizer = clip_tokenizer
        self.t5_tokenizer = t5_tokenizer
        self.tokens = tokens

    @classmethod
    def load(cls, folder: Path, *, device: str, dtype: str, tokens: int) -> TextEncoder:
        """Load `text_encoder`, `text_encoder_2`, `tokenizer` and `tokenizer_2` of a folder.

        Args:
            folder: of the whole model, as published.
            device: cpu or cuda.
            dtype: float32, float16 or bfloat16. In float16, T5's `wo` stays in float32, as
                transformers keeps it: its outputs overflow half precision.
            tokens: L, the T5 tokens of a prompt, 1 to 512.

        Raises:
            PawfectError: UNAVAILABLE where a file is missing, damaged or another model's.
        """
        if not 1 <= tokens <= MAX_TOKENS:
            raise invalid("tokens", f"1 to {MAX_TOKENS}", tokens)
        clip_tokenizer = load_tokenizer(CLIPTokenizer, folder / "tokenizer", CLIP_FILES)
        t5_tokenizer = load_tokenizer(T5Tokenizer, folder / "tokenizer_2", T5_FILES)
        clip = _load_clip(folder / "text_encoder", device, torch_dtype(dtype))
        t5 = _load_t5(folder / "text_encoder_2", device, torch_dtype(dtype))
        for name, tokenizer, encoder in (
            ("tokenizer", clip_tokenizer, clip),
            ("tokenizer_2", t5_tokenizer, t5),
        ):
            check_vocabulary(tokenizer, encoder, folder / name)
        return cls(clip, t5, clip_tokenizer, t5_tokenizer, tokens)

    @torch.inference_mode()
    def encode(self, prompt: str) -> TextEmbedding:
        """Embed one prompt as `FluxFillPipeline.encode_prompt` does; an empty one is fine.

        Raises:
            PawfectError: INVALID_ARG for text that is not Unicode, INTERNAL where an embedding does
                not fit in float16.
        """
        check_unicode("PROMPT", prompt)
        clip_ids = self._ids(self.clip_tokenizer, prompt, self.clip.config.max_position_embeddings)
        pooled = self.clip(clip_ids.to(self.clip.device)).pooler_output[0]
        t5_ids = self._ids(self.t5_tokenizer, prompt, self.tokens)
        embeds = self.t5(t5_ids.to(self.t5.device)).last_hidden_state[0]
        whole = len(self.t5_tokenizer(prompt, verbose=False).input_ids)
        return TextEmbedding(
            # T5 with `wo` in float32 ends in float32; the pipeline rounds to the encoder's dtype.
            embeds=half("PROMPT_EMBEDS", embeds.to(self.t5.dtype)),
            pooled=half("POOLED", pooled),
            cut=max(0, whole - self.tokens),
        )

    @staticmethod
    def _ids(tokenizer: Any, prompt: str, length: int) -> torch.Tensor:
        tokenized = tokenizer(
            prompt, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )
        ids: torch.Tensor = tokenized.input_ids
        return ids


def build_clip(folder: Path) -> Any:
    """Return the CLIPTextModel of a folder's config.json, its weights on the meta device.

    Raises:
        PawfectError: UNAVAILABLE where the config is missing, damaged or another model's.
    """
    config = read_config(folder, "CLIPTextModel", {})
    clip = on_meta(folder, lambda: CLIPTextModel(CLIPTextConfig.from_dict(config)))
    # The one buffer that no checkpoint holds.
    positions = torch.arange(clip.config.max_position_embeddings).expand((1, -1))
    clip.embeddings.position_ids = positions
    return clip


def build_t5(folder: Path) -> Any:
    """Return the T5EncoderModel of a folder's config.json, without weights; as `build_clip`."""
    config = read_config(folder, "T5EncoderModel", {})
    return on_meta(folder, lambda: T5EncoderModel(T5Config.from_dict(config)))


def _load_clip(folder: Path, device: str, dtype: torch.dtype) -> Any:
    clip = build_clip(folder)
    tensors = read_tensors(folder, "model", under=CLIP_PREFIX)
    load_strict(clip, tensors, "text_encoder", device=device, dtype=dtype)
    return clip


def _load_t5(folder: Path, device: str, dtype: torch.dtype) -> Any:
    t5 = build_t5(folder)
    load_strict(
        t5,
        read_tensors(folder, "model"),
        "text_encoder_2",
        device=device,
        dtype=dtype,
        keep_fp32=tuple(T5EncoderModel._keep_in_fp32_modules or ()),
    )
    return t5
