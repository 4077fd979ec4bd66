"""FLOP as torch dispatches them: FlopCounterMode, with the attention of CPUs that it leaves out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count


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
