"""The compile ahead of the first fill, each in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.pawfect.patch.processes import run

# Names what is compiled or missing in the cache while fills of all kinds run.
_FILLS: Final = """
import numpy as np
from pawfect.patch import core, foreign, guide, repeats, tone
from pawfect.patch.ahead import compile_ahead
from pawfect.patch.engine import fill

def state():
    return {
        name: (len(function.signatures), function.stats.cache_misses.total())
        for module in (core, foreign, guide, repeats, tone)
        for name, function in vars(module).items()
        if hasattr(function, "signatures") and "inline" not in function.targetoptions
    }

compile_ahead()
ahead = state()
print({name for name, (signatures, misses) in ahead.items() if signatures != 1 or misses})
image = np.random.default_rng(1).integers(0, 256, (180, 200, 3), np.uint8)
mask = np.zeros((180, 200), np.uint8)
mask[40:120, 60:130] = 255
stripes = np.zeros_like(image) + np.uint8(np.arange(200) % 7 * 30)[:, None]
image.flags.writeable = False
fill(image, mask)
fill(stripes, mask)
fill(image[::-1], mask, drawing=image, seed=2**63 - 1)
fill(image, mask, protect=255 - mask, working_px=100)
fill(image[:1, :2], np.array([[0, 255]], np.uint8))
fill(image[:9], mask[40:49])
fill(image, mask, protect=np.where(np.arange(200) < 40, mask[:, :1] + 255, 0).astype(np.uint8))
print({name for name, own in state().items() if own != ahead[name]})
"""


def test_a_first_fill_has_nothing_to_compile_where_the_code_is_kept():
    run("-m", "pawfect.patch")
    assert run("-c", _FILLS) == ["set()", "set()"]


@pytest.mark.slow
def test_with_no_compiler_and_where_no_code_can_be_kept_it_is_compiled_and_fills(tmp_path: Path):
    nowhere = tmp_path / "file"
    nowhere.touch()
    _, later = run(
        "-c",
        _FILLS,
        NUMBA_CACHE_DIR=str(nowhere / "folder"),
        NUMBA_CACHE_LOCATOR_CLASSES="UserProvidedCacheLocator",
        PATH=str(tmp_path),
        CC=str(nowhere),
        CXX=str(nowhere),
    )
    assert later == "set()"
    assert nowhere.read_bytes() == b""
