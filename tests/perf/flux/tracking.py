"""What torch's elementwise kernels move in a call, and how many bytes live at its peak."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

# Fused attention of a CPU, which no list of counted operations has.
FUSED = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


class Moved(TorchDispatchMode):
    """Adds up the bytes that kernels read and write which compute no product."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        read = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        written = [leaf for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
        if packet not in flop_registry and packet is not FUSED and not _views(func, read, written):
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in read + written)
        return out


class Peak(TorchDispatchMode):
    """Follows the bytes of the storages that operations make: not those of parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = {
            leaf.untyped_storage()._cdata
            for leaf in tree_leaves((args, kwargs))
            if isinstance(leaf, torch.Tensor)
        }
        for leaf in tree_leaves(out):
            if isinstance(leaf, torch.Tensor) and leaf.untyped_storage()._cdata not in given:
                self._follow(leaf.untyped_storage())
        return out

    def _follow(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._seen:
            return
        self._seen.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)

        def gone() -> None:
            self._seen.discard(key)
            self.live -= size

        weakref.finalize(storage, gone)


def moved(call: Callable[[], object]) -> int:
    """Return the bytes that elementwise kernels read and write in a call."""
    mode = Moved()
    with torch.no_grad(), mode:
        call()
    return mode.bytes


def _views(func: Any, read: list[torch.Tensor], written: list[torch.Tensor]) -> bool:
    """Say whether an operation only looks at what it is given."""
    if func._schema.name.endswith("_") or not written:
        return False
    given = {tensor.untyped_storage()._cdata for tensor in read}
    return all(tensor.untyped_storage()._cdata in given for tensor in written)
