"""A small real tokenizer of Florence-2's kind: BART's byte-level BPE and the location tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import BPE

from pawfect.scene.florence2 import IMAGE_TOKEN, TASKS
from pawfect_export.writing import write_json

# BART's first ids.
FIRST: Final = ("<s>", "<pad>", "</s>", "<unk>")
MASK: Final = "<mask>"
# Florence-2's own 1024, in its processor's order and spelling.
TAGS: Final = (
    *("<od>", "</od>", "<ocr>", "</ocr>"),
    *(f"<loc_{place}>" for place in range(1000)),
    *("<cap>", "</cap>", "<ncap>", "</ncap>", "<dcap>", "</dcap>", "<grounding>", "</grounding>"),
    *("<seg>", "</seg>", "<sep>", "<region_cap>", "</region_cap>"),
    *("<region_to_desciption>", "</region_to_desciption>", "<proposal>", "</proposal>"),
    *("<poly>", "</poly>", "<and>"),
)
# What the vocabulary has as single tokens, beside all bytes: the tasks' words and a caption's.
WORDS: Final = (
    "a the of on in with and is lies dog cat ground floor grass fallen leaves dirt mud sand gravel "
    "concrete asphalt brick stone tile wood planks carpet rug blanket bedding sofa snow water wall"
)


def build_tokenizer(folder: Path) -> tuple[int, int]:
    """Write the tokenizer's files.

    Args:
        folder: gets tokenizer.json, tokenizer_config.json, vocab.json, merges.txt,
            added_tokens.json and special_tokens_map.json.

    Returns:
        Number of tokens, and the id of the image token.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = _merges(" ".join([*TASKS.values(), WORDS]))
    tokens = [*FIRST, *alphabet, *dict.fromkeys("".join(pair) for pair in merges), MASK]
    vocabulary = {token: place for place, token in enumerate(tokens)}
    tokenizer = Tokenizer(BPE(vocab=dict(vocabulary), merges=merges, fuse_unk=False))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", vocabulary["</s>"]), ("<s>", vocabulary["<s>"]), add_prefix_space=False
    )
    tokenizer.add_special_tokens(list(FIRST))
    tokenizer.add_special_tokens([AddedToken(MASK, lstrip=True, special=True)])
    tokenizer.add_special_tokens(list(TAGS))
    tokenizer.add_special_tokens([IMAGE_TOKEN])
    tokenizer.save(str(folder / "tokenizer.json"))

    named = {
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "mask_token": MASK,
        "pad_token": "<pad>",
        "sep_token": "</s>",
        "unk_token": "<unk>",
    }
    ids = tokenizer.get_vocab()
    added = {token: ids[token] for token in (*TAGS, IMAGE_TOKEN)}
    write_json(folder / "vocab.json", vocabulary)
    write_json(folder / "added_tokens.json", added)
    write_json(folder / "special_tokens_map.json", {**named, "image_token": IMAGE_TOKEN})
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
    config: dict[str, Any] = {
        **named,
        "add_prefix_space": False,
        "extra_special_tokens": {"image_token": IMAGE_TOKEN},
        "image_token": IMAGE_TOKEN,
        "model_max_length": 1024,
        "processor_class": "Florence2Processor",
        "tokenizer_class": "BartTokenizer",
    }
    write_json(folder / "tokenizer_config.json", config)
    return len(ids), ids[IMAGE_TOKEN]


def _merges(text: str) -> list[tuple[str, str]]:
    """Return merges that build each of a text's words, and the space before it, left to right."""
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=True)
    merges: dict[tuple[str, str], None] = {}
    for word, _ in splitter.pre_tokenize_str(text):
        for end in range(1, len(word)):
            merges.setdefault((word[:end], word[end]))
    return list(merges)
