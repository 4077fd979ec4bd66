"""The same pixels on any processor, with any number of threads, and beside another fill."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.pawfect.patch.processes import run

# Prints a digest of each of some fills: plain, of a thin hole and dust, protected, led by a
# drawing, enlarged with grain, of a pattern, of a film; then what two threads at once give.
_DIGESTS: Final = """
import hashlib
from concurrent.futures import ThreadPoolExecutor
import cv2
import numpy as np
from pawfect.patch.engine import fill
from tests.lawn import lawn
from tests.pawfect.patch.textures import box_mask, slope, stones

grass, pebbles, ramp = lawn(260, 300), stones(220, 240), slope(200, 230, 3.0)
square = box_mask((260, 300), 90, 80, 200, 170)
line = cv2.line(np.zeros((260, 300), np.uint8), (9, 9), (280, 240), 255, 5)
line[30:200:40, 200:290:30] = 255
rows, columns = np.mgrid[:220, :240]
checks = (60 + 130 * ((rows // 12 + columns // 12) % 2)[..., None] + np.zeros(3)).astype(np.uint8)
middle = box_mask((220, 240), 80, 70, 160, 150)
beside = box_mask((220, 240), 140, 20, 230, 120)

FILLS = (
    lambda: fill(grass, square, seed=3),
    lambda: fill(grass, line),
    lambda: fill(pebbles, middle, protect=beside, seed=2**63 - 1),
    lambda: fill(pebbles, middle, drawing=cv2.blur(pebbles[::-1], (9, 9))),
    lambda: fill(grass, square, working_px=140),
    lambda: fill(ramp, middle[:200, :230], working_px=97),
    lambda: fill(ramp, middle[:200, :230]),
    lambda: fill(checks, middle),
    lambda: fill(pebbles, middle, protect=255 - middle),
)

def digest(number):
    return hashlib.sha256(FILLS[number]().image.tobytes()).hexdigest()

def show(digests):
    print(*digests)

show(map(digest, range(len(FILLS))))
with ThreadPoolExecutor(2) as pool:
    show(pool.map(digest, range(len(FILLS))))
"""
FILLS: Final = 9
OTHERS: Final = {
    "one thread": {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"},
    "two threads": {
        "NUMBA_NUM_THREADS": "2",
        "OMP_NUM_THREADS": "2",
        "OPENCV_FOR_THREADS_NUM": "2",
    },
    # What the libraries choose their code by; unknown names are ignored.
    "narrow registers": {
        "OPENCV_CPU_DISABLE": "AVX512F,AVX2,AVX,FMA3,FP16",
        "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512_SKX",
        "OPENBLAS_CORETYPE": "Nehalem",
    },
}


def digests(**environment: str) -> list[str]:
    """Each fill's digest; two threads at once give the same."""
    alone, together = run("-c", _DIGESTS, **environment)[-2:]
    assert together == alone
    assert len(set(alone.split())) == FILLS
    return alone.split()


@pytest.mark.slow
def test_threads_and_the_processors_kind_change_no_pixel(tmp_path: Path):
    here = digests()
    for name, environment in OTHERS.items():
        assert digests(**environment) == here, name
    # Compiled for any processor of this architecture, without what this one has beside.
    generic = {"NUMBA_CPU_NAME": "generic", "NUMBA_CACHE_DIR": str(tmp_path)}
    assert digests(**generic, **OTHERS["narrow registers"]) == here
