"""Texts in tensors: BYTES to str and back, checked."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

from pawfect.contract.errors import invalid
from pawfect.contract.tensors import MAX_LABELS, MAX_TEXT_BYTES, Array


def text_tensor(*texts: str) -> Array:
    """Return BYTES [K] of UTF-8 texts."""
    return np.array([text.encode() for text in texts], dtype=np.object_)


def check_texts(name: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Return texts that a tensor can carry.

    Raises:
        PawfectError: INVALID_ARG for what is no text, cannot be written in UTF-8, or takes over
            2,048 bytes.
    """
    for text in texts:
        if not isinstance(text, str):
            raise invalid(name, "text", type(text).__name__)
        try:
            _check_length(name, text.encode())
        except UnicodeEncodeError as error:
            raise invalid(name, "text that UTF-8 can carry", repr(text[error.start])) from None
    return tuple(texts)


def check_prompt(where: str, text: str) -> str:
    """Return words without blanks at their ends; lines and tabs may stand in them.

    Raises:
        PawfectError: INVALID_ARG for nothing but blanks, another control character, and what
            `check_texts` refuses.
    """
    words = check_texts(where, (text,))[0].strip()
    if not words:
        raise invalid(where, "words", "blanks")
    control = next(filter(_is_control, words), None)
    if control is not None:
        raise invalid(where, "words", f"the control character U+{ord(control):04X}")
    return words


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) == "Cc" and letter not in "\n\r\t"


def read_texts(name: str, tensor: Array | None) -> tuple[str, ...]:
    """Return the texts of a BYTES tensor.

    Raises:
        PawfectError: INVALID_ARG for more than 64 texts, one of over 2,048 bytes, or bytes that are
            not UTF-8.
    """
    if tensor is None:
        return ()
    if tensor.size > MAX_LABELS:
        raise invalid(name, f"at most {MAX_LABELS} texts", tensor.size)
    texts = []
    for raw in tensor.reshape(-1):
        data = raw if isinstance(raw, bytes) else str(raw).encode()
        _check_length(name, data)
        try:
            texts.append(data.decode())
        except UnicodeDecodeError as error:
            raise invalid(
                name, "UTF-8", f"byte {data[error.start]:#04x} at {error.start}"
            ) from None
    return tuple(texts)


def _check_length(name: str, data: bytes) -> None:
    if len(data) > MAX_TEXT_BYTES:
        raise invalid(name, f"texts of at most {MAX_TEXT_BYTES} bytes", f"{len(data)} bytes")
