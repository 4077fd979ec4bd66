"""A cheap picture of latents: one matrix product, no VAE, for previews between denoising steps."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.flux.tokens import TOKEN_WIDTH, check_grid, unpack

# What each of FLUX's 16 latent channels adds to red, green and blue in -1..1, fitted by ComfyUI:
# comfy/latent_formats.py, class Flux, `latent_rgb_factors` and `latent_rgb_factors_bias`.
RGB_FACTORS: Final = np.array(
    [
        [-0.0346, 0.0244, 0.0681],
        [0.0034, 0.0210, 0.0687],
        [0.0275, -0.0668, -0.0433],
        [-0.0174, 0.0160, 0.0617],
        [0.0859, 0.0721, 0.0329],
        [0.0004, 0.0383, 0.0115],
        [0.0405, 0.0861, 0.0915],
        [-0.0236, -0.0185, -0.0259],
        [-0.0245, 0.0250, 0.1180],
        [0.1008, 0.0755, -0.0421],
        [-0.0515, 0.0201, 0.0011],
        [0.0428, -0.0012, -0.0036],
        [0.0817, 0.0765, 0.0749],
        [-0.1264, -0.0522, -0.1103],
        [-0.0280, -0.0881, -0.0499],
        [-0.1262, -0.0982, -0.0778],
    ],
    np.float32,
)
RGB_BIAS: Final = np.array([-0.0329, -0.0718, -0.0851], np.float32)


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


def preview(latents: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.uint8]:
    """Map packed latents to a picture of an eighth of the full size.

    Args:
        latents: float32 [T, 64], as the transformer takes them; see `estimate` for noisy ones.
        grid: rows and columns of tokens.

    Returns:
        UINT8 [2 rows, 2 columns, 3], RGB.

    Raises:
        PawfectError: INVALID_ARG where the latents do not fit the grid.
    """
    if latents.ndim != 2 or latents.shape[1] != TOKEN_WIDTH:
        raise invalid("LATENTS", f"shape [T, {TOKEN_WIDTH}]", list(latents.shape))
    check_grid(len(latents), grid, "LATENTS")
    rgb: NDArray[Any] = np.einsum("chw,cr->hwr", unpack(latents, grid), RGB_FACTORS) + RGB_BIAS
    # Latents that overflowed show as mid-grey.
    rgb = np.nan_to_num(rgb, nan=0.0, posinf=1.0, neginf=-1.0)
    levels: NDArray[np.uint8] = np.rint((np.clip(rgb, -1, 1) + 1) * 127.5).astype(np.uint8)
    return levels
