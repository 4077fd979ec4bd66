"""The profile's `compile` is what has the transformer's blocks compiled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pawfect.diffusion.compiling import repeated_blocks
from pawfect.serving import load_batch
from pawfect.weights.store import Store


@pytest.mark.parametrize("compiled", [True, False])
def test_blocks_are_compiled_where_the_profile_says_so(in_tiny_weights, tiny, compiled):
    profile = replace(tiny, flux=replace(tiny.flux, compile=compiled))
    step = load_batch("flux_transformer", profile, Store(in_tiny_weights))
    blocks = repeated_blocks(step.args[0].module)
    assert len(blocks) == 4
    # torch keeps the compiled call of a module here until it is first called.
    assert {block._compiled_call_impl is not None for block in blocks} == {compiled}
