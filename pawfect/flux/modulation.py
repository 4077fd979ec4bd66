"""Where FLUX.1 has its modulation; see `pawfect.diffusion.modulation`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pawfect.diffusion import modulation
from pawfect.diffusion.modulation import Moment


class Modulation(modulation.Modulation):
    """The modulation of a FluxTransformer2DModel."""

    embedder = "time_text_embed"

    @staticmethod
    def layers_of(module: Any) -> list[list[str]]:
        """Return for each block in order, then for the output, the paths of its modulation layers.

        Args:
            module: a FluxTransformer2DModel.
        """
        doubles = range(len(module.transformer_blocks))
        singles = range(len(module.single_transformer_blocks))
        return [
            *([f"transformer_blocks.{n}.{norm}.linear" for norm in ("norm1", "norm1_context")]
              for n in doubles),
            *([f"single_transformer_blocks.{n}.norm.linear"] for n in singles),
            ["norm_out.linear"],
        ]  # fmt: skip

    @staticmethod
    def activation_of(path: str) -> str:
        """Return the path of what is applied before the modulation layer at a path."""
        return path.removesuffix("linear") + "silu"

    def embedded(self, moments: Sequence[Moment]) -> torch.Tensor:
        """Return the embedding of timestep, guidance and pooled prompt, float32 [M, D]."""
        pooled = torch.tensor(np.stack([np.frombuffer(m.pooled, np.float32) for m in moments]))
        timestep, guidance = (
            torch.tensor(values, dtype=torch.float32)
            for values in ([m.timestep for m in moments], [m.guidance for m in moments])
        )
        # The module's own rounding of both is a part of FLUX: it takes timesteps of 0 to 1 in its
        # precision, and multiplies there.
        timestep = ((timestep / 1000).to(self.dtype) * 1000).float()
        guidance = (guidance.to(self.dtype) * 1000).float()
        embedding: torch.Tensor = self._embedder(timestep, guidance, pooled)
        return embedding
