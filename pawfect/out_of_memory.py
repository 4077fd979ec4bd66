"""Out of memory: told from other failures, freed, tried again smaller, and survived.

torch is imported only where it already is: this module costs nothing without it.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from pawfect.contract.errors import ErrorKind, PawfectError, is_out_of_memory
from pawfect.contract.metrics import OUT_OF_MEMORY
from pawfect.counting import count

Item = TypeVar("Item")
Result = TypeVar("Result")


def out_of_memory(model: str) -> PawfectError:
    """Return the error of the table for a model whose device is out of memory."""
    return PawfectError(ErrorKind.OUT_OF_MEMORY, f"{model}: out of memory")


def release() -> None:
    """Give memory that nothing uses any more back to the device."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def attempt(run: Callable[[], Result], free: Callable[[], None] = release) -> Result | None:
    """Run something that returns no None; return None where memory was too short for it.

    Args:
        run: what is tried.
        free: called then, once the failed call's own memory can be freed; should end in `release`.
    """
    try:
        return run()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    # Outside the clause: the exception held the frames, and the frames the tensors.
    free()
    count(OUT_OF_MEMORY)
    return None


def require(model: str, run: Callable[[], Result]) -> Result:
    """Run a model; raise OUT_OF_MEMORY, with memory freed, where that is what fails it."""
    result = attempt(run)
    if result is None:
        raise out_of_memory(model)
    return result


@contextmanager
def fitting(what: str, device: str) -> Iterator[None]:
    """Raise UNAVAILABLE where memory is too short for the weights that the block loads."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        expected = f"expected its weights to fit into {device}'s memory"
        raise PawfectError(ErrorKind.UNAVAILABLE, f"{what}: {expected}") from None


def in_halves(
    run: Callable[[Sequence[Item]], Sequence[Result]],
    items: Sequence[Item],
    free: Callable[[], None] = release,
) -> list[Result | None]:
    """Run a batch; where memory is too short for it, its halves, down to single items.

    Args:
        run: takes some items and returns as many results.
        items: at least one.
        free: see `attempt`.

    Returns:
        A result for each item; None for one that does not fit even alone, tried twice: what `free`
        drops may be what was in its way.
    """
    results = attempt(lambda: run(items), free)
    if results is None and len(items) == 1:
        results = attempt(lambda: run(items), free)
    if results is not None:
        return list(results)
    if len(items) == 1:
        return [None]
    half = (len(items) + 1) // 2
    return [*in_halves(run, items[:half], free), *in_halves(run, items[half:], free)]
