"""What the transformers of all chains share: loading, and modulation that is kept off the GPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch

from pawfect.contract.tensors import Array
from pawfect.diffusion.gguf import Published
from pawfect.diffusion.modulation import Modulation, Moment, schedule_with
from pawfect.diffusion.schedule import Schedule
from pawfect.diffusion.transformer_files import load_transformer
from pawfect.weights.checkpoint import torch_dtype


class ChainTransformer:
    """A chain's transformer, loaded; a subclass says what it takes and gives.

    Args:
        module: diffusers' transformer, loaded.
        device: where it lies.
        dtype: in which it computes.
        arithmetic: what computes the blocks' linear layers: `plain`, or a scheme of quantisation
            and the kernels in force.
        modulation: taken out of the module and kept on the CPU; None: the module has its own.
        schedule: with the modulation of one step that of its whole schedule is computed; None: of
            each alone.
        steps: of most schedules.

    Attributes:
        model: Triton's name of it.
        published: how its GGUF files name its tensors.
        modulating: takes the modulation out of a module; None: it stays in its layers.
    """

    model: str
    published: Published
    modulating: type[Modulation] | None = None

    def __init__(
        self,
        module: Any,
        device: str,
        dtype: torch.dtype,
        arithmetic: str = "plain",
        *,
        modulation: Modulation | None = None,
        schedule: Schedule | None = None,
        steps: int = 1,
    ) -> None:
        self.module = module
        self.device = device
        self.dtype = dtype
        self.arithmetic = arithmetic
        self.modulation = modulation
        self._schedule = schedule
        self._steps = steps

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        device: str,
        dtype: str,
        modulation: str = "layers",
        schedule: Schedule | None = None,
        steps: int = 1,
    ) -> Self:
        """Load the `transformer` of a folder, or the GGUF file in it.

        Args:
            folder: of the whole model, or of its transformer alone; see
                `pawfect.diffusion.transformer_files`.
            device: cpu or cuda.
            dtype: float32, float16 or bfloat16, of the computation.
            modulation: layers, on the device with all others; or cached: their weights never leave
                the CPU, see `pawfect.diffusion.modulation`.
            schedule: see the class.
            steps: see the class.

        Raises:
            PawfectError: UNAVAILABLE where a file is missing, damaged or another model's.
        """
        modulating = cls.modulating if modulation == "cached" else None
        module, arithmetic = load_transformer(
            folder,
            cls.build,
            cls.published,
            device=device,
            dtype=dtype,
            apart=modulating.apart if modulating else None,
        )
        computed = torch_dtype(dtype)
        return cls(
            module,
            device,
            computed,
            arithmetic,
            modulation=modulating(module, computed) if modulating else None,
            schedule=schedule,
            steps=steps,
        )

    @staticmethod
    def build(folder: Path) -> Any:
        """Return the module of a folder's config.json, without weights."""
        raise NotImplementedError

    def free(self) -> None:
        """Drop what is kept where memory is short: all of it may be lost."""
        # The rows lie in the host's memory: dropping them would free nothing of a GPU's.
        if self.modulation is not None and self.device == "cpu":
            self.modulation.clear()

    def tensor(self, array: Array) -> torch.Tensor:
        """Return an array on the device, in the precision of the computation."""
        return torch.tensor(array).to(self.device, self.dtype)

    def rows(self, moments: Sequence[Moment], tokens: int) -> Sequence[torch.Tensor]:
        """Return what modulates each block, and then the output, for each item: [B, N] each.

        Args:
            moments: one per item.
            tokens: image tokens, by which schedules differ.
        """
        assert self.modulation is not None
        schedule_of = schedule_with(self._schedule, tokens, self._steps)
        rows = self.modulation.rows(moments, schedule_of).to(self.device)
        parts: Sequence[torch.Tensor] = torch.split(rows, list(self.modulation.widths), dim=1)
        return parts
