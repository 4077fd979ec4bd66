"""Out of memory: told from other failures, freed before the next try, and survived."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pawfect.contract.errors import ErrorKind, PawfectError, is_out_of_memory
from pawfect.model import TORCH
from pawfect.models import MODELS
from pawfect.out_of_memory import attempt, fitting, in_halves, require
from pawfect.serving import load_function
from pawfect.weights.store import Store
from tests.pawfect.test_serving import INPUTS


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_is_told_from_other_failures(error, expected):
    assert is_out_of_memory(error) is expected

    def run() -> int:
        raise error

    if expected:
        assert attempt(run) is None
        with pytest.raises(PawfectError, match="PAWFECT_OUT_OF_MEMORY: sam3: out of memory"):
            require("sam3", run)
    else:
        with pytest.raises(type(error)):
            attempt(run)
        with pytest.raises(type(error)):
            in_halves(lambda items: run(), [1, 2])


def test_torchs_own_allocator_failure_is_one():
    assert attempt(lambda: torch.empty(2**60, dtype=torch.uint8)) is None


def test_what_the_failed_call_held_is_gone_when_memory_is_freed():
    held: list[weakref.ref[torch.Tensor]] = []
    alive: list[bool] = []

    def run() -> int:
        large = torch.zeros(8)
        held.append(weakref.ref(large))
        raise torch.OutOfMemoryError("CUDA out of memory")

    assert attempt(run, lambda: alive.append(held[0]() is not None)) is None
    assert alive == [False]


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=12), room=st.integers(0, 30))
def test_a_batch_is_halved_until_it_fits_and_only_what_never_does_is_lacking(sizes, room):
    failures = 0

    def run(items: list[int]) -> list[int]:
        nonlocal failures
        if sum(items) > room:
            failures += 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [item * item for item in items]

    freed: list[None] = []
    results = in_halves(run, sizes, lambda: freed.append(None))
    assert results == [size * size if size <= room else None for size in sizes]
    assert len(freed) == failures


def test_one_that_fits_once_something_is_freed_is_no_loss():
    kept = [8]

    def run(items: list[int]) -> list[int]:
        if sum(kept) + sum(items) > 10:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return items

    assert in_halves(run, [9], kept.clear) == [9]


@pytest.mark.parametrize("model", sorted(m for m in INPUTS if MODELS[m].runtime == TORCH))
def test_every_neural_model_says_so_and_serves_again(model, tiny, tiny_weights):
    function = load_function(model, tiny, Store(tiny_weights))
    before = function(INPUTS[model], {})

    def full(module, args):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    hook = torch.nn.modules.module.register_module_forward_pre_hook(full)
    try:
        with pytest.raises(PawfectError, match="out of memory") as caught:
            function(INPUTS[model], {})
    finally:
        hook.remove()
    assert caught.value.kind is ErrorKind.OUT_OF_MEMORY
    for name, array in function(INPUTS[model], {}).items():
        np.testing.assert_array_equal(array, before[name])


def test_weights_that_do_not_fit_are_unavailable_and_other_failures_pass():
    with pytest.raises(PawfectError) as caught, fitting("weights x", "cuda"):
        raise torch.OutOfMemoryError("CUDA out of memory")
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert caught.value.message == "weights x: expected its weights to fit into cuda's memory"
    with pytest.raises(RuntimeError, match="shapes"), fitting("weights x", "cuda"):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
