"""What a step of a chain with references is asked with: checked, and its grids read.

Imports no torch.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pawfect.contract.errors import invalid
from pawfect.diffusion.batch import Item
from pawfect.diffusion.tokens import check_grid

# The timestep of pure noise: the schedule counts from it down to 0.
NOISE_TIMESTEP: Final = 1000.0
# Texts that a step may have; each chain's contract says which.
TEXTS: Final = ("PROMPT_EMBEDS", "NEGATIVE_EMBEDS")

Grid = tuple[int, int]


def grids_of(item: Item) -> tuple[Grid, ...]:
    """Return rows and columns of tokens of what is denoised, then of each reference picture."""
    given = (item["GRID"], *item.get("REFERENCE_GRIDS", ()))
    return tuple((int(rows), int(columns)) for rows, columns in given)


def check_step(item: Item, token_width: int, text_width: int) -> tuple[Grid, ...]:
    """Check one request's tensors, which have the ranks of the contract; return its grids.

    Args:
        item: by the contract's names.
        token_width: of latents and references.
        text_width: of texts.

    Raises:
        PawfectError: INVALID_ARG where a tensor is empty, not finite, or does not fit the others.
    """
    if ("REFERENCES" in item) is not ("REFERENCE_GRIDS" in item):
        raise invalid("REFERENCES, REFERENCE_GRIDS", "both or neither", "one of them")
    widths = {"LATENTS": token_width, "REFERENCES": token_width, **dict.fromkeys(TEXTS, text_width)}
    for name, width in widths.items():
        if name in item and (not item[name].size or item[name].shape[1] != width):
            raise invalid(name, f"shape [T, {width}], T above 0", list(item[name].shape))
    for name in (*widths, "TIMESTEP"):
        if name in item and not np.isfinite(item[name]).all():
            raise invalid(name, "finite values", "others")
    timestep = float(item["TIMESTEP"][0])
    if not 0 < timestep <= NOISE_TIMESTEP:
        raise invalid("TIMESTEP", f"above 0 to {NOISE_TIMESTEP:g}", f"{timestep:g}")
    grids = grids_of(item)
    check_grid(len(item["LATENTS"]), grids[0], "LATENTS")
    if "REFERENCES" in item:
        _check_references(len(item["REFERENCES"]), grids[1:])
    return grids


def _check_references(tokens: int, grids: tuple[Grid, ...]) -> None:
    listed = ", ".join(f"{rows}x{columns}" for rows, columns in grids)
    if not grids or min(map(min, grids)) < 1:
        expected = "positive rows and columns of tokens of at least one picture"
        raise invalid("REFERENCE_GRIDS", expected, listed or "none")
    wanted = sum(rows * columns for rows, columns in grids)
    if tokens != wanted:
        raise invalid("REFERENCES", f"{wanted} tokens for grids of {listed}", tokens)
