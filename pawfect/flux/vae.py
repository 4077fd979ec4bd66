"""Windows into FLUX's latents and back, with the seeded noise they are filled from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.diffusion.autoencoder import (
    Autoencoder,
    Toward,
    check_finite,
    check_picture,
    draws,
    normalised,
)
from pawfect.diffusion.loading import on_meta, read_config
from pawfect.diffusion.tokens import VAE_PX, pack, token_grid, unpack
from pawfect.flux.condition import LATENT_CHANNELS, TOKEN_WIDTH, pack_mask
from pawfect.weights.reading import unusable


@dataclass(frozen=True)
class Encoded:
    """One window as the denoising starts from it.

    Attributes:
        latents: float32 [T, 64], pure noise of the seed.
        condition: float32 [T, 320], latents of the window with its hole in mid-grey, then the mask.
        prior: float32 [T, 64], latents of the prefilled window; None where none was given.
    """

    latents: NDArray[np.float32]
    condition: NDArray[np.float32]
    prior: NDArray[np.float32] | None


class Vae(Autoencoder):
    """FLUX's autoencoder."""

    name = "flux_vae"
    token_width = TOKEN_WIDTH

    @staticmethod
    def build(folder: Path) -> Any:
        """See `build_module`."""
        return build_module(folder)

    @torch.inference_mode()
    def encode(
        self,
        image: NDArray[np.uint8],
        mask: NDArray[np.uint8],
        seed: int,
        prefill: NDArray[np.uint8] | None = None,
        toward: Toward | None = None,
    ) -> Encoded:
        """Encode one window, drawing random numbers in the order in which FluxFillPipeline does.

        The pipeline samples the posterior of the whole image, then the noise, then the posterior of
        the masked image. Here the encoder runs on the masked image, and on the prefill where there
        is one; draws that nothing uses are discarded.

        Args:
            image: UINT8 [H, W, 3] RGB, sides multiples of 16 px.
            mask: UINT8 [H, W]; values >= 128 are filled.
            seed: 0 to 2^63 - 1, of a generator on the CPU: the same noise on every device.
            prefill: UINT8 [H, W, 3], the window as another fill left it, or None.
            toward: see `draws`.

        Raises:
            PawfectError: INVALID_ARG for wrong types, sizes or seeds; INTERNAL where the encoder
                overflows its precision; OUT_OF_MEMORY where it does not fit in tiles either.
        """
        check_picture("IMAGE", image, image.shape[:2])
        rows, columns = token_grid(image.shape[0], image.shape[1])
        if mask.dtype != np.uint8 or mask.shape != image.shape[:2]:
            got = f"{mask.dtype} {list(mask.shape)}"
            raise invalid("MASK", f"uint8 {list(image.shape[:2])}", got)
        if prefill is not None:
            check_picture("PREFILL", prefill, image.shape[:2])
        shape = (1, LATENT_CHANNELS, 2 * rows, 2 * columns)
        prior_draw, noise, masked_draw = draws(seed, shape, 3, toward=toward, noise=1)
        hole = torch.tensor(mask >= MASK_THRESHOLD, dtype=torch.float32)
        masked = self._sample(normalised(image) * (1 - hole), masked_draw, "CONDITION")
        prior = None
        if prefill is not None:
            prior = self._sample(normalised(prefill), prior_draw, "PRIOR")
        return Encoded(
            latents=pack(noise[0].numpy()),
            condition=np.concatenate((masked, pack_mask(hole.numpy())), axis=1),
            prior=prior,
        )

    def unscaled(self, tokens: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
        """Return [1, 16, h, w] as the decoder takes it."""
        config = self.module.config
        planes = torch.tensor(unpack(tokens.numpy(), grid))[None]
        scaled: torch.Tensor = planes / config.scaling_factor + config.shift_factor
        return scaled

    def _sample(self, picture: torch.Tensor, draw: torch.Tensor, name: str) -> NDArray[np.float32]:
        """Return packed latents, float32 [T, 64]: the posterior's mean plus its spread drawn."""
        config = self.module.config
        parameters = self.fitting(
            lambda vae, given: vae.encode(given).latent_dist.parameters,
            picture,
            max(picture.shape[-2:]),
        )
        whole = DiagonalGaussianDistribution(parameters.float().cpu())
        sampled = (whole.mean + whole.std * draw - config.shift_factor) * config.scaling_factor
        latents = pack(sampled[0].numpy())
        check_finite(name, latents)
        return latents


def build_module(folder: Path) -> Any:
    """Return the AutoencoderKL of a folder's config.json, without weights.

    Raises:
        PawfectError: UNAVAILABLE where the config is missing, damaged or another model's.
    """
    config = read_config(folder, "AutoencoderKL", {"latent_channels": LATENT_CHANNELS})
    module = on_meta(folder, lambda: AutoencoderKL.from_config(config))
    scale = 2 ** (len(module.config.block_out_channels) - 1)
    if scale != VAE_PX or module.config.shift_factor is None:
        raise unusable(folder, f"expected {VAE_PX} px per latents pixel and a shift_factor")
    return module
