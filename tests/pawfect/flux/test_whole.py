"""Our parts joined by the orchestrator's loop against diffusers' FluxFillPipeline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.pawfect.flux.conftest import Parts, Request


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


@pytest.mark.parametrize(("steps", "strength"), [(4, 0.3), (5, 0.5), (6, 0.9), (3, 1.0)])
def test_a_run_from_a_prior_equals_the_pipeline_on_the_prefilled_image(
    parts, fill_by_pipeline, scene, steps, strength
):
    image, mask = scene(80, 64)
    prefill = np.where(mask[..., None] >= 128, scene(80, 64, seed=1)[0][:, ::-1], image)
    request = Request(image, mask, steps=steps, strength=strength, prefill=prefill)
    assert difference(parts.fill(request)[0], fill_by_pipeline(request)) <= 1


def test_at_strength_1_the_prior_is_not_seen(parts, scene):
    image, mask = scene(64, 64)
    alone = Request(image, mask)
    np.testing.assert_array_equal(
        parts.fill(replace(alone, prefill=255 - image))[0], parts.fill(alone)[0]
    )
    under = replace(alone, prefill=255 - image, strength=0.75)
    assert difference(parts.fill(under)[0], parts.fill(alone)[0]) > 1


def test_four_different_requests_in_one_batch_equal_each_alone(parts, scene):
    scenes = [scene(64, 96, seed) for seed in range(4)]
    requests = [
        Request(*scenes[0], "green grass", seed=1, steps=5, guidance=30.0),
        Request(*scenes[1], "stone tiles and sand", seed=2, steps=3, guidance=2.0),
        Request(*scenes[2], "", seed=3, steps=6, guidance=0.0),
        Request(*scenes[3], "snow", 4, 5, 10.0, strength=0.6, prefill=scenes[0][0]),
    ]
    together = parts.fill(*requests)
    for request, batched in zip(requests, together, strict=True):
        assert difference(batched, parts.fill(request)[0]) <= 1
    assert min(difference(together[0], other) for other in together[1:]) > 1


@pytest.mark.parametrize(
    "change", [{"seed": 8}, {"prompt": "snow"}, {"guidance": 29.0}, {"steps": 5}]
)
def test_every_parameter_of_a_request_reaches_its_pixels(parts, scene, change):
    request = Request(*scene(64, 64))
    np.testing.assert_array_equal(parts.fill(request)[0], parts.fill(request)[0])
    assert difference(parts.fill(replace(request, **change))[0], parts.fill(request)[0]) > 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_fills_and_stays_near_the_pipeline(
    flux_folder, fill_by_pipeline, scene, dtype
):
    # Timestep 1000 and guidance 0 are exact in bfloat16, whose rounding of others is part of FLUX.
    request = Request(*scene(64, 64), steps=1, guidance=0.0)
    filled = Parts.load(flux_folder, dtype).fill(request)[0]
    error = np.abs(filled.astype(int) - fill_by_pipeline(request)).mean()
    assert error < {"float16": 0.5, "bfloat16": 4.0}[dtype]  # 11 bits and 8
