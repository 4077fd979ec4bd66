"""One denoising step of FLUX.2 [klein]: stateless and batched, with reference pictures or without.

Reference pictures are tokens behind those of the picture. Their keys and values are not kept from
one step to the next: only the 9B "kv" weights are trained for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from diffusers.models.transformers.transformer_flux2 import Flux2Transformer2DModel
from numpy.typing import NDArray

from pawfect.diffusion.batch import Item
from pawfect.diffusion.loading import on_meta, read_config
from pawfect.diffusion.step import NOISE_TIMESTEP, Grid, check_step, grids_of
from pawfect.diffusion.transformer import ChainTransformer
from pawfect.klein.chain import KLEIN, TOKEN_WIDTH
from pawfect.klein.gguf import PUBLISHED
from pawfect.weights.reading import unusable

# How far pictures lie apart on the first axis of positions: the one that is filled at 0, the
# references at 10, 20 and so on; `Flux2KleinPipeline._prepare_image_ids`.
APART: Final = 10
# What makes a FLUX.2 transformer klein; the rest is size.
KLEIN_CONFIG: Final = {"in_channels": TOKEN_WIDTH, "guidance_embeds": False}


class Transformer(ChainTransformer):
    """klein's transformer, which sees the latents and says which way they flow."""

    model = KLEIN.transformer
    published = PUBLISHED

    @staticmethod
    def build(folder: Path) -> Any:
        """See `build_module`."""
        return build_module(folder)

    def shared(self, item: Item) -> tuple[Any, ...]:
        """Return what steps of one batch share; see `pawfect.diffusion.batch.Stepper`."""
        grids = check_step(item, TOKEN_WIDTH, self.module.config.joint_attention_dim)
        return grids, len(item["PROMPT_EMBEDS"])

    @torch.inference_mode()
    def velocities(self, items: Sequence[Item]) -> Sequence[NDArray[np.float32]]:
        """Return the velocities of a batch; see `pawfect.diffusion.batch.Stepper`.

        Each is computed as if it were alone; not finite where it overflows the precision, which
        `pawfect.diffusion.schedule.euler` refuses.
        """
        tokens, text = len(items[0]["LATENTS"]), len(items[0]["PROMPT_EMBEDS"])
        latents = self.tensor(np.stack([item["LATENTS"] for item in items]))
        if "REFERENCES" in items[0]:
            latents = torch.cat(
                (latents, self.tensor(np.stack([item["REFERENCES"] for item in items]))), dim=1
            )
        timestep = torch.tensor(np.concatenate([item["TIMESTEP"] for item in items]))
        (flow,) = self.module(
            hidden_states=latents,
            encoder_hidden_states=self.tensor(np.stack([item["PROMPT_EMBEDS"] for item in items])),
            # The module takes 0 to 1 and multiplies in its own precision.
            timestep=timestep.to(self.device) / NOISE_TIMESTEP,
            img_ids=picture_positions(grids_of(items[0])).to(self.device),
            txt_ids=text_positions(text).to(self.device),
            return_dict=False,
        )
        velocities: NDArray[np.float32] = flow[:, :tokens].float().cpu().numpy()
        return list(velocities)


def build_module(folder: Path) -> Any:
    """Return the Flux2Transformer2DModel of a folder's config.json, without weights.

    Raises:
        PawfectError: UNAVAILABLE where the config is missing, damaged or another model's.
    """
    config = read_config(folder, "Flux2Transformer2DModel", KLEIN_CONFIG)
    module = on_meta(folder, lambda: Flux2Transformer2DModel.from_config(config))
    if module.proj_out.out_features != TOKEN_WIDTH:
        got = module.proj_out.out_features
        raise unusable(folder, f"expected {TOKEN_WIDTH} values for each token, got {got}")
    return module


def picture_positions(grids: Sequence[Grid]) -> torch.Tensor:
    """Return [T, 4], the positions of the tokens of pictures, one behind the other.

    Args:
        grids: rows and columns of tokens of each picture: of the one that is filled, then of each
            reference.
    """
    zero = torch.zeros(1, dtype=torch.int64)
    return torch.cat(
        [
            torch.cartesian_prod(zero + APART * number, *map(torch.arange, grid), zero)
            for number, grid in enumerate(grids)
        ]
    )


def text_positions(tokens: int) -> torch.Tensor:
    """Return [L, 4]: each token's number on the last axis."""
    positions = torch.zeros(tokens, 4, dtype=torch.int64)
    positions[:, 3] = torch.arange(tokens)
    return positions
