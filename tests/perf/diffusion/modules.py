"""The real modules at full size, without memory, and what torch counts of a call of theirs."""

from __future__ import annotations

import json
import tempfile
import weakref
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from pawfect.flux import text, transformer_module, vae
from pawfect.klein import text as klein_text
from pawfect.klein import transformer as klein_transformer
from pawfect.klein import vae as klein_vae
from pawfect.qwen import text as edit_text
from pawfect.qwen import transformer as edit_transformer
from pawfect.qwen import vae as edit_vae
from pawfect.scene import florence2, sam3_checkpoint
from pawfect.weights.published import read
from perf.diffusion.configs import CONFIGS
from perf.diffusion.counting import flop_of
from perf.diffusion.random_transformer import step_arguments

BUILDERS: Mapping[str, Callable[[Path], Any]] = {
    "flux_transformer": lambda folder: transformer_module.build_module(
        folder, transformer_module.FILL
    ),
    "flux_vae": vae.build_module,
    "clip_text_encoder": text.build_clip,
    "t5_text_encoder": text.build_t5,
    "sam3": sam3_checkpoint.build_module,
    "florence2_base": lambda folder: florence2.build_module(folder)[1],
    "klein_transformer": klein_transformer.build_module,
    "klein_vae": klein_vae.build_module,
    # As far as it is used.
    "qwen3": klein_text.build_encoder,
    "edit_transformer": edit_transformer.build_module,
    "edit_vae": edit_vae.build_module,
    "qwen2_5_vl": edit_text.build_encoder,
}


def built(name: str) -> Any:
    """Return a published module, its weights on the meta device."""
    config = CONFIGS[name] if name in CONFIGS else read(name).config
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(dict(config)))
        return BUILDERS[name](Path(folder))


@cache
def full_size(name: str) -> Any:
    """Return a published module on the meta device, buffers and all, built once."""
    return built(name).to("meta")


def step_of(
    name: str, module: Any, side: int, text_tokens: int, items: int, like: torch.Tensor
) -> Callable[[], object]:
    """Return a call of a chain's transformer.

    Args:
        name: flux, klein or edit.
        module: of any size.
        side: of the picture, a square of tokens.
        text_tokens: of one item.
        items: of the batch.
        like: any tensor, whose dtype and device the tensors have.
    """
    inputs = step_arguments(name, module.config, (side, side), text_tokens, items, like)
    return lambda: module(**inputs, return_dict=False)


def counted(call: Callable[[], object]) -> int:
    """Return the FLOP that torch counts of a call."""
    with torch.inference_mode():
        return flop_of(call)


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
