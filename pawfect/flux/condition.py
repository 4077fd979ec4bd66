"""What FLUX.1-Fill's tokens hold: latents, and the condition that shows it mask and surroundings.

Imports no torch.
"""

from __future__ import annotations

from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from pawfect.diffusion.tokens import VAE_PX, pack
from pawfect.picture.canvas import TOKEN_PX

Number = TypeVar("Number", bound=np.generic)

LATENT_CHANNELS: Final = 16
# Widths of one token: its latents, its 2x2x8x8 mask pixels, and the latents of the masked picture
# followed by the mask, which the transformer takes as condition.
TOKEN_WIDTH: Final = 4 * LATENT_CHANNELS
MASK_WIDTH: Final = TOKEN_PX * TOKEN_PX
CONDITION_WIDTH: Final = TOKEN_WIDTH + MASK_WIDTH


def pack_mask(mask: NDArray[Number]) -> NDArray[Number]:
    """Pack a mask [H, W] into tokens [H/16 * W/16, 256] at full resolution.

    Each latents pixel takes its 8x8 mask pixels as 64 channels, row by row; then as `pack`. The
    method is that of `FluxFillPipeline.prepare_mask_latents`.
    """
    height, width = mask.shape
    cells = mask.reshape(height // VAE_PX, VAE_PX, width // VAE_PX, VAE_PX)
    return pack(cells.transpose(1, 3, 0, 2).reshape(-1, height // VAE_PX, width // VAE_PX))
