"""A small real tokenizer of Qwen's kind: byte-level BPE, its special tokens, a chat template."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from tokenizers.pre_tokenizers import ByteLevel
from transformers.models.qwen2.tokenization_qwen2 import Qwen2Tokenizer

from pawfect_export.tiny.flux_tokenizers import CORPUS
from pawfect_export.writing import write_json

# Behind the vocabulary, in Qwen's order and spelling; to it the last two are not special.
END: Final = "<|endoftext|>"
SPECIAL: Final = (END, "<|im_start|>", "<|im_end|>")
THINKING: Final = ("<think>", "</think>")
MODEL_LENGTH: Final = 131_072
ROLES: Final = ("user", "assistant")
# As bytes of a byte-level vocabulary are written.
SPACE: Final = "\u0120"
# What Qwen3's template makes of a conversation without tools: each turn between marks, and where
# the model is not to think, the thought that it did not have.
CHAT_TEMPLATE: Final = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and enable_thinking is false %}
{{- '<think>\\n\\n</think>\\n\\n' }}
{%- endif %}
{%- endif %}"""


def build_tokenizer(folder: Path, template: str = CHAT_TEMPLATE) -> int:
    """Write a Qwen tokenizer in the published files and return the number of its tokens.

    Args:
        folder: is made.
        template: of a conversation.
    """
    # The template's words stand at a line's beginning; their merges come last, so that they take
    # no word apart that begins with its space.
    merges = _merges(f" {word}" for word in " ".join(CORPUS).replace(",", "").split())
    merges += _merges(ROLES)
    alphabet = sorted(ByteLevel.alphabet())
    tokens = list(dict.fromkeys([*alphabet, *(left + right for left, right in merges)]))
    vocabulary = {token: number for number, token in enumerate(tokens)}
    added = {name: len(tokens) + n for n, name in enumerate((*SPECIAL, *THINKING))}
    settings: dict[str, Any] = {
        "add_prefix_space": False,
        "additional_special_tokens": list(SPECIAL[1:]),
        "bos_token": None,
        "eos_token": SPECIAL[2],
        "errors": "replace",
        "model_max_length": MODEL_LENGTH,
        "pad_token": END,
        "unk_token": None,
    }
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges), ""]
    (folder / "merges.txt").write_text("\n".join(lines), "utf-8")
    (folder / "chat_template.jinja").write_text(template, "utf-8")
    write_json(folder / "vocab.json", vocabulary)
    write_json(folder / "added_tokens.json", added)
    special = {"additional_special_tokens": list(SPECIAL[1:])}
    write_json(
        folder / "special_tokens_map.json", {**special, "eos_token": SPECIAL[2], "pad_token": END}
    )
    decoder = {
        str(number): {
            "content": name,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": name in SPECIAL,
        }
        for name, number in added.items()
    }
    write_json(
        folder / "tokenizer_config.json",
        {"added_tokens_decoder": decoder, **settings, "tokenizer_class": "Qwen2Tokenizer"},
    )
    # With its other files there, transformers makes the last one itself, as it is published.
    tokenizer: Any = Qwen2Tokenizer.from_pretrained(folder, local_files_only=True)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    return len(tokenizer)


def _merges(words: Iterable[str]) -> list[tuple[str, str]]:
    """Return merges that build each word left to right."""
    merges: dict[tuple[str, str], None] = {}
    for word in words:
        letters = word.replace(" ", SPACE)
        for end in range(1, len(letters)):
            merges.setdefault((letters[:end], letters[end]))
    return list(merges)
