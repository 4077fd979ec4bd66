"""Proof of a compilation: what torch makes of the real blocks, and whether they really run it.

A compiled block may fall back to eager without a word: at a graph break, at an error that is
suppressed, past the limit of recompilations. So compiled graphs are counted where they run.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch._dynamo.backends.registry import lookup_backend

from pawfect.contract.errors import PawfectError
from pawfect.flux.compiling import compile_blocks, repeated_blocks

# Graphs of each kind of block over all batch sizes. With torch 2.13 it takes three in all for
# FLUX's two kinds at the first batch size (two kinds, and one of them again for the strides that
# the block before it leaves), and as many again, once, for any other.
MOST_GRAPHS: Final = 3

Step = Callable[[int], torch.Tensor]


@dataclass(frozen=True)
class Explained:
    """What `torch._dynamo.explain` says of one kind of block."""

    kind: str
    blocks: int
    graphs: int
    breaks: tuple[str, ...]
    guards: int
    operations: int


@dataclass
class Proof:
    """What came of a compilation.

    Attributes:
        backend: its name.
        explained: by kind of block.
        compiled: graphs that the backend made, by the batch size at which it did.
        ran: by batch size, how many compiled graphs one step ran.
        blocks: repeated blocks that one step calls.
        eager_ms: times of a step without, batch of the first size.
        compiled_ms: times of a step with, taken in turns with those without.
        first_ms: time of the first step, which compiles.
        difference: largest difference of the outputs, relative to the largest output.
        problems: what fell back to eager, in plain sentences; none: it holds.
    """

    backend: str
    explained: list[Explained] = field(default_factory=list)
    compiled: dict[int, int] = field(default_factory=dict)
    ran: dict[int, int] = field(default_factory=dict)
    blocks: int = 0
    eager_ms: list[float] = field(default_factory=list)
    compiled_ms: list[float] = field(default_factory=list)
    first_ms: float = 0.0
    difference: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> float | None:
        """Time of a step without over with, the median of the pairs; None where not taken."""
        pairs = zip(self.eager_ms, self.compiled_ms, strict=True)
        ratios = [eager / compiled for eager, compiled in pairs]
        return statistics.median(ratios) if ratios else None


class CountingBackend:
    """A backend that counts the graphs it makes, and each run of one.

    Args:
        backend: a name that torch knows, or a backend.
    """

    def __init__(self, backend: str | Callable[..., Any]) -> None:
        self._inner: Any = lookup_backend(backend) if isinstance(backend, str) else backend
        self.made = 0
        self.ran = 0

    def __call__(self, graph: torch.fx.GraphModule, inputs: list[Any]) -> Callable[..., Any]:
        """Compile one graph; counted only once the inner backend has done it."""
        inner: Callable[..., Any] = self._inner(graph, inputs)
        self.made += 1

        def run(*args: Any) -> Any:
            self.ran += 1
            return inner(*args)

        return run


def prove(
    module: torch.nn.Module,
    step: Step,
    *,
    backend: str | Callable[..., Any] = "inductor",
    batches: Sequence[int] = (1, 2, 4),
    repeats: int = 5,
) -> Proof:
    """Compile a transformer's blocks and find out whether they really run compiled.

    Args:
        module: not yet compiled.
        step: runs it once for a batch of so many items.
        backend: a name that torch knows, or a backend.
        batches: batch sizes to run, the first of which is timed.
        repeats: pairs of timed steps; 0: none.
    """
    proof = Proof(backend if isinstance(backend, str) else "another")
    blocks = repeated_blocks(module)
    proof.blocks = len(blocks)
    with torch.inference_mode():
        expected = step(batches[0])
        proof.explained = list(_explained(module, blocks, lambda: step(batches[0])))
        for one in proof.explained:
            proof.problems += [f"{one.kind}: graph break: {reason}" for reason in one.breaks]
        counting = CountingBackend(backend)
        torch._dynamo.reset()
        try:
            compile_blocks(module, counting)
            began = time.perf_counter()
            got = step(batches[0])
            _synchronise(got)
            proof.first_ms = (time.perf_counter() - began) * 1000
            proof.difference = _difference(got, expected)
            _count_runs(proof, step, counting, batches)
        except PawfectError as error:
            proof.problems.append(error.message)
        # torch's own errors and whatever a backend raises: that it failed is the finding.
        except Exception as error:  # noqa: BLE001
            # Where a backend failed, torch wraps what it raised.
            cause = getattr(error, "inner_exception", error)
            said = str(cause).strip().splitlines()
            why = f"{type(cause).__name__}: {said[0] if said else 'no message'}"
            proof.problems.append(f"compilation failed: {why}")
        if not proof.problems and repeats:
            _time(proof, step, batches[0], repeats)
    _judge(proof)
    return proof


def _explained(
    module: torch.nn.Module, blocks: Sequence[torch.nn.Module], run: Callable[[], Any]
) -> Iterator[Explained]:
    """Explain the first block of each kind, on the inputs that it really gets."""
    first = {type(block).__name__: block for block in reversed(blocks)}
    for kind, block in first.items():
        args, kwargs = _inputs_of(block, run)
        torch._dynamo.reset()
        said = torch._dynamo.explain(block)(*args, **kwargs)
        yield Explained(
            kind,
            sum(type(other).__name__ == kind for other in blocks),
            said.graph_count,
            tuple(str(reason.reason).strip().splitlines()[0] for reason in said.break_reasons),
            len(said.out_guards or ()),
            said.op_count,
        )
    torch._dynamo.reset()


def _inputs_of(
    block: torch.nn.Module, run: Callable[[], Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with which a block is called while `run` runs."""
    seen: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    hook = block.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append((args, kwargs)), with_kwargs=True
    )
    try:
        run()
    finally:
        hook.remove()
    return seen[0]


