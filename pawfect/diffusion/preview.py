"""A cheap picture of latents: one matrix product, no VAE, for previews between denoising steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.diffusion.chain import Colours
from pawfect.diffusion.tokens import check_grid, unpack


def estimate(
    latents: NDArray[np.float32], velocity: NDArray[np.float32], sigma: float
) -> NDArray[np.float32]:
    """Return the finished latents as this step foresees them: latents - sigma * velocity.

    Rectified flow mixes sigma * noise + (1 - sigma) * picture, and its velocity is noise - picture
    (Liu et al. 2022, arXiv:2209.03003), so the noise drops out and a preview of the early steps
    shows shapes instead of grain.

    Args:
        latents: float32 [T, 64], before the step.
        velocity: float32 [T, 64], of the step.
        sigma: 0 to 1, at which the velocity was computed.

    Returns:
        float32 [T, 64].
    """
    return latents - np.float32(sigma) * velocity


def preview(
    latents: NDArray[np.float32], grid: tuple[int, int], colours: Colours
) -> NDArray[np.uint8]:
    """Map packed latents to a picture of an eighth of the full size.

    Args:
        latents: float32 [T, 4C], as the transformer takes them; see `estimate` for noisy ones.
        grid: rows and columns of tokens.
        colours: of the chain's C channels.

    Returns:
        UINT8 [2 rows, 2 columns, 3], RGB.

    Raises:
        PawfectError: INVALID_ARG where the latents do not fit the grid.
    """
    width = 4 * len(colours.factors)
    if latents.ndim != 2 or latents.shape[1] != width:
        raise invalid("LATENTS", f"shape [T, {width}]", list(latents.shape))
    check_grid(len(latents), grid, "LATENTS")
    rgb: NDArray[Any] = np.einsum("chw,cr->hwr", unpack(latents, grid), colours.factors)
    # Latents that overflowed show as mid-grey.
    rgb = np.nan_to_num(rgb + colours.bias, nan=0.0, posinf=1.0, neginf=-1.0)
    levels: NDArray[np.uint8] = np.rint((np.clip(rgb, -1, 1) + 1) * 127.5).astype(np.uint8)
    return levels
