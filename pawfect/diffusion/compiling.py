"""Regional compilation: a transformer's repeated blocks, each kind compiled once and shared.

Compiling the blocks and not the whole keeps the first call short: 57 blocks are of two kinds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from pawfect.contract.errors import ErrorKind, PawfectError


def compile_blocks(module: torch.nn.Module, backend: str | Callable[..., Any] = "inductor") -> None:
    """Have a module's repeated blocks compiled, in place, when they are first called.

    diffusers' `compile_repeated_blocks`, each block as one graph: what cannot be compiled is an
    error then, not a silent return to eager.

    Args:
        module: diffusers' transformer, which names its repeated blocks.
        backend: a name that torch knows, or a backend.

    Raises:
        PawfectError: INTERNAL where the module names no repeated blocks or torch is told to keep
            failures to itself.
    """
    if torch._dynamo.config.suppress_errors:
        raise PawfectError(
            ErrorKind.INTERNAL,
            "compile: expected torch to tell failures, got suppress_errors, with which they return "
            "to eager in silence",
        )
    if not repeated_blocks(module):
        raise PawfectError(
            ErrorKind.INTERNAL, f"compile: {type(module).__name__} names no repeated blocks"
        )
    compiling: Any = module
    compiling.compile_repeated_blocks(fullgraph=True, backend=backend)


def repeated_blocks(module: torch.nn.Module) -> list[torch.nn.Module]:
    """Return the blocks of a module that its class names as repeated, in their order."""
    names = getattr(module, "_repeated_blocks", None) or ()
    return [part for part in module.modules() if type(part).__name__ in names]
