"""Inputs of one denoising step for the tiny transformer."""

from __future__ import annotations

import numpy as np

Tensors = dict[str, np.ndarray]


def step(seed: int, rows: int = 4, columns: int = 4, text: int = 8) -> Tensors:
    """One request's step, at a timestep and a guidance of its own."""
    rng = np.random.default_rng(seed)
    tokens = rows * columns
    return {
        "LATENTS": rng.standard_normal((tokens, 64), np.float32),
        "CONDITION": rng.standard_normal((tokens, 320), np.float32),
        "PROMPT_EMBEDS": rng.standard_normal((text, 64)).astype(np.float16),
        "POOLED": rng.standard_normal(32).astype(np.float16),
        "TIMESTEP": rng.uniform(1, 1000, 1).astype(np.float32),
        "GUIDANCE": rng.uniform(0, 60, 1).astype(np.float32),
        "GRID": np.array([rows, columns], np.int32),
    }


def stacked(*steps: Tensors) -> Tensors:
    """The steps as one batch."""
    return {name: np.stack([one[name] for one in steps]) for name in steps[0]}
