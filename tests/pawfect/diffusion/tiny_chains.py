"""klein and Qwen-Image-Edit at tiny size, side by side: their loaders and one step of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from pawfect.diffusion.batch import answer_steps
from pawfect.klein import transformer as klein
from pawfect.qwen import transformer as edit

Tensors = dict[str, np.ndarray]


@dataclass(frozen=True)
class TinyChain:
    """One of them.

    Attributes:
        transformer: class of its step.
        width: of a token of latents.
        text_width: of a text embedding.
    """

    transformer: Any
    width: int
    text_width: int

    def load(self, folder: Path, dtype: str = "float32") -> Any:
        """Load the transformer of a folder on the CPU."""
        return self.transformer.load(folder, device="cpu", dtype=dtype)

    def step(self) -> Tensors:
        """One request's step with a reference picture."""
        rng = np.random.default_rng(0)
        return {
            "LATENTS": rng.standard_normal((30, self.width), np.float32),
            "PROMPT_EMBEDS": rng.standard_normal((9, self.text_width)).astype(np.float16),
            # Exact in every precision: the rounding of others is a part of the models.
            "TIMESTEP": np.float32([500]),
            "GUIDANCE": np.float32([1]),
            "GRID": np.int32([6, 5]),
            "REFERENCES": rng.standard_normal((12, self.width), np.float32),
            "REFERENCE_GRIDS": np.int32([[3, 4]]),
        }

    def velocity(self, transformer: Any) -> np.ndarray:
        """Return what a loaded transformer answers to the step."""
        (answer,) = answer_steps(transformer, [self.step()])
        velocity: np.ndarray = answer["VELOCITY"]
        return velocity


# By the entry of the whole model.
TINY: Final[Mapping[str, TinyChain]] = MappingProxyType(
    {
        "tiny-klein": TinyChain(klein.Transformer, 128, 96),
        "tiny-edit": TinyChain(edit.Transformer, 64, 64),
    }
)


def relative(got: np.ndarray, expected: np.ndarray) -> float:
    """Return |got - expected| / |expected|, Euclidean."""
    return float(np.linalg.norm(got - expected) / np.linalg.norm(expected))
