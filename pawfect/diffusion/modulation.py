"""A transformer's modulation kept off the GPU: computed on the CPU for a whole schedule at once.

The adaptive layer norms of all blocks (Peebles and Xie 2022, arXiv:2212.09748) scale, shift and
gate by vectors that depend on the timestep, and in FLUX.1 on guidance and pooled prompt, never on
the picture. Their layers hold 3.23 of FLUX.1's 11.90 billion parameters and 6.80 of Qwen-Image's
20.43; what they give for one step is a row of 1,056,768 or 2,217,984 numbers. So the layers stay on
the CPU, the rows of a whole schedule are computed in one pass over the weights, and the blocks are
fed from them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from pawfect.diffusion.schedule import Schedule

# Rows of FLUX.1 take 2.1 MB in 16 bits: some 30 prompts of 8 steps, or 9 of 28. Those of Qwen-Image
# take 4.4 MB: two schedules of 50 steps, whatever the prompts.
KEPT_BYTES: Final = 512 * 2**20
# As many as fit in at the full size; more of a small model's would serve nothing.
KEPT_ROWS: Final = 1024
# Rows of a weight that are decoded at a time: 1.5 MB of FLUX.1's in fp32 stay in a core's cache.
# Measured on one layer in bf16, one core: 0.03 s, against 0.16 s where it is decoded whole.
DECODED_ROWS: Final = 128


@runtime_checkable
class Decodable(Protocol):
    """A linear layer whose weight is stored in a form of its own and decoded by rows."""

    bias: torch.Tensor | None
    out_features: int

    def decoded_rows(self, begin: int, end: int) -> torch.Tensor:
        """Return rows of the weight, float32 [end - begin, in_features]."""


class Moment(NamedTuple):
    """All that a modulation depends on.

    Attributes:
        timestep: 0 to 1000.
        guidance: 0 or more; of FLUX.1.
        pooled: the pooled prompt, the bytes of float32 [P]; of FLUX.1.
    """

    timestep: float
    guidance: float = 0.0
    pooled: bytes = b""

    @classmethod
    def of(cls, timestep: float, guidance: float, pooled: NDArray[Any]) -> Moment:
        """Return the moment of one item; `pooled` is [P]."""
        return cls(float(timestep), float(guidance), pooled.astype(np.float32).tobytes())


class Feed(torch.nn.Module):
    """In the place of a modulation layer: passes on the layer's part of its block's row.

    Args:
        begin: of the part, in the row.
        end: of the part.
    """

    def __init__(self, begin: int, end: int) -> None:
        super().__init__()
        self.begin = begin
        self.end = end

    def forward(self, row: torch.Tensor) -> torch.Tensor:
        """Return [B, end - begin] of the block's rows [B, N]."""
        return row[:, self.begin : self.end]


