"""Where a fill's pixels come from: never from what is protected."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.matting.protection import protection
from pawfect.patch.completion import complete
from pawfect.patch.core import RADIUS
from pawfect.picture import raster
from pawfect.stop import never
from perf.scenes import load_scene


def sources(photo: np.ndarray, hole: np.ndarray, banned: np.ndarray) -> np.ndarray:
    """The flat indices of the middles of the patches that are copied, one for each hole pixel."""
    found = complete(photo, hole, banned, 7, never)
    assert found is not None
    source, _ = found
    assert ((source >= 0) == hole).all()
    return source[hole]


@pytest.mark.parametrize(
    "name",
    [
        "reference_768",
        pytest.param("dog_near", marks=pytest.mark.slow),
        pytest.param("dog_morning", marks=pytest.mark.slow),
    ],
)
def test_no_patch_that_is_copied_has_a_pixel_of_the_pet_or_of_the_hole(name):
    scene = load_scene(name).resized(256, 192)
    found = protection(scene.protect.astype(np.float32) / 255, scene.mask)
    banned, hole = found.mask >= 128, scene.mask >= 128
    assert banned.sum() > 0.5 * ((scene.protect >= 128) & ~hole).sum()
    nothing = np.zeros_like(hole)
    near = raster.grow(banned, RADIUS)
    chosen = sources(scene.photo, hole, banned)
    assert not near.ravel()[chosen].any()
    assert not raster.grow(hole, RADIUS).ravel()[chosen].any()
    # Nothing but the protection keeps them out.
    assert banned.ravel()[sources(scene.photo, hole, nothing)].any()
