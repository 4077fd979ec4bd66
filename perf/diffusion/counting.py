"""FLOP as torch counts them, and what one fill of a photo took, stage by stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

# Of a fill: embedding prompts, the VAE's two ends, and the denoising between.
STAGES: Final = ("text", "encode", "step", "decode")
Out = TypeVar("Out")


def _cpu_attention(
    query: Any, key: Any, value: Any, *args: Any, out_shape: Any = None, **kwargs: Any
) -> int:
    """Return the FLOP of scaled dot product attention from the shapes of its inputs."""
    flop: int = sdpa_flop_count(query, key, value)  # type: ignore[no-untyped-call]
    return flop


# torch 2.13 counts every attention kernel of GPUs and none of the CPU's.
_MAPPING: Final = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _cpu_attention}


def counter() -> FlopCounterMode:
    """Return a counter of matrix products, convolutions and attention; two FLOP a multiply-add.

    It sees the thread that enters it, under no_grad and inference_mode too, and the meta device.
    """
    return FlopCounterMode(display=False, custom_mapping=_MAPPING)


def flop_of(work: Callable[[], object]) -> int:
    """Return the FLOP of one call in this thread."""
    with counter() as counted:
        work()
    return int(counted.get_total_flops())


@dataclass
class Done:
    """What a fill took.

    Attributes:
        flop: by stage.
        calls: by stage.
        canvas: height and width of the picture that was encoded, px.
        tokens: of the picture, with its references, and of the text, of one item of a step.
        items: of all calls of the transformer: with a second branch of guidance two a step.
    """

    flop: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    canvas: tuple[int, int] = (0, 0)
    tokens: tuple[int, int] = (0, 0)
    items: int = 0

    def counted(self, stage: str, work: Callable[[], Out]) -> Out:
        """Return what a call of a stage gives, and count it."""
        with counter() as counting:
            out = work()
        self.flop[stage] += int(counting.get_total_flops())
        self.calls[stage] += 1
        return out

    def stepped(self, picture: int, text: int, items: int) -> None:
        """Note a call of the transformer: tokens of one item, and items."""
        self.tokens = picture, text
        self.items += items
