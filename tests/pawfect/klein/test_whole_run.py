"""Whole runs by our parts against diffusers' own pipelines of klein."""

from __future__ import annotations

import numpy as np
import pytest

from tests.klein_oracle import Drawn, draw_by_pipeline, fill_by_pipeline
from tests.pawfect.klein.conftest import TOKENS

PROMPT = "Continue the green grass with fallen leaves naturally."


def assert_equal(ours: Drawn, theirs: Drawn) -> None:
    assert ours.picture.shape == theirs.picture.shape
    assert ours.picture.std() > 10
    assert np.abs(ours.picture.astype(int) - theirs.picture).max() <= 1
    # The prompt's embeddings are rounded to half precision on their way.
    np.testing.assert_allclose(ours.latents, theirs.latents, rtol=0, atol=2e-4)


@pytest.mark.parametrize("sizes", [(), ((64, 64),), ((64, 96), (112, 64))])
def test_a_picture_drawn_by_prompt_and_references_equals_flux2_klein_pipelines(
    klein, pipeline, scene, sizes
):
    references = [scene(*size, seed=number)[0] for number, size in enumerate(sizes)]
    how = {"prompt": PROMPT, "steps": 4, "seed": 11}
    theirs = draw_by_pipeline(pipeline, (96, 64), references, **how, tokens=TOKENS)
    assert_equal(klein.draw((96, 64), references, **how), theirs)


def test_a_run_heeds_its_prompt_its_references_and_their_order(klein, scene):
    one, other = scene(64, 64)[0], scene(64, 96, seed=1)[0]
    how = {"steps": 2, "seed": 11}
    run = klein.draw((64, 64), [one, other], prompt=PROMPT, **how)
    for prompt, references in (
        ("red sofa fabric and a cushion", [one, other]),
        (PROMPT, [other, one]),
        (PROMPT, [one]),
        (PROMPT, []),
    ):
        another = klein.draw((64, 64), references, prompt=prompt, **how)
        assert np.abs(another.latents - run.latents).max() > 100 * 2e-4


@pytest.mark.parametrize(("strength", "steps"), [(0.8, 4), (0.6, 4), (0.8, 6), (1.0, 1)])
def test_a_masked_fill_equals_flux2_klein_inpaint_pipelines(
    klein, inpaint_pipeline, scene, strength, steps
):
    image, mask = scene(96, 112)
    how = {"prompt": PROMPT, "steps": steps, "strength": strength, "seed": 7}
    theirs = fill_by_pipeline(inpaint_pipeline, image, mask, **how, tokens=TOKENS)
    ours = klein.fill(image, mask, **how)
    assert_equal(ours, theirs)
    # What is not masked is the picture's, up to what the autoencoder makes of it.
    prior = klein.vae.encode(image, 7).prior
    kept = (mask.reshape(6, 16, 7, 16) < 128).all(axis=(1, 3)).ravel()
    assert kept.any()
    np.testing.assert_array_equal(ours.latents[kept], prior[kept])