class Modulation:
    """The modulation of one transformer, with a bounded memory of its rows.

    A subclass says where a model has it.

    Args:
        module: diffusers' transformer whose submodules named by `apart` lie on the CPU: they are
            taken out of it, and its blocks from then on expect rows in the place of the time
            embedding. The layers may be any modules; `torch.nn.Linear` in any precision and
            `Decodable` ones are decoded exactly, a few rows at a time.
        dtype: in which the transformer computes, and of the rows.
        kept_bytes: most bytes of rows that are kept.

    Attributes:
        embedder: path of what embeds timesteps. It goes with its layers: its output feeds nothing
            else, so that on the GPU it would be up to 64 MB and a copy back in each step for
            nothing.
    """

    embedder: str

    def __init__(self, module: Any, dtype: torch.dtype, kept_bytes: int = KEPT_BYTES) -> None:
        self.dtype = dtype
        self._layers: list[torch.nn.Module] = []
        self._embedder = module.get_submodule(self.embedder)
        for parameter in self._embedder.parameters():
            if parameter.is_floating_point():
                parameter.data = parameter.data.float()
        delattr(module, self.embedder)
        widths = []
        for paths in self.layers_of(module):
            begin = 0
            for path in paths:
                layer: Any = module.get_submodule(path)
                end = begin + layer.out_features
                module.set_submodule(path, Feed(begin, end))
                # Applied before the layer, and so to what the layer sees, not to what it gives.
                module.set_submodule(self.activation_of(path), torch.nn.Identity())
                self._layers.append(layer)
                begin = end
            widths.append(begin)
        self.widths = tuple(widths)
        # Rows used last come last.
        self._rows: OrderedDict[Moment, torch.Tensor] = OrderedDict()
        self._most_rows = min(KEPT_ROWS, kept_bytes // (sum(widths) * dtype.itemsize))
        self._lock = threading.Lock()

    @staticmethod
    def layers_of(module: Any) -> list[list[str]]:
        """Return for each block in order, then for the output, the paths of its modulation layers.

        Args:
            module: with its layers, on any device.
        """
        raise NotImplementedError

    @staticmethod
    def activation_of(path: str) -> str:
        """Return the path of what is applied before the modulation layer at a path."""
        raise NotImplementedError

    @classmethod
    def apart(cls, module: Any) -> tuple[str, ...]:
        """Return the paths of all submodules that are taken out of a module.

        A loader leaves their weights on the CPU, in the precision in which they are stored.
        """
        return (cls.embedder, *(path for paths in cls.layers_of(module) for path in paths))

    def embedded(self, moments: Sequence[Moment]) -> torch.Tensor:
        """Return what the layers' activation takes, float32 [M, D], with the model's rounding."""
        raise NotImplementedError

    @property
    def nbytes(self) -> int:
        """Bytes of host memory that the layers' weights and the kept rows take."""
        modules = (self._embedder, *self._layers)
        weights: int = sum(p.nbytes for layer in modules for p in layer.parameters())
        return weights + sum(row.nbytes for row in self._rows.values())

    @torch.inference_mode()
    def rows(
        self,
        moments: Sequence[Moment],
        schedule_of: Callable[[float], Iterable[float]] = lambda timestep: (),
    ) -> torch.Tensor:
        """Return each item's rows; those not kept are computed, in one pass for all of them.

        Args:
            moments: one per item.
            schedule_of: gives the timesteps of the schedule that a timestep belongs to, 0 to 1000;
                asked for each item whose row is not kept, whose others are computed with it.

        Returns:
            [B, N] in the transformer's dtype, on the CPU: the rows of all blocks and of the output,
            side by side as `widths` says.
        """
        with self._lock:
            found = {moment: self._rows[moment] for moment in moments if moment in self._rows}
            missing = dict.fromkeys(moment for moment in moments if moment not in found)
            others = dict.fromkeys(
                moment._replace(timestep=float(timestep))
                for moment in missing
                for timestep in schedule_of(moment.timestep)
            )
            # What is asked for now is kept last: a schedule over the bound pushes out its others.
            wanted = [m for m in others if m not in missing and m not in self._rows] + [*missing]
            if missing:
                # Copies: views would keep the rows of the whole pass.
                computed = (row.clone() for row in self._computed(wanted))
                found |= dict(zip(wanted, computed, strict=True))
            for moment, row in found.items():
                self._keep(moment, row)
            return torch.stack([found[moment] for moment in moments])

    def clear(self) -> None:
        """Forget all rows."""
        with self._lock:
            self._rows.clear()

    def _keep(self, moment: Moment, row: torch.Tensor) -> None:
        self._rows[moment] = row
        self._rows.move_to_end(moment)
        while len(self._rows) > self._most_rows:
            self._rows.popitem(last=False)

    def _computed(self, moments: Sequence[Moment]) -> torch.Tensor:
        """Return [M, N], computed in float32, in the transformer's dtype."""
        inputs = torch.nn.functional.silu(self.embedded(moments))
        # Each layer's output is cast as it comes: the fp32 of a whole schedule would be twice as
        # much beside it.
        return torch.cat([_applied(layer, inputs).to(self.dtype) for layer in self._layers], dim=1)


def schedule_with(
    schedule: Schedule | None, tokens: int, steps: int
) -> Callable[[float], list[float]]:
    """Return what gives the timesteps of the schedule that a timestep belongs to.

    Args:
        schedule: None: each timestep is alone.
        tokens: image tokens.
        steps: of most schedules.
    """

    def timesteps(timestep: float) -> list[float]:
        # 0 is in none: it is the time of reference pictures.
        if schedule is None or not timestep:
            return []
        return [float(other) for other in schedule.timesteps_with(timestep, tokens, steps)]

    return timesteps


def _applied(layer: Any, inputs: torch.Tensor) -> torch.Tensor:
    """Return a layer's output, float32 [M, out_features], its weight decoded by few rows."""
    if isinstance(layer, Decodable):
        decode = layer.decoded_rows
    elif type(layer) is torch.nn.Linear and layer.weight.dtype != torch.float32:
        buffer = torch.empty(DECODED_ROWS, layer.in_features)

        def decode(begin: int, end: int) -> torch.Tensor:
            return buffer[: end - begin].copy_(layer.weight[begin:end])

    else:
        outputs: torch.Tensor = layer(inputs)
        return outputs
    decoded = torch.empty(len(inputs), layer.out_features)
    for begin in range(0, layer.out_features, DECODED_ROWS):
        end = min(begin + DECODED_ROWS, layer.out_features)
        decoded[:, begin:end] = torch.nn.functional.linear(inputs, decode(begin, end))
    return decoded if layer.bias is None else decoded + layer.bias.float()
