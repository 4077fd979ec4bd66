"""What torch._dynamo.explain() says of one block of each kind, called as a step calls it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch

from pawfect.diffusion.compiling import repeated_blocks


@dataclass(frozen=True)
class Explained:
    """What came of tracing one block.

    Attributes:
        kind: the block's class.
        graphs: that it falls into; one: it compiles whole.
        breaks: between them.
        reasons: of the breaks, a line each.
    """

    kind: str
    graphs: int
    breaks: int
    reasons: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether the block is one graph."""
        return self.graphs == 1 and not self.breaks

    def __str__(self) -> str:
        said = "".join(f"; {reason}" for reason in self.reasons)
        return f"{self.kind}: {self.graphs} graphs, {self.breaks} breaks{said}"


def explain_blocks(module: torch.nn.Module, call: Callable[[], object]) -> list[Explained]:
    """Have torch explain the first block of each kind that a module names as repeated.

    Args:
        module: not compiled.
        call: runs one step of it, which gives the blocks their inputs.

    Raises:
        Exception: what torch raises for a block that it cannot trace.
    """
    given = _inputs_of(module, call)
    return [_explained(block, *given[type(block).__name__]) for block in _first_of_each(module)]


def _first_of_each(module: torch.nn.Module) -> list[torch.nn.Module]:
    first: dict[str, torch.nn.Module] = {}
    for block in repeated_blocks(module):
        first.setdefault(type(block).__name__, block)
    return list(first.values())


def _inputs_of(
    module: torch.nn.Module, call: Callable[[], object]
) -> dict[str, tuple[tuple[Any, ...], dict[str, Any]]]:
    """Return what the first block of each kind is called with, by kind."""
    given: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}

    def keep(block: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given[type(block).__name__] = args, kwargs

    with ExitStack() as hooks:
        for block in _first_of_each(module):
            handle = block.register_forward_pre_hook(keep, with_kwargs=True)
            hooks.callback(handle.remove)
        call()
    return given


def _explained(block: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Explained:
    said = torch._dynamo.explain(block)(*args, **kwargs)
    reasons = (str(one.reason).strip().splitlines() for one in said.break_reasons)
    return Explained(
        type(block).__name__,
        said.graph_count,
        # torch counts graphs but one, and so -1 where there is none.
        max(said.graph_break_count, len(said.break_reasons)),
        tuple(lines[0] if lines else "no reason said" for lines in reasons),
    )
