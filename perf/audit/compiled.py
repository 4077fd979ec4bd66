"""`pawfect audit compile`: whether a transformer compiles, really runs so, and pays.

A compiled block may fall back to eager without a word: at an error that is suppressed, past the
limit of recompilations. So compiled graphs are counted where they run.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import click
import torch
from torch._dynamo.backends.registry import lookup_backend

from pawfect.contract.errors import PawfectError
from pawfect.diffusion.attention import AttentionError, use_attention
from pawfect.diffusion.compiling import compile_blocks, repeated_blocks
from pawfect.picture.canvas import TOKEN_PX
from pawfect.profile import Profile
from pawfect.settings import ChainSettings
from pawfect.weights.checkpoint import torch_dtype
from pawfect.weights.reading import weights_folder
from pawfect.weights.store import Store, weights_root
from perf.audit.engines import settings_of
from perf.audit.explained import Explained, explain_blocks
from perf.audit.options import chosen_engine
from perf.diffusion.random_transformer import random_transformer, step_arguments
from perf.diffusion.transformers import TRANSFORMERS, config_of

# Graphs of each kind of block over all batch sizes. With torch 2.13 it takes three in all for
# FLUX.1's two kinds at the first batch size (two kinds, and one of them again for the strides that
# the block before it leaves), and as many again, once, for any other.
MOST_GRAPHS: Final = 3
# Whether and how much the blocks repeat changes nothing of how one compiles; random weights of all
# 57 of FLUX.1 would take 24 GB.
BLOCKS_OF_EACH: Final = 2
# What the configs call the numbers of their blocks.
DEPTHS: Final = ("num_layers", "num_single_layers")
# Steps that are timed with and without.
PAIRS: Final = 5

Step = Callable[[int], torch.Tensor]


@dataclass
class Proof:
    """What came of a compilation.

    Attributes:
        kinds: of repeated block, with how many a step calls.
        compiled: graphs that the backend made, by the batch size at which it did.
        ran: by batch size, how many compiled graphs one step ran.
        eager_ms: median time of a step without, batch of the first size; None: not taken.
        compiled_ms: the same with, taken in turns with those without.
        difference: largest difference of the outputs, relative to the largest output.
        explained: what torch._dynamo.explain() says of one block of each kind.
        problems: what fell back to eager, in plain sentences; none: it holds.
    """

    kinds: Counter[str]
    compiled: dict[int, int] = field(default_factory=dict)
    ran: dict[int, int] = field(default_factory=dict)
    eager_ms: float | None = None
    compiled_ms: float | None = None
    difference: float = 0.0
    explained: list[Explained] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


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
) -> Proof:
    """Compile a transformer's blocks and find out whether they really run compiled.

    Args:
        module: not yet compiled.
        step: runs it once for a batch of so many items.
        backend: a name that torch knows, or a backend.
        batches: batch sizes to run, the first of which is timed.
    """
    proof = Proof(Counter(type(block).__name__ for block in repeated_blocks(module)))
    with torch.inference_mode():
        expected = step(batches[0])
        counting = CountingBackend(backend)
        torch._dynamo.reset()
        try:
            proof.explained = explain_blocks(module, lambda: step(batches[0]))
            proof.problems += [f"explain(): {one}" for one in proof.explained if not one.whole]
            compile_blocks(module, counting)
            proof.difference = _difference(step(batches[0]), expected)
            _count_runs(proof, step, counting, batches)
            proof.problems += _eager_in_silence(proof)
        except PawfectError as error:
            proof.problems.append(error.message)
        # torch's own errors and whatever a backend raises: that it failed is the finding.
        except Exception as error:  # noqa: BLE001
            # Where a backend failed, torch wraps what it raised.
            cause = getattr(error, "inner_exception", error)
            said = str(cause).strip().splitlines()
            why = f"{type(cause).__name__}: {said[0] if said else 'no message'}"
            proof.problems.append(f"compilation failed: {why}")
        if not proof.problems:
            # In turns, so that a busy machine slows both.
            pairs = [_timed_pair(step, batches[0]) for _ in range(PAIRS)]
            proof.eager_ms, proof.compiled_ms = map(statistics.median, zip(*pairs, strict=True))
    return proof


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


def _timed_pair(step: Step, batch: int) -> tuple[float, float]:
    def ms() -> float:
        began = time.perf_counter()
        # Reading one number waits for the device.
        step(batch).flatten()[0].item()
        return (time.perf_counter() - began) * 1000

    with torch.compiler.set_stance("force_eager"):
        eager = ms()
    return eager, ms()


def _difference(got: torch.Tensor, expected: torch.Tensor) -> float:
    got, expected = got.float(), expected.float()
    return float((got - expected).abs().max() / expected.abs().max().clamp_min(1e-12))


def _eager_in_silence(proof: Proof) -> Iterator[str]:
    """Say what fell back to eager although nothing raised."""
    made, blocks = sum(proof.compiled.values()), proof.kinds.total()
    if not made:
        yield "no graph was compiled: every block ran eager"
        return
    for batch, ran in proof.ran.items():
        if ran < blocks:
            yield f"batch of {batch}: {blocks - ran} of {blocks} blocks ran eager"
    most = MOST_GRAPHS * len(proof.kinds)
    if made > most:
        yield (
            f"{made} graphs for batches of {', '.join(map(str, proof.compiled))}, expected at most "
            f"{most}: it is compiled anew for every batch size"
        )


@click.command("compile")
@chosen_engine
@click.option("--backend", default="inductor", show_default=True, help="One that torch knows.",
              type=click.Choice(torch.compiler.list_backends(exclude_tags=())))  # fmt: skip
def compile_(profile: Profile, engine: str, size: int | None, backend: str) -> None:
    """Compile a profile's blocks; the exit code is 1 where any of them ran eager."""
    settings = settings_of(profile, engine)
    side = (size or settings.sizes[0]) // TOKEN_PX
    module, weights = transformer_of(profile, engine)
    if device_of(settings) == settings.device:
        try:
            use_attention(module, settings.attention)
        except AttentionError as error:
            raise click.ClickException(str(error)) from None
    click.echo(f"profile {profile.name}, {engine}: compile is {'on' if settings.compile else 'off'}"
               f": {settings.compile_reason}")  # fmt: skip
    click.echo(f"{weights}\ntorch {torch.__version__}, backend {backend}, {settings.dtype}, "
               f"{side * TOKEN_PX} px, {device_of(settings)}")  # fmt: skip
    proof = prove(module, steps_of(engine, module, settings, side), backend=backend)
    click.echo(summary(proof))
    sys.exit(1 if proof.problems else 0)


