"""Latents as FLUX's tokens: each token is 2x2 pixels of the latents, 16x16 px of the picture.

Imports no torch: the orchestrator counts tokens and unpacks previews with it.
"""

from __future__ import annotations

from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.picture.canvas import TOKEN_PX

Number = TypeVar("Number", bound=np.generic)

# One side of a latents pixel in the picture: the VAE halves the picture three times.
VAE_PX: Final = 8
LATENT_CHANNELS: Final = 16
# Widths of one token: its latents, its 2x2x8x8 mask pixels, and the latents of the masked picture
# followed by the mask, which the transformer takes as condition.
TOKEN_WIDTH: Final = 4 * LATENT_CHANNELS
MASK_WIDTH: Final = TOKEN_PX * TOKEN_PX
CONDITION_WIDTH: Final = TOKEN_WIDTH + MASK_WIDTH


def token_grid(height: int, width: int, name: str = "IMAGE") -> tuple[int, int]:
    """Return the rows and columns of tokens of a picture.

    Args:
        height: px, a multiple of 16.
        width: px, a multiple of 16.
        name: of the tensor, for the message.

    Raises:
        PawfectError: INVALID_ARG for sides that are not positive multiples of 16.
    """
    if height <= 0 or width <= 0 or height % TOKEN_PX or width % TOKEN_PX:
        raise invalid(name, f"sides that are multiples of {TOKEN_PX} px", f"{width}x{height}")
    return height // TOKEN_PX, width // TOKEN_PX


def check_grid(tokens: int, grid: tuple[int, int], name: str) -> None:
    """Raise INVALID_ARG unless a tensor's tokens fill the grid of (rows, columns)."""
    rows, columns = grid
    if rows <= 0 or columns <= 0:
        raise invalid("GRID", "positive rows and columns of tokens", f"{rows}x{columns}")
    if tokens != rows * columns:
        raise invalid(name, f"{rows * columns} tokens for a grid of {rows}x{columns}", tokens)


def pack(planes: NDArray[Number]) -> NDArray[Number]:
    """Pack [C, h, w] into tokens [h/2 * w/2, 4C]; h and w are even.

    A token's values are ordered by channel, then row, then column of its 2x2 pixels, as
    `FluxFillPipeline._pack_latents` orders them.
    """
    channels, height, width = planes.shape
    cells = planes.reshape(channels, height // 2, 2, width // 2, 2)
    return cells.transpose(1, 3, 0, 2, 4).reshape(-1, 4 * channels)


def unpack(tokens: NDArray[Number], grid: tuple[int, int]) -> NDArray[Number]:
    """Unpack tokens [rows * columns, 4C] into [C, 2 rows, 2 columns]: the inverse of `pack`."""
    rows, columns = grid
    channels = tokens.shape[1] // 4
    cells = tokens.reshape(rows, columns, channels, 2, 2)
    return cells.transpose(2, 0, 3, 1, 4).reshape(channels, 2 * rows, 2 * columns)


def pack_mask(mask: NDArray[Number]) -> NDArray[Number]:
    """Pack a mask [H, W] into tokens [H/16 * W/16, 256] at full resolution.

    Each latents pixel takes its 8x8 mask pixels as 64 channels, row by row; then as `pack`. The
    method is that of `FluxFillPipeline.prepare_mask_latents`.
    """
    height, width = mask.shape
    cells = mask.reshape(height // VAE_PX, VAE_PX, width // VAE_PX, VAE_PX)
    return pack(cells.transpose(1, 3, 0, 2).reshape(-1, height // VAE_PX, width // VAE_PX))
