"""Small real tokenizers for FLUX's text encoders: CLIP's byte-level BPE and T5's Unigram."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import sentencepiece
from tokenizers.pre_tokenizers import ByteLevel
from transformers.models.t5.tokenization_t5 import T5Tokenizer

from pawfect_export.writing import write_json

# What prompts of this product are made of, so that they come out in few tokens. Any other word is
# spelled: in bytes by CLIP's tokenizer, in characters by T5's.
CORPUS: Final = (
    "grass with fallen leaves",
    "green grass and dry leaves on dirt",
    "wet sand, dry sand and gravel",
    "a wood floor with planks",
    "stone tiles and a brick wall",
    "concrete, asphalt and mud",
    "carpet, rug, blanket and bedding",
    "sofa fabric and a soft cushion",
    "snow, water and ice",
    "a hedge, straw and artificial turf",
    "empty ground, nothing here",
    "the surface continues in the background of the photo",
)
# Of both published tokenizers.
CLIP_LENGTH: Final = 77
T5_LENGTH: Final = 512
T5_SENTINELS: Final = 100
# Enough for every character and the corpus' words; the trainer may stop below it.
T5_PIECES: Final = 300
START, END = "<|startoftext|>", "<|endoftext|>"


def build_clip_tokenizer(folder: Path) -> int:
    """Write a CLIP tokenizer and return the number of its tokens.

    As in the published one: all bytes, all bytes at a word's end, one token per merge, and the two
    special tokens last.
    """
    merges = _merges(" ".join(CORPUS).replace(",", "").split())
    alphabet = sorted(ByteLevel.alphabet())
    tokens = [*alphabet, *(f"{byte}</w>" for byte in alphabet)]
    tokens += [left + right for left, right in merges]
    tokens = list(dict.fromkeys(tokens)) + [START, END]
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges), ""]
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "merges.txt").write_text("\n".join(lines), "utf-8")
    write_json(folder / "vocab.json", {token: number for number, token in enumerate(tokens)})
    write_json(folder / "special_tokens_map.json", special)
    settings = {
        "add_prefix_space": False,
        "do_lower_case": True,
        "errors": "replace",
        "model_max_length": CLIP_LENGTH,
        "tokenizer_class": "CLIPTokenizer",
    }
    write_json(folder / "tokenizer_config.json", settings | special)
    return len(tokens)


def build_t5_tokenizer(folder: Path) -> int:
    """Write a T5 tokenizer and return the number of its tokens.

    The pieces are trained by SentencePiece on CORPUS; every printable ASCII character is a piece.
    Ids as published: padding 0, end 1, unknown 2, the sentinels last.
    """
    printable = "".join(map(chr, range(33, 127)))
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter((*CORPUS, *printable)),
        model_writer=model,
        model_type="unigram",
        vocab_size=T5_PIECES,
        hard_vocab_limit=False,
        character_coverage=1.0,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    vocabulary = [
        (pieces.id_to_piece(number), pieces.get_score(number)) for number in range(len(pieces))
    ]
    sentinels = [f"<extra_id_{number}>" for number in range(T5_SENTINELS)]
    vocabulary += [(name, 0.0) for name in reversed(sentinels)]
    tokenizer = T5Tokenizer(vocab=vocabulary, extra_ids=T5_SENTINELS)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spiece.model").write_bytes(model.getvalue())
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    special = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    special_lists = {"additional_special_tokens": sentinels}
    write_json(folder / "special_tokens_map.json", special_lists | special)
    settings = {
        "extra_ids": T5_SENTINELS,
        "model_max_length": T5_LENGTH,
        "tokenizer_class": "T5Tokenizer",
    }
    write_json(folder / "tokenizer_config.json", settings | special_lists | special)
    return len(vocabulary)


def _merges(words: list[str]) -> list[tuple[str, str]]:
    """Return the merges that build each word from its left, the last letter with its end mark."""
    merges: dict[tuple[str, str], None] = {}
    for word in words:
        letters = [*word[:-1], f"{word[-1]}</w>"]
        built = letters[0]
        for letter in letters[1:]:
            merges[built, letter] = None
            built += letter
    return list(merges)
