"""klein's description against its models' contract."""

from __future__ import annotations

import numpy as np

from pawfect.chains import CHAINS
from pawfect.diffusion.preview import preview
from pawfect.klein.chain import KLEIN
from pawfect.models import MODELS


def test_the_chains_tensors_are_those_of_its_models():
    assert CHAINS["klein"] is KLEIN
    step = {spec.name: spec for spec in MODELS[KLEIN.transformer].spec.inputs}
    for name in ("LATENTS", "REFERENCES"):
        assert step[name].shape == (-1, KLEIN.token_width) == (-1, 128)
    assert set(KLEIN.text) <= set(step)
    assert ("REFERENCES" in step) is KLEIN.references
    assert ("GUIDANCE" in step) is KLEIN.guided
    assert {spec.name for spec in MODELS[KLEIN.text_encoder].spec.outputs} == {*KLEIN.text, "CUT"}
    assert "IMAGE" in {spec.name for spec in MODELS[KLEIN.vae_decoder].spec.outputs}


def test_a_preview_is_an_eighth_of_the_picture_and_shows_its_channels_colours():
    blank = np.zeros((12, 128), np.float32)
    grey = preview(blank, (3, 4), KLEIN.colours)
    assert grey.shape == (6, 8, 3)
    assert len(np.unique(grey.reshape(-1, 3), axis=0)) == 1
    # The fourth channel is brightness, the ninth darkness; a token's first value is its upper left.
    bright, dark = blank.copy(), blank.copy()
    bright[0, 4 * 3], dark[0, 4 * 8] = 1, 1
    assert (preview(bright, (3, 4), KLEIN.colours)[0, 0] > grey[0, 0] + 20).all()
    assert (preview(dark, (3, 4), KLEIN.colours)[0, 0] < grey[0, 0] - 20).all()
    np.testing.assert_array_equal(preview(bright, (3, 4), KLEIN.colours)[2:], grey[2:])
