"""A real layer that runs out of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


@contextmanager
def short_of_memory(layer: torch.nn.Module, fits: Callable[[tuple], bool]) -> Iterator[list[tuple]]:
    """A real layer runs out of memory for inputs that do not fit; yields the shapes that came."""
    shapes: list[tuple] = []

    def check(layer: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        shapes.append(tuple(args[0].shape))
        if not fits(shapes[-1]):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.5 GiB")

    hook = layer.register_forward_pre_hook(check)
    try:
        yield shapes
    finally:
        hook.remove()