def transformer_of(profile: Profile, engine: str) -> tuple[Any, str]:
    """Return an engine's transformer, with its weights where they are here, and what these are.

    Without a CUDA device it is on the CPU, whose times say nothing about a card.
    """
    settings, kind = settings_of(profile, engine), TRANSFORMERS[engine]
    device, entry = device_of(settings), profile.entry(kind.model)
    try:
        folder = weights_folder(kind.model, profile, Store(weights_root()))
        module = kind.load(folder, device=device, dtype=settings.dtype).module
        return module, f"weights: {entry}"
    except PawfectError as error:
        said = f"weights: random, unquantised, {BLOCKS_OF_EACH} blocks of each kind ({error})"
    config = config_of(engine, tiny=entry.startswith("tiny-"))
    config |= {depth: BLOCKS_OF_EACH for depth in DEPTHS if depth in config}
    return random_transformer(engine, config, device, torch_dtype(settings.dtype)), said


def steps_of(engine: str, module: Any, settings: ChainSettings, side: int) -> Step:
    """Return what runs one step for a batch of so many, on a grid of `side` x `side` tokens."""
    like = torch.empty(0, device=device_of(settings), dtype=torch_dtype(settings.dtype))

    def step(batch: int) -> torch.Tensor:
        grid = side, side
        given = step_arguments(engine, module.config, grid, settings.text_tokens, batch, like)
        flow: torch.Tensor = module(**given, return_dict=False)[0]
        return flow

    return step


def device_of(settings: ChainSettings) -> str:
    """Return where a profile's transformer is on this machine: the CPU where there is no card."""
    return settings.device if torch.cuda.is_available() else "cpu"


def summary(proof: Proof) -> str:
    """Return what came of it, for people."""
    blocks = proof.kinds.total()
    lines = [", ".join(f"{count} x {kind}" for kind, count in proof.kinds.items())]
    lines += [f"torch._dynamo.explain(): {one}" for one in proof.explained]
    lines += [
        f"batch of {batch}: {made} graphs compiled; a step ran {proof.ran[batch]} compiled graphs "
        f"for {blocks} blocks"
        for batch, made in proof.compiled.items()
    ]
    if proof.eager_ms is not None and proof.compiled_ms is not None:
        lines.append(
            f"a step: {proof.eager_ms:.1f} ms eager, {proof.compiled_ms:.1f} ms compiled (medians "
            f"of {PAIRS}); outputs differ by {proof.difference:.1e}, relative"
        )
    if proof.problems:
        lines += ["NOT COMPILED:", *(f"  {problem}" for problem in proof.problems)]
    else:
        lines.append("compiled: every block of every step ran as a compiled graph")
    return "\n".join(lines)
