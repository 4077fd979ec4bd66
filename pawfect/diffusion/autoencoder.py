"""What the autoencoders of all chains share: pictures in and out, tiles where memory is short."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray

from pawfect.contract.errors import ErrorKind, PawfectError, invalid
from pawfect.diffusion.tokens import VAE_PX, check_grid
from pawfect.out_of_memory import attempt, require
from pawfect.weights.checkpoint import load_strict, read_tensors, torch_dtype

# Tiles overlap by a quarter, which must be a whole number of latents pixels.
TILE_PX: Final = 4 * VAE_PX
MAX_SEED: Final = 2**63 - 1
MAX_ANGLE: Final = math.pi / 2

Toward = tuple[int, float]


@dataclass(frozen=True)
class Encoded:
    """One picture as the denoising of a chain with references takes it.

    Attributes:
        latents: float32 [T, W], pure noise of the seed.
        prior: float32 [T, W], latents of the picture, to start from or to go by.
    """

    latents: NDArray[np.float32]
    prior: NDArray[np.float32]


class Autoencoder:
    """A chain's autoencoder; a chain says how its latents are scaled and its module is tiled.

    Args:
        module: diffusers' autoencoder, loaded.
        tile_px: pictures with a longer side go through it in tiles of this size, a multiple of 32
            px; 0: never.

    Attributes:
        name: for messages.
        token_width: of the latents.
    """

    name: str
    token_width: int

    def __init__(self, module: Any, tile_px: int) -> None:
        if tile_px < 0 or tile_px % TILE_PX:
            raise invalid("tile_px", f"a multiple of {TILE_PX} px, or 0", tile_px)
        self.module = module
        self.tile_px = tile_px
        if tile_px:
            self.tile(module, tile_px)

    @classmethod
    def load(cls, folder: Path, *, device: str, dtype: str, tile_px: int) -> Self:
        """Load the `vae` of a folder.

        Args:
            folder: of the whole model, as published.
            device: cpu or cuda.
            dtype: float32, float16 or bfloat16.
            tile_px: see the class.

        Raises:
            PawfectError: UNAVAILABLE where a file is missing, damaged or another model's.
        """
        module = cls.build(folder / "vae")
        tensors = read_tensors(folder / "vae", "diffusion_pytorch_model")
        load_strict(module, tensors, "vae", device=device, dtype=torch_dtype(dtype))
        return cls(module, tile_px)

    @staticmethod
    def build(folder: Path) -> Any:
        """Return the module of a folder's config.json, without weights."""
        raise NotImplementedError

    @staticmethod
    def tile(module: Any, tile_px: int) -> None:
        """Have a module work in tiles of a size, px."""
        module.enable_tiling()
        module.tile_sample_min_size = tile_px
        module.tile_latent_min_size = tile_px // VAE_PX

    def unscaled(self, tokens: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
        """Return what the decoder takes, [1, C, ...], of finished latents, float32 [T, W]."""
        raise NotImplementedError

    def decoded(self, module: Any, planes: torch.Tensor) -> torch.Tensor:
        """Return the picture of what `unscaled` gave: [3, H, W] in -1..1."""
        picture: torch.Tensor = module.decode(planes).sample[0]
        return picture

    @torch.inference_mode()
    def decode(self, latents: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.uint8]:
        """Decode finished latents.

        Args:
            latents: float32 [T, W], finite.
            grid: rows and columns of tokens.

        Returns:
            UINT8 [16 rows, 16 columns, 3], RGB.

        Raises:
            PawfectError: INVALID_ARG where the latents do not fit the grid or are not finite;
                INTERNAL where the decoder overflows its precision; OUT_OF_MEMORY where it does not
                fit in tiles either.
        """
        width = self.token_width
        if latents.ndim != 2 or latents.shape[1] != width:
            raise invalid("LATENTS", f"shape [T, {width}]", list(latents.shape))
        check_grid(len(latents), grid, "LATENTS")
        if not np.isfinite(latents).all():
            raise invalid("LATENTS", "finite values", "others")
        planes = self.unscaled(torch.tensor(latents, dtype=torch.float32), grid)
        side = 2 * VAE_PX * max(grid)
        picture = self.fitting(self.decoded, planes, side)
        levels = (picture * 0.5 + 0.5).clamp(0, 1).permute(1, 2, 0).float().cpu().numpy()
        check_finite("IMAGE", levels)
        rounded: NDArray[np.uint8] = (levels * 255).round().astype(np.uint8)
        return rounded

    def fitting(
        self, run: Callable[[Any, torch.Tensor], torch.Tensor], planes: torch.Tensor, side: int
    ) -> torch.Tensor:
        """Run the module on a picture, at most `side` px; again in tiles where it does not fit.

        The tiles have half the side of what did not fit, and so need about a quarter of its memory.
        """
        given = planes.to(self.module.device, self.module.dtype)
        result = attempt(lambda: run(self.module, given))
        if result is not None:
            return result
        whole = min(side, self.tile_px or side)
        # It shares the weights, not the size of tiles: other requests see nothing of it.
        tiled = copy.copy(self.module)
        self.tile(tiled, -(-whole // 2 // TILE_PX) * TILE_PX)
        return require(self.name, lambda: run(tiled, given))


def draws(
    seed: int, shape: tuple[int, ...], number: int, *, toward: Toward | None = None, noise: int = 0
) -> list[torch.Tensor]:
    """Return what one seed draws, in turn, from a generator on the CPU: alike on every device.

    Args:
        seed: 0 to 2^63 - 1.
        shape: of each draw.
        number: of draws.
        toward: another seed and an angle, 0 to pi / 2 rad: the noise is turned so far from the
            seed's own towards the other's, see `turned`; None: the seed's own.
        noise: which of the draws is the noise.

    Raises:
        PawfectError: INVALID_ARG for a seed or an angle out of bounds.
    """
    check_seed("SEED", seed)
    generator = torch.Generator("cpu").manual_seed(seed)
    drawn = [torch.randn(shape, generator=generator) for _ in range(number)]
    if toward is not None:
        other, angle = toward
        check_seed("TOWARD_SEED", other)
        drawn[noise] = turned(drawn[noise], draws(other, shape, noise + 1)[noise], angle)
    return drawn


def turned(noise: torch.Tensor, other: torch.Tensor, angle: float) -> torch.Tensor:
    """Return noise turned by an angle, rad, towards other noise: as normal as both.

    A neighbour in Ma et al., "Inference-Time Scaling for Diffusion Models beyond Scaling Denoising
    Steps" (2025).

    Raises:
        PawfectError: INVALID_ARG for an angle out of 0 to pi / 2.
    """
    if not 0 <= angle <= MAX_ANGLE:
        raise invalid("ANGLE", f"0 to {MAX_ANGLE:.4f}", angle)
    return math.cos(angle) * noise + math.sin(angle) * other


def check_seed(name: str, seed: int) -> None:
    """Raise INVALID_ARG for a seed out of bounds."""
    if not 0 <= seed <= MAX_SEED:
        raise invalid(name, f"0 to {MAX_SEED}", seed)


def normalised(picture: NDArray[np.uint8]) -> torch.Tensor:
    """Return [1, 3, H, W] in -1..1, channels last in memory, as diffusers' VaeImageProcessor."""
    return 2.0 * (torch.tensor(picture)[None].permute(0, 3, 1, 2).float() / 255.0) - 1.0


def check_picture(name: str, picture: NDArray[np.uint8], size: tuple[int, ...]) -> None:
    """Raise INVALID_ARG unless a picture is UINT8 [H, W, 3] of a size (H, W)."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape != (*size, 3):
        raise invalid(name, f"uint8 {[*size, 3]}", f"{picture.dtype} {list(picture.shape)}")


def check_finite(name: str, values: NDArray[np.float32]) -> None:
    """Raise INTERNAL where the autoencoder overflowed its precision."""
    if not np.isfinite(values).all():
        problem = "expected finite values, got an overflow of the VAE's precision"
        raise PawfectError(ErrorKind.INTERNAL, f"{name}: {problem}")
