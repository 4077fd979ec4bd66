"""Classifier-free guidance by a second prompt, as the pipelines of Qwen-Image-Edit have it."""

from __future__ import annotations

import torch

from pawfect.contract.tensors import Array
from pawfect.diffusion.batch import Item


def guided(flows: torch.Tensor, guidance: float) -> torch.Tensor:
    """Return the velocities [T, 64] of the branches of one item, [1 or 2, T, 64].

    With a second, negative branch it goes from that beyond the first, by classifier-free guidance
    (Ho and Salimans 2022, arXiv:2207.12598), with the norm of the first in each token, as the
    pipelines have it.
    """
    positive = flows[0]
    if len(flows) == 1:
        return positive
    mixed = flows[1] + guidance * (positive - flows[1])
    norms = [torch.linalg.vector_norm(flow, dim=-1, keepdim=True) for flow in (positive, mixed)]
    rescaled: torch.Tensor = mixed * (norms[0] / norms[1])
    return rescaled


def texts_of(item: Item) -> list[Array]:
    """Return what each branch of an item reads: its prompt, and what it does not want."""
    texts = [item["PROMPT_EMBEDS"]]
    if "NEGATIVE_EMBEDS" in item and float(item["GUIDANCE"][0]) > 1:
        texts.append(item["NEGATIVE_EMBEDS"])
    return texts
