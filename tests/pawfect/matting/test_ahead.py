"""The compile ahead of the first cutout, each in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.pawfect.patch.processes import run

# Names what is compiled or missing in the cache when a photo of other types and sizes comes.
_CUT: Final = """
import numpy as np
from pawfect.matting import closed_form, edges, foreground, guided
from pawfect.matting.ahead import compile_ahead

def state():
    return {
        name: (len(function.signatures), function.stats.cache_misses.total())
        for module in (closed_form, edges, foreground, guided)
        for name, function in vars(module).items()
        if hasattr(function, "signatures")
    }

compile_ahead()
ahead = state()
print({name for name, (signatures, misses) in ahead.items() if signatures != 1 or misses})
photo = np.random.default_rng(1).integers(0, 256, (700, 900, 3), np.uint8)
photo.flags.writeable = False
alpha = np.zeros((64, 48), np.float32)
alpha[20:50, 10:30] = 1
alpha.flags.writeable = False
for mode in ("none", "guided", "matting"):
    fine = edges.refine(photo, alpha, mode)
    opacity = np.rint(fine * 255).astype(np.uint8)
    for given in (fine, opacity):
        given.flags.writeable = False
        foreground.foreground(photo, given)
        edges.sharpness(given)
edges.refine(photo[::-1, ::2], alpha.T, "matting")
print({name for name, own in state().items() if own != ahead[name]})
"""


@pytest.mark.slow
def test_a_first_cutout_has_nothing_to_compile_where_the_code_is_kept():
    run("-m", "pawfect.matting")
    assert run("-c", _CUT) == ["set()", "set()"]


@pytest.mark.slow
def test_where_no_code_can_be_kept_it_is_compiled_and_cuts(tmp_path: Path):
    nowhere = tmp_path / "file"
    nowhere.touch()
    _, later = run(
        "-c",
        _CUT,
        NUMBA_CACHE_DIR=str(nowhere / "folder"),
        NUMBA_CACHE_LOCATOR_CLASSES="UserProvidedCacheLocator",
    )
    assert later == "set()"
    assert nowhere.read_bytes() == b""
