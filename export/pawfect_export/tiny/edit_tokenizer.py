"""A small real tokenizer of Qwen2.5-VL's kind: byte-level BPE and Qwen's special tokens."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from tokenizers.pre_tokenizers import ByteLevel
from transformers.models.qwen2.tokenization_qwen2 import Qwen2Tokenizer

from pawfect.qwen.template import PREFIX, SUFFIX
from pawfect_export.tiny.flux_tokenizers import CORPUS
from pawfect_export.writing import write_json

# In the published order, behind the vocabulary; the last are no special tokens.
SPECIAL: Final = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    *("<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>"),
    *("<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
ADDED: Final = (
    *("<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"),
    *("<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"),
)
# What instructions of this product are made of, beside the template, whose every word is one token
# as in the published vocabulary: so the tokens that the pipelines drop are the same 64.
INSTRUCTIONS: Final = (
    "Remove the dog and fill the hole with the ground around it.",
    "Keep everything else as it is. Picture 1: 2",
    *CORPUS,
)


def build_tokenizer(folder: Path) -> dict[str, int]:
    """Write the tokenizer's files and return the ids of its added tokens, the last of all.

    Args:
        folder: gets vocab.json, merges.txt, added_tokens.json, special_tokens_map.json and
            tokenizer_config.json.
    """
    merges = _merges(*re.split(r"<\|\w+\|>", PREFIX + SUFFIX), *INSTRUCTIONS)
    tokens = [*sorted(ByteLevel.alphabet()), *("".join(pair) for pair in merges)]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    added = {token: len(vocabulary) + n for n, token in enumerate((*SPECIAL, *ADDED))}
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "vocab.json", vocabulary)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges), ""]
    (folder / "merges.txt").write_text("\n".join(lines), "utf-8")
    write_json(folder / "added_tokens.json", added)
    named = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    others = {"additional_special_tokens": list(SPECIAL[1:])}
    write_json(folder / "special_tokens_map.json", others | named)
    decoder = {
        str(number): {
            "content": token,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": token in SPECIAL,
        }
        for token, number in added.items()
    }
    settings: dict[str, Any] = {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": decoder,
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "errors": "replace",
        "model_max_length": 131_072,
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    write_json(folder / "tokenizer_config.json", settings | others | named)
    return added


def _merges(*texts: str) -> list[tuple[str, str]]:
    """Return merges after which each word of some texts, with the space before it, is one token.

    Each word is first split by the merges of those before it, which go first, and then joined from
    its left.
    """
    splitter: Any = Qwen2Tokenizer().backend_tokenizer.pre_tokenizer
    ranks: dict[tuple[str, str], int] = {}
    for text in texts:
        for word, _ in splitter.pre_tokenize_str(text):
            built, *others = _pieces(word, ranks)
            for piece in others:
                ranks.setdefault((built, piece), len(ranks))
                built += piece
    return list(ranks)


def _pieces(word: str, ranks: dict[tuple[str, str], int]) -> list[str]:
    """Split a word as byte pair encoding does: the lowest merge first, from the left."""
    pieces = list(word)
    while True:
        pairs = list(pairwise(pieces))
        known = [pair for pair in pairs if pair in ranks]
        if not known:
            return pieces
        at = pairs.index(min(known, key=ranks.__getitem__))
        pieces[at : at + 2] = ["".join(pieces[at : at + 2])]
