"""Windows into FLUX's latents and back, with the seeded noise they are filled from."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.contract.tensors import MASK_THRESHOLD
from pawfect.flux.loading import on_meta, read_config
from pawfect.flux.tokens import (
    LATENT_CHANNELS,
    TOKEN_WIDTH,
    VAE_PX,
    check_grid,
    pack,
    pack_mask,
    token_grid,
    unpack,
)
from pawfect.out_of_memory import attempt, require
from pawfect.weights.checkpoint import load_strict, read_tensors, torch_dtype
from pawfect.weights.reading import unusable

# Tiles overlap by a quarter, which must be a whole number of latents pixels.
TILE_PX: Final = 4 * VAE_PX
MAX_SEED: Final = 2**63 - 1
MAX_ANGLE: Final = math.pi / 2


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


class Vae:
    """FLUX's autoencoder."""

    def __init__(self, module: Any, tile_px: int) -> None:
        self.module = module
        self.tile_px = tile_px
        if tile_px:
            _tile(module, tile_px)

    @classmethod
    def load(cls, folder: Path, *, device: str, dtype: str, tile_px: int) -> Vae:
        """Load the `vae` of a folder.

        Args:
            folder: of the whole model, as published.
            device: cpu or cuda.
            dtype: float32, float16 or bfloat16.
            tile_px: windows with a longer side go through the VAE in tiles of this size, a multiple
                of 32 px; 0: never.

        Raises:
            PawfectError: UNAVAILABLE where a file is missing, damaged or another model's.
        """
        if tile_px < 0 or tile_px % TILE_PX:
            raise invalid("tile_px", f"a multiple of {TILE_PX} px, or 0", tile_px)
        folder = folder / "vae"
        module = build_module(folder)
        tensors = read_tensors(folder, "diffusion_pytorch_model")
        load_strict(module, tensors, "vae", device=device, dtype=torch_dtype(dtype))
        return cls(module, tile_px)

    @torch.inference_mode()
    def encode(
        self,
        image: NDArray[np.uint8],
        mask: NDArray[np.uint8],
        seed: int,
        prefill: NDArray[np.uint8] | None = None,
        toward: tuple[int, float] | None = None,
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
            toward: another seed and an angle, 0 to pi / 2 rad: the noise is turned so far from the
                seed's own towards the other's (a neighbour in Ma et al., "Inference-Time Scaling
                for Diffusion Models beyond Scaling Denoising Steps", 2025); None: the seed's own.

        Raises:
            PawfectError: INVALID_ARG for wrong types, sizes or seeds; INTERNAL where the encoder
                overflows its precision; OUT_OF_MEMORY where it does not fit in tiles either.
        """
        _check_picture("IMAGE", image, image.shape[:2])
        rows, columns = token_grid(image.shape[0], image.shape[1])
        if mask.dtype != np.uint8 or mask.shape != image.shape[:2]:
            raise invalid("MASK", f"uint8 {list(image.shape[:2])}", _described(mask))
        if prefill is not None:
            _check_picture("PREFILL", prefill, image.shape[:2])
        for name, given in (("SEED", seed), ("TOWARD_SEED", toward[0] if toward else 0)):
            if not 0 <= given <= MAX_SEED:
                raise invalid(name, f"0 to {MAX_SEED}", given)
        shape = (1, LATENT_CHANNELS, 2 * rows, 2 * columns)
        prior_draw, noise, masked_draw = _draws(seed, shape)
        if toward is not None:
            angle = toward[1]
            if not 0 <= angle <= MAX_ANGLE:
                raise invalid("ANGLE", f"0 to {MAX_ANGLE:.4f}", angle)
            # Two independent normal draws mixed so are normal again.
            noise = math.cos(angle) * noise + math.sin(angle) * _draws(toward[0], shape)[1]
        hole = torch.tensor(mask >= MASK_THRESHOLD, dtype=torch.float32)
        masked = self._sample(_normalised(image) * (1 - hole), masked_draw, "CONDITION")
        prior = None
        if prefill is not None:
            prior = self._sample(_normalised(prefill), prior_draw, "PRIOR")
        return Encoded(
            latents=pack(noise[0].numpy()),
            condition=np.concatenate((masked, pack_mask(hole.numpy())), axis=1),
            prior=prior,
        )

    @torch.inference_mode()
    def decode(self, latents: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.uint8]:
        """Decode finished latents.

        Args:
            latents: float32 [T, 64], finite.
            grid: rows and columns of tokens.

        Returns:
            UINT8 [16 rows, 16 columns, 3], RGB.

        Raises:
            PawfectError: INVALID_ARG where the latents do not fit the grid or are not finite;
                INTERNAL where the decoder overflows its precision; OUT_OF_MEMORY where it does not
                fit in tiles either.
        """
        if latents.ndim != 2 or latents.shape[1] != TOKEN_WIDTH:
            raise invalid("LATENTS", f"shape [T, {TOKEN_WIDTH}]", list(latents.shape))
        check_grid(len(latents), grid, "LATENTS")
        if not np.isfinite(latents).all():
            raise invalid("LATENTS", "finite values", "others")
        config = self.module.config
        planes = torch.tensor(unpack(latents, grid), dtype=torch.float32)[None]
        planes = planes / config.scaling_factor + config.shift_factor
        side = VAE_PX * max(planes.shape[-2:])
        picture = self._fitting(lambda vae, given: vae.decode(given).sample[0], planes, side)
        levels = (picture * 0.5 + 0.5).clamp(0, 1).permute(1, 2, 0).float().cpu().numpy()
        _check_finite("IMAGE", levels)
        rounded: NDArray[np.uint8] = (levels * 255).round().astype(np.uint8)
        return rounded

    def _sample(self, picture: torch.Tensor, draw: torch.Tensor, name: str) -> NDArray[np.float32]:
        """Return packed latents, float32 [T, 64]: the posterior's mean plus its spread drawn."""
        config = self.module.config
        parameters = self._fitting(
            lambda vae, given: vae.encode(given).latent_dist.parameters,
            picture,
            max(picture.shape[-2:]),
        )
        whole = DiagonalGaussianDistribution(parameters.float().cpu())
        sampled = (whole.mean + whole.std * draw - config.shift_factor) * config.scaling_factor
        latents = pack(sampled[0].numpy())
        _check_finite(name, latents)
        return latents

    def _fitting(
        self, run: Callable[[Any, torch.Tensor], torch.Tensor], planes: torch.Tensor, side: int
    ) -> torch.Tensor:
        """Run the module on [1, C, H, W], at most `side` px; again in tiles where it does not fit.

        The tiles have half the side of what did not fit, and so need about a quarter of its memory.
        """
        given = planes.to(self.module.device, self.module.dtype)
        result = attempt(lambda: run(self.module, given))
        if result is not None:
            return result
        whole = min(side, self.tile_px or side)
        # It shares the weights, not the size of tiles: other requests see nothing of it.
        tiled = copy.copy(self.module)
        _tile(tiled, -(-whole // 2 // TILE_PX) * TILE_PX)
        return require("flux_vae", lambda: run(tiled, given))


def _draws(seed: int, shape: tuple[int, ...]) -> list[torch.Tensor]:
    """Draw what one seed gives a window: for the prior, the noise, and for the masked image."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return [torch.randn(shape, generator=generator) for _ in range(3)]


def _tile(module: Any, tile_px: int) -> None:
    module.enable_tiling()
    module.tile_sample_min_size = tile_px
    module.tile_latent_min_size = tile_px // VAE_PX


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


def _normalised(picture: NDArray[np.uint8]) -> torch.Tensor:
    """Return [1, 3, H, W] in -1..1, channels last in memory, as diffusers' VaeImageProcessor."""
    return 2.0 * (torch.tensor(picture)[None].permute(0, 3, 1, 2).float() / 255.0) - 1.0


def _check_picture(name: str, picture: NDArray[np.uint8], size: tuple[int, ...]) -> None:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape != (*size, 3):
        raise invalid(name, f"uint8 {[*size, 3]}", _described(picture))


def _check_finite(name: str, values: NDArray[np.float32]) -> None:
    if not np.isfinite(values).all():
        problem = "expected finite values, got an overflow of the VAE's precision"
        raise PawfectError(ErrorKind.INTERNAL, f"{name}: {problem}")


def _described(array: NDArray[np.generic]) -> str:
    return f"{array.dtype} {list(array.shape)}"
