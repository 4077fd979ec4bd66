"""Latents as tokens: each is 2x2 pixels of the latents, 16x16 px of the picture, in every chain.

Imports no torch: the orchestrator counts tokens, lays masks over them and unpacks previews with it.
"""

from __future__ import annotations

from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.picture.canvas import TOKEN_PX

Number = TypeVar("Number", bound=np.generic)

# One side of a latents pixel in the picture: the VAE halves the picture three times.
VAE_PX: Final = 8


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

    A token's values are ordered by channel, then row, then column of its 2x2 pixels, as the
    pipelines of FLUX.1, FLUX.2 and Qwen-Image order them.
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


def mask_at_tokens(mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the share of each token that is filled, as `Flux2KleinInpaintPipeline` scales masks.

    It scales a binary mask bilinearly without antialiasing: by 16, that is the mean of the four
    pixels in the middle of each token.

    Args:
        mask: UINT8 [H, W], >= 128 = fill, sides multiples of 16 px.

    Returns:
        float32 [T, 1], 0 to 1.
    """
    filled = (mask >= MASK_THRESHOLD).astype(np.float32)
    first = TOKEN_PX // 2 - 1
    corners = [filled[first + y :: TOKEN_PX, first + x :: TOKEN_PX] for y in (0, 1) for x in (0, 1)]
    shares: NDArray[np.float32] = np.mean(corners, axis=0, dtype=np.float32)
    return shares.reshape(-1, 1)


def mask_at_latents(mask: NDArray[np.uint8], channels: int) -> NDArray[np.float32]:
    """Return which latents pixels are filled, as `QwenImageEditInpaintPipeline` scales masks.

    It takes the nearest pixel: by 8, the first of each latents pixel.

    Args:
        mask: UINT8 [H, W], >= 128 = fill, sides multiples of 16 px.
        channels: of the latents.

    Returns:
        float32 [T, 4 * channels], 0 or 1.
    """
    filled = (mask[::VAE_PX, ::VAE_PX] >= MASK_THRESHOLD).astype(np.float32)
    return pack(np.repeat(filled[None], channels, axis=0))
