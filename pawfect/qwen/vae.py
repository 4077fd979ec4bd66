"""Pictures into Qwen-Image's latents and back, with the seeded noise they are made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import AutoencoderKLQwenImage
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
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
from pawfect.qwen.chain import LATENT_CHANNELS, TOKEN_WIDTH
from pawfect.weights.reading import unusable


class Vae(Autoencoder):
    """Qwen-Image's autoencoder, one for videos: a picture is its first frame."""

    name = "edit_vae"
    token_width = TOKEN_WIDTH

    def __init__(self, module: Any, tile_px: int) -> None:
        super().__init__(module, tile_px)
        # Of the latents' channels, as its config says them.
        shape = (1, LATENT_CHANNELS, 1, 1, 1)
        self._mean, self._std = (
            torch.tensor(values).view(shape)
            for values in (module.config.latents_mean, module.config.latents_std)
        )

    @staticmethod
    def build(folder: Path) -> Any:
        """See `build_module`."""
        return build_module(folder)

    @staticmethod
    def tile(module: Any, tile_px: int) -> None:
        """Have a module work in tiles of a size, px."""
        stride = tile_px // 4 * 3
        module.enable_tiling(tile_px, tile_px, stride, stride)

    @torch.inference_mode()
    def encode(
        self,
        image: NDArray[np.uint8],
        seed: int,
        toward: Toward | None = None,
        *,
        sampled: bool = False,
    ) -> Encoded:
        """Encode one picture, drawing random numbers in the order in which the pipelines do.

        Args:
            image: UINT8 [H, W, 3] RGB, sides multiples of 16 px.
            seed: 0 to 2^63 - 1, of a generator on the CPU: the same noise on every device.
            toward: see `draws`.
            sampled: the prior is a sample of the posterior, drawn before the noise, as in
                QwenImageEditInpaintPipeline; else its mode, and the noise is drawn first.

        Raises:
            PawfectError: INVALID_ARG for wrong types, sizes or seeds; INTERNAL where the encoder
                overflows its precision; OUT_OF_MEMORY where it does not fit in tiles either.
        """
        check_picture("IMAGE", image, image.shape[:2])
        rows, columns = token_grid(image.shape[0], image.shape[1])
        shape = (1, LATENT_CHANNELS, 1, 2 * rows, 2 * columns)
        *before, noise = draws(seed, shape, 1 + sampled, toward=toward, noise=int(sampled))
        parameters = self.fitting(
            lambda vae, given: vae.encode(given).latent_dist.parameters,
            normalised(image)[:, :, None],
            max(image.shape[:2]),
        )
        posterior = DiagonalGaussianDistribution(parameters.float().cpu())
        latents = posterior.mean + posterior.std * before[0] if sampled else posterior.mode()
        prior = pack(((latents - self._mean) / self._std)[0, :, 0].numpy())
        check_finite("PRIOR", prior)
        return Encoded(pack(noise[0, :, 0].numpy()), prior)

    def unscaled(self, tokens: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
        """Return what the decoder takes, [1, 16, 1, h, w]."""
        planes = torch.tensor(unpack(tokens.numpy(), grid))[None, :, None]
        return planes * self._std + self._mean

    def decoded(self, module: Any, planes: torch.Tensor) -> torch.Tensor:
        """Return the picture of what `unscaled` gave: [3, H, W] in -1..1."""
        picture: torch.Tensor = module.decode(planes).sample[0, :, 0]
        return picture


def build_module(folder: Path) -> Any:
    """Return the AutoencoderKLQwenImage of a folder's config.json, without weights.

    Raises:
        PawfectError: UNAVAILABLE where the config is missing, damaged or another model's.
    """
    config = read_config(folder, "AutoencoderKLQwenImage", {"z_dim": LATENT_CHANNELS})
    module = on_meta(folder, lambda: AutoencoderKLQwenImage.from_config(config))
    if module.spatial_compression_ratio != VAE_PX:
        raise unusable(folder, f"expected {VAE_PX} px per latents pixel")
    for name in ("latents_mean", "latents_std"):
        if len(module.config[name]) != LATENT_CHANNELS:
            raise unusable(folder, f"{name}: expected {LATENT_CHANNELS}")
    return module
