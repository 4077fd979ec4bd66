"""Pictures into FLUX.2's latents and back, with the seeded noise that a run starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_flux2 import AutoencoderKLFlux2
from numpy.typing import NDArray

from pawfect.diffusion.autoencoder import (
    Autoencoder,
    Encoded,
    Toward,
    check_finite,
    check_picture,
    draws,
    normalised,
)
from pawfect.diffusion.loading import on_meta, read_config
from pawfect.diffusion.tokens import VAE_PX, pack, token_grid, unpack
from pawfect.klein.chain import LATENT_CHANNELS, TOKEN_WIDTH
from pawfect.weights.reading import unusable


class Vae(Autoencoder):
    """FLUX.2's autoencoder.

    Its latents are normalised by the statistics of a batch norm over the 128 values of a token.
    """

    name = "klein_vae"
    token_width = TOKEN_WIDTH

    def __init__(self, module: Any, tile_px: int) -> None:
        super().__init__(module, tile_px)
        norm = module.bn
        self._mean = norm.running_mean.float().cpu()
        self._spread = torch.sqrt(norm.running_var.float().cpu() + module.config.batch_norm_eps)

    @staticmethod
    def build(folder: Path) -> Any:
        """See `build_module`."""
        return build_module(folder)

    @torch.inference_mode()
    def encode(self, image: NDArray[np.uint8], seed: int, toward: Toward | None = None) -> Encoded:
        """Encode one picture as `Flux2KleinInpaintPipeline` does: the mode of its posterior.

        Args:
            image: UINT8 [H, W, 3] RGB, sides multiples of 16 px.
            seed: 0 to 2^63 - 1, of a generator on the CPU: the same noise on every device.
            toward: see `draws`.

        Raises:
            PawfectError: INVALID_ARG for wrong types, sizes or seeds; INTERNAL where the encoder
                overflows its precision; OUT_OF_MEMORY where it does not fit in tiles either.
        """
        check_picture("IMAGE", image, image.shape[:2])
        # The noise is drawn for tokens, not for pixels of the latents.
        shape = (1, TOKEN_WIDTH, *token_grid(image.shape[0], image.shape[1]))
        (noise,) = draws(seed, shape, 1, toward=toward)
        return Encoded(
            latents=np.ascontiguousarray(noise.reshape(TOKEN_WIDTH, -1).T.numpy()),
            prior=self._normalised_latents(image),
        )

    def unscaled(self, tokens: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
        """Return [1, 32, h, w] as the decoder takes it."""
        return torch.tensor(unpack((tokens * self._spread + self._mean).numpy(), grid))[None]

    def _normalised_latents(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a picture's latents as tokens, float32 [T, 128]."""
        mode = self.fitting(
            lambda vae, given: vae.encode(given).latent_dist.mode(),
            normalised(image),
            max(image.shape[:2]),
        )
        tokens = torch.tensor(pack(mode[0].float().cpu().numpy()))
        latents: NDArray[np.float32] = ((tokens - self._mean) / self._spread).numpy()
        check_finite("PRIOR", latents)
        return latents


def build_module(folder: Path) -> Any:
    """Return the AutoencoderKLFlux2 of a folder's config.json, without weights.

    Raises:
        PawfectError: UNAVAILABLE where the config is missing, damaged or another model's.
    """
    config = read_config(folder, "AutoencoderKLFlux2", {"latent_channels": LATENT_CHANNELS})
    module = on_meta(folder, lambda: AutoencoderKLFlux2.from_config(config))
    scale = 2 ** (len(module.config.block_out_channels) - 1)
    if scale != VAE_PX or module.bn.num_features != TOKEN_WIDTH:
        expected = f"{VAE_PX} px per latents pixel and statistics of {TOKEN_WIDTH} channels"
        raise unusable(folder, f"expected {expected}")
    return module
