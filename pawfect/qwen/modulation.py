"""Where Qwen-Image has its modulation; see `pawfect.diffusion.modulation`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from pawfect.diffusion import modulation
from pawfect.diffusion.modulation import Moment


class Modulation(modulation.Modulation):
    """The modulation of a QwenImageTransformer2DModel, which depends on the timestep alone."""

    embedder = "time_text_embed"

    @staticmethod
    def layers_of(module: Any) -> list[list[str]]:
        """Return for each block in order, then for the output, the paths of its modulation layers.

        Args:
            module: a QwenImageTransformer2DModel.
        """
        blocks = range(len(module.transformer_blocks))
        return [
            *([f"transformer_blocks.{n}.{kind}_mod.1" for kind in ("img", "txt")] for n in blocks),
            ["norm_out.linear"],
        ]

    @staticmethod
    def activation_of(path: str) -> str:
        """Return the path of what is applied before the modulation layer at a path."""
        return path.removesuffix("1") + "0" if path.endswith(".1") else "norm_out.silu"

    def embedded(self, moments: Sequence[Moment]) -> torch.Tensor:
        """Return the embedding of timesteps, float32 [M, D]."""
        timestep = torch.tensor([moment.timestep for moment in moments], dtype=torch.float32)
        # The module takes 0 to 1 in its precision.
        timestep = (timestep / 1000).to(self.dtype).float()
        # Of its second argument it reads the precision to compute in.
        embedding: torch.Tensor = self._embedder(timestep, timestep)
        return embedding
