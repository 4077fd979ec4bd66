"""The chain's own numbers: its schedules, its mask, its previews."""

from __future__ import annotations

import math

import numpy as np
import pytest
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit import calculate_shift

from pawfect.diffusion.preview import preview
from pawfect.diffusion.schedule import read_schedule
from pawfect.qwen.chain import EDIT, with_shift

LIGHTNING = {"base_shift": math.log(3), "max_shift": math.log(3), "shift_terminal": None}


@pytest.mark.parametrize("steps", [1, 4, 8, 50])
@pytest.mark.parametrize("tokens", [24, 1024, 4096])
@pytest.mark.parametrize("shift", ["published", "lightning"])
def test_the_schedule_equals_the_pipelines(folders, steps, tokens, shift):
    changed = LIGHTNING if shift == "lightning" else {}
    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(
        folders["edit"] / "scheduler", **changed
    )
    config = scheduler.config
    mu = calculate_shift(
        *(tokens, config.base_image_seq_len, config.max_image_seq_len),
        *(config.base_shift, config.max_shift),
    )
    # One step alone ends at no noise: there is nothing for the last level to be stretched to.
    if steps > 1 or not config.shift_terminal:
        scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=mu)
        schedule = with_shift(read_schedule(folders["edit"], EDIT.shift), shift)
        np.testing.assert_array_equal(schedule.sigmas(steps, tokens), scheduler.sigmas.numpy())


def test_four_lightning_steps_are_those_of_a_shift_of_three(folders):
    schedule = with_shift(read_schedule(folders["edit"], EDIT.shift), "lightning")
    expected = [3 * t / (1 + 2 * t) for t in (1, 0.75, 0.5, 0.25, 0)]
    np.testing.assert_allclose(schedule.sigmas(4, 4096), expected, rtol=1e-6)


def test_what_is_put_back_is_chosen_by_latents_pixels():
    mask = np.zeros((32, 48), np.uint8)
    mask[0, 8] = 128
    share = EDIT.put_back(mask)
    assert share.shape == (6, EDIT.token_width)
    assert share.sum() == EDIT.channels
    # The second pixel of the first token's upper row, in each channel.
    assert (share[0].reshape(16, 2, 2)[:, 0, 1] == 1).all()


def test_a_preview_has_the_colours_of_its_chain():
    picture = preview(np.zeros((6, EDIT.token_width), np.float32), (2, 3), EDIT.colours)
    assert picture.shape == (4, 6, 3)
    bias = np.array([-0.1835, -0.0868, -0.3360])
    np.testing.assert_array_equal(picture[0, 0], np.rint((bias + 1) * 127.5))
