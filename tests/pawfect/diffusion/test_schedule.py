"""The schedule in numpy against diffusers' scheduler, number by number."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from diffusers.pipelines.flux.pipeline_flux_fill import FluxFillPipeline, calculate_shift
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from hypothesis import given
from hypothesis import strategies as st

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.diffusion.schedule import (
    Schedule,
    by_tokens_and_steps,
    euler,
    first_step,
    next_level,
    noised,
)
from pawfect_export.tiny.flux import SCHEDULER
from tests.refusals import refusal

FLUX = Schedule.from_config(SCHEDULER)


# As Qwen/Qwen-Image-Edit publishes it.
QWEN = {
    **SCHEDULER,
    "max_image_seq_len": 8192,
    "max_shift": 0.9,
    "shift": 1.0,
    "shift_terminal": 0.02,
}


def diffusers_schedule(
    config, steps: int, tokens: int, mu: float | None = None
) -> FlowMatchEulerDiscreteScheduler:
    """Set up the scheduler as FluxFillPipeline.__call__ does."""
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(dict(config))
    mu = mu or calculate_shift(
        tokens,
        scheduler.config["base_image_seq_len"],
        scheduler.config["max_image_seq_len"],
        scheduler.config["base_shift"],
        scheduler.config["max_shift"],
    )
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=mu)
    return scheduler


@given(st.integers(1, 100), st.integers(1, 20_000))
def test_sigmas_and_timesteps_equal_diffusers_at_any_size(steps, tokens):
    scheduler = diffusers_schedule(SCHEDULER, steps, tokens)
    sigmas = FLUX.sigmas(steps, tokens)
    assert sigmas.dtype == np.float32
    np.testing.assert_array_equal(sigmas, scheduler.sigmas.numpy())
    timesteps = FLUX.timesteps(sigmas)
    assert timesteps.dtype == np.float32
    np.testing.assert_array_equal(timesteps[:-1], scheduler.timesteps.numpy())
    assert timesteps[-1] == 0


@given(st.integers(1, 100), st.floats(0.1, 10), st.booleans())
def test_other_published_values_equal_diffusers_too(steps, shift, dynamic):
    config = {"shift": shift, "use_dynamic_shifting": dynamic, "base_shift": 0.3, "max_shift": 2}
    scheduler = diffusers_schedule(config, steps, 1024)
    np.testing.assert_array_equal(
        Schedule.from_config(config).sigmas(steps, 1024), scheduler.sigmas.numpy()
    )


@given(st.integers(2, 100), st.integers(1, 20_000))
def test_a_schedule_that_ends_above_zero_is_stretched_as_qwens_pipelines_do(steps, tokens):
    scheduler = diffusers_schedule(QWEN, steps, tokens)
    sigmas = Schedule.from_config(QWEN).sigmas(steps, tokens)
    np.testing.assert_array_equal(sigmas, scheduler.sigmas.numpy())
    assert sigmas[-2] == pytest.approx(0.02, abs=1e-6)


def test_one_step_of_a_stretched_schedule_goes_from_noise_to_the_picture():
    np.testing.assert_array_equal(Schedule.from_config(QWEN).sigmas(1, 1024), [1, 0])


@given(st.integers(1, 100), st.integers(1, 20_000))
def test_the_shift_of_flux2_is_by_tokens_and_steps_as_its_pipelines_have_it(steps, tokens):
    mu = compute_empirical_mu(tokens, steps)
    scheduler = diffusers_schedule(SCHEDULER, steps, tokens, mu)
    schedule = Schedule.from_config(SCHEDULER, by_tokens_and_steps)
    np.testing.assert_array_equal(schedule.sigmas(steps, tokens), scheduler.sigmas.numpy())


def test_what_diffusers_itself_saves_is_read(tmp_path):
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(dict(SCHEDULER))
    assert Schedule.from_config(dict(scheduler.config)) == FLUX
    assert Schedule.from_config(dict(FlowMatchEulerDiscreteScheduler().config)) == Schedule()


@given(st.integers(1, 100), st.floats(0, 1, exclude_min=True))
def test_the_first_step_is_that_of_image_to_image(steps, strength):
    scheduler = diffusers_schedule(SCHEDULER, steps, 256)
    pipeline = FluxFillPipeline.__new__(FluxFillPipeline)
    object.__setattr__(pipeline, "scheduler", scheduler)
    timesteps, left = pipeline.get_timesteps(steps, strength, "cpu")
    if left < 1:
        with pytest.raises(PawfectError, match="strength"):
            first_step(steps, strength)
        return
    assert first_step(steps, strength) == steps - left == steps - len(timesteps)


def visited(at: int, steps: int, left: int) -> list[int]:
    """Return the levels from one on, where this step and `left` more are taken."""
    levels = [at]
    for still in range(left, -1, -1):
        levels.append(next_level(levels[-1], steps, still))
    return levels


@given(st.integers(1, 100), st.data())
def test_fewer_steps_are_spread_evenly_over_the_schedules_own_levels(steps, data):
    at = data.draw(st.integers(0, steps - 1))
    left = data.draw(st.integers(0, steps - at - 1))
    levels = visited(at, steps, left)
    assert (levels[0], levels[-1], len(levels)) == (at, steps, left + 2)
    gaps = np.diff(levels)
    even = (steps - at) / (left + 1)
    assert set(gaps) <= {int(even), int(np.ceil(even))}
    sigmas = FLUX.sigmas(steps, 256)[levels]
    assert (np.diff(sigmas) < 0).all()
    assert sigmas[-1] == 0


@given(st.integers(1, 100), st.integers(0, 99))
def test_with_all_steps_left_each_next_level_follows(steps, at):
    at = min(at, steps - 1)
    assert visited(at, steps, steps - at - 1) == list(range(at, steps + 1))


@given(st.integers(1, 25), st.integers(1, 4), st.integers(1, 20_000))
def test_from_the_start_the_levels_are_those_of_the_shorter_schedule(fewer, times, tokens):
    levels = visited(0, fewer * times, fewer - 1)
    np.testing.assert_allclose(
        FLUX.sigmas(fewer * times, tokens)[levels], FLUX.sigmas(fewer, tokens), rtol=1e-6
    )


def test_with_no_step_left_one_euler_step_ends_at_the_estimate():
    rng = np.random.default_rng(7)
    latents, velocity = (rng.standard_normal((6, 64), np.float32) for _ in range(2))
    sigmas = FLUX.sigmas(28, 6)
    at = 9
    ended = euler(latents, velocity, sigmas[at], sigmas[next_level(at, 28, 0)])
    np.testing.assert_allclose(ended, latents - sigmas[at] * velocity, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("strength", [0.2, 0.61, 1.0])
def test_a_run_from_noised_prior_to_end_equals_diffusers_bit_by_bit(strength):
    rng = np.random.default_rng(3)
    prior, noise = (rng.standard_normal((24, 64), np.float32) for _ in range(2))
    scheduler = diffusers_schedule(SCHEDULER, 7, 24)
    sigmas, begin = FLUX.sigmas(7, 24), first_step(7, strength)
    scheduler.set_begin_index(begin)
    start = scheduler.timesteps[begin : begin + 1]
    ours = noised(prior, noise, sigmas[begin])
    theirs = scheduler.scale_noise(torch.tensor(prior)[None], start, torch.tensor(noise)[None])
    np.testing.assert_array_equal(ours, theirs[0].numpy())
    for step in range(begin, 7):
        velocity = rng.standard_normal((24, 64), np.float32)
        ours = euler(ours, velocity, sigmas[step], sigmas[step + 1])
        theirs = scheduler.step(
            torch.tensor(velocity)[None], scheduler.timesteps[step], theirs, return_dict=False
        )[0]
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs[0].numpy())


def test_a_velocity_that_overflowed_is_refused():
    velocity = np.zeros((4, 64), np.float32)
    velocity[1, 2:4] = np.nan, np.inf
    assert "2 that are not" in refusal(
        ErrorKind.INTERNAL, euler, np.zeros((4, 64), np.float32), velocity, 1.0, 0.5
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"_class_name": "DDIMScheduler"}, "got DDIMScheduler"),
        ({"use_karras_sigmas": True}, "use_karras_sigmas: expected False"),
        ({"shift_terminal": "0.02"}, "shift_terminal: expected a float"),
        ({"time_shift_type": "linear"}, "expected exponential, got 'linear'"),
        ({"sigma_data": 0.5}, "got sigma_data"),
        ({"use_dynamic_shifting": "false"}, "expected a bool, got 'false'"),
        ({"shift": True}, "shift: expected a float"),
        ({"shift": float("nan")}, "shift: expected a float"),
        ({"num_train_timesteps": 0}, "num_train_timesteps: expected a int"),
        ({"max_image_seq_len": 256}, "expected another"),
    ],
)
def test_a_config_that_would_not_be_honoured_is_unavailable(change, says):
    assert says in refusal(ErrorKind.UNAVAILABLE, Schedule.from_config, {**SCHEDULER, **change})


@pytest.mark.parametrize(
    "call",
    [
        lambda: FLUX.sigmas(0, 256),
        lambda: FLUX.sigmas(8, 0),
        lambda: first_step(0, 1.0),
        lambda: first_step(8, 0.0),
        lambda: first_step(8, 1.1),
        lambda: first_step(8, float("nan")),
    ],
)
def test_impossible_runs_are_refused(call):
    assert "expected" in refusal(ErrorKind.INVALID_ARG, call)


def test_the_orchestrators_parts_import_no_torch():
    modules = "pawfect.diffusion.schedule, pawfect.diffusion.preview, pawfect.diffusion.tokens, sys"
    check = f"import {modules}; assert not {{'torch', 'diffusers'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
