"""What the text encoders of all chains share: tokenizers, and embeddings that cross the wire."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.weights.reading import unusable


@dataclass(frozen=True)
class TextEmbedding:
    """One text as a transformer takes it, of a chain whose text encoder gives nothing else.

    Attributes:
        embeds: FP16 [L, D], a state for each token.
        cut: tokens of the text over the encoder's limit, which `embeds` leaves out.
    """

    embeds: NDArray[np.float16]
    cut: int


def load_tokenizer(kind: Any, folder: Path, files: tuple[tuple[str, ...], ...]) -> Any:
    """Load a tokenizer of transformers.

    Args:
        kind: its class.
        folder: of its files.
        files: sets of them, of which one must be whole: without any, transformers makes an empty
            tokenizer.

    Raises:
        PawfectError: UNAVAILABLE where they are missing or damaged.
    """
    if not any(all((folder / name).is_file() for name in whole) for whole in files):
        wanted = " or ".join(" and ".join(whole) for whole in files)
        raise unusable(folder, f"expected {wanted}, got neither")
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # noqa: BLE001 - the tokenizers library raises bare Exceptions
        raise unusable(folder, f"expected a tokenizer, got {type(error).__name__}") from None


def check_vocabulary(tokenizer: Any, encoder: Any, folder: Path) -> None:
    """Raise UNAVAILABLE where a tokenizer, of a folder, has tokens that its encoder has not."""
    rows = encoder.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        problem = f"expected at most its encoder's {rows} tokens, got {len(tokenizer)}"
        raise unusable(folder, problem)


def check_unicode(name: str, text: str) -> None:
    """Raise INVALID_ARG for a text that is not Unicode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise invalid(name, "Unicode text", "a lone surrogate") from None


def half(name: str, values: torch.Tensor) -> NDArray[np.float16]:
    """Return an embedding as FP16, whatever it was computed in: it crosses the wire.

    Raises:
        PawfectError: INTERNAL where it does not fit.
    """
    fitted: NDArray[np.float16] = values.to(torch.float16).cpu().numpy()
    if not np.isfinite(fitted).all():
        raise PawfectError(
            ErrorKind.INTERNAL, f"{name}: expected values that fit in float16, got larger ones"
        )
    return fitted
