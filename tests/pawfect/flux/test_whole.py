"""Our parts joined by the orchestrator's loop against diffusers' FluxFillPipeline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.pawfect.flux.conftest import Request


def difference(one: np.ndarray, other: np.ndarray) -> int:
    assert one.shape == other.shape
    assert one.dtype == other.dtype == np.uint8
    return int(np.abs(one.astype(int) - other).max())


@pytest.mark.parametrize(
    ("height", "width", "steps", "guidance", "prompt"),
    [
        (64, 64, 4, 30.0, "green grass with fallen leaves"),
        (96, 48, 3, 2.5, "Wet sand & gravel — 100% résumé, naïve ☃"),
        (48, 112, 8, 0.0, ""),
        (128, 128, 1, 10.0, "stone tiles " * 60),
    ],
)
def test_the_loop_equals_the_pipeline(
    parts, fill_by_pipeline, scene, height, width, steps, guidance, prompt
):
    image, mask = scene(height, width)
    request = Request(image, mask, prompt, steps=steps, guidance=guidance)
    assert difference(parts.fill(request)[0], fill_by_pipeline(request)) <= 1