def _count_runs(
    proof: Proof, step: Step, counting: CountingBackend, batches: Sequence[int]
) -> None:
    made = 0
    for batch in batches:
        # Twice: the first may compile, the second only runs.
        step(batch)
        counting.ran = 0
        step(batch)
        proof.ran[batch] = counting.ran
        proof.compiled[batch] = counting.made - made
        made = counting.made


def _time(proof: Proof, step: Step, batch: int, repeats: int) -> None:
    """Time a step without and with, in turns, so that a busy machine slows both."""
    for _ in range(repeats):
        with _eager():
            proof.eager_ms.append(_timed(step, batch))
        proof.compiled_ms.append(_timed(step, batch))


@contextmanager
def _eager() -> Iterator[None]:
    with torch.compiler.set_stance("force_eager"):
        yield


def _timed(step: Step, batch: int) -> float:
    began = time.perf_counter()
    _synchronise(step(batch))
    return (time.perf_counter() - began) * 1000


def _synchronise(output: torch.Tensor) -> None:
    if output.is_cuda:
        torch.cuda.synchronize(output.device)


def _difference(got: torch.Tensor, expected: torch.Tensor) -> float:
    got, expected = got.float(), expected.float()
    return float((got - expected).abs().max() / expected.abs().max().clamp_min(1e-12))


def _judge(proof: Proof) -> None:
    """Add what fell back to eager although nothing raised."""
    if torch._dynamo.config.suppress_errors:
        proof.problems.append("suppress_errors is on: what fails would return to eager in silence")
    if proof.problems:
        return
    if not sum(proof.compiled.values()):
        proof.problems.append("no graph was compiled: every block ran eager")
        return
    for batch, ran in proof.ran.items():
        if ran < proof.blocks:
            proof.problems.append(
                f"batch of {batch}: {proof.blocks - ran} of {proof.blocks} blocks ran eager"
            )
    most = MOST_GRAPHS * len(proof.explained)
    made = sum(proof.compiled.values())
    if made > most:
        proof.problems.append(
            f"{made} graphs for batches of {', '.join(map(str, proof.compiled))}, expected at most "
            f"{most}: it is compiled anew for every batch size"
        )
