"""Too little time or memory while a chain works: less of it, or none, and the report says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.settings import CheckSettings
from tests.lawn import holes, lawn
from tests.pawfect.conftest import ALL_CHAINS
from tests.pawfect.orchestrator.cards import card, with_chain
from tests.pawfect.orchestrator.conftest import HOLE, SMALL, late, raising

FULL = PawfectError(ErrorKind.OUT_OF_MEMORY, "transformer: out of memory")
# A hole that takes the larger of the two sizes where it may.
PHOTO, MASK = lawn(240, 240), holes(240, 240, (110, 110, 130, 130))


@pytest.mark.parametrize("chain", ALL_CHAINS, indirect=True)
@pytest.mark.parametrize("insists", [False, True])
def test_slow_steps_become_fewer_and_the_picture_is_finished_in_time(fill, chain, insists):
    asked = {"engine": chain.name if insists else "auto", "steps": 50, "strength": 1.0}
    slow = {chain.transformer: late(0.5)}
    run = fill(SMALL, HOLE, deadline_ms=10_000, before=slow, **asked)
    report = run.report
    assert (report.engine, report.steps) == (chain.name, 50)
    assert 4 <= report.steps_taken < 20
    # The last one may have taken too long to be waited for.
    assert run.calls(chain.transformer) - report.steps_taken in (0, 1)
    assert run.fallbacks == [(chain.transformer, "fewer steps")]
    assert report.fallbacks[0].reason == f"late: {report.steps_taken} steps instead of 50"
    assert report.total_ms < 10_000
    hole = run.filled.clean_mask > 0
    assert (run.image[hole] != SMALL[hole]).any()
    assert report.predicted_ms < 10_000
    # The timesteps are some of the whole schedule's.
    whole = fill(SMALL, HOLE, **asked).models.steps
    known = {float(inputs["TIMESTEP"][0]) for inputs in whole}
    assert {float(inputs["TIMESTEP"][0]) for inputs in run.models.steps} < known


def test_in_time_the_end_is_foreseen_and_all_steps_are_taken(fill, chain):
    run = fill(SMALL, HOLE, steps=8, before={chain.transformer: late(0.5)})
    assert (run.report.steps, run.report.steps_taken, run.report.fallbacks) == (8, 8, ())
    # What the tiny profile's card takes, without what holds this one's steps up.
    assert run.report.quality == 0
    assert 0 < run.report.expected_ms < run.report.total_ms
    # How near is a matter of steady steps, which a busy machine does not have: see test_pace.
    assert 0.5 < run.report.predicted_ms / run.report.total_ms < 2


@pytest.mark.parametrize("chain", ALL_CHAINS, indirect=True)
@pytest.mark.parametrize("insists", [False, True])
def test_a_step_that_hangs_late_in_the_run_is_done_without(fill, chain, insists):
    run = fill(
        SMALL, HOLE, engine=chain.name if insists else "auto", steps=8, strength=1.0,
        deadline_ms=8000, before={chain.transformer: late(60, at=6)},
    )  # fmt: skip
    assert (run.report.engine, run.report.steps_taken) == (chain.name, 5)
    assert run.fallbacks == [(chain.transformer, "fewer steps")]


@pytest.mark.parametrize("chain", ALL_CHAINS, indirect=True)
def test_too_few_steps_are_worth_less_than_patches_but_more_than_an_error(fill, chain):
    hung = {chain.transformer: late(60, at=3)}
    asked = {"steps": 8, "strength": 1.0, "deadline_ms": 6000, "before": hung}
    run = fill(SMALL, HOLE, **asked)
    assert run.report.engine == "patch"
    assert run.fallbacks == [(chain.name, "patch")]
    assert "expected time for at least 4 of 8 steps" in run.report.fallbacks[0].reason
    insisted = fill(SMALL, HOLE, engine=chain.name, **asked)
    assert (insisted.report.engine, insisted.report.steps_taken) == (chain.name, 2)


@pytest.fixture
def planned(fill, tiny_deployment):
    """Run with a card's costs, by which the plan is made."""

    def run(speed: float, photo=PHOTO, mask=MASK, **asked):
        return fill(photo, mask, deployment=with_chain(tiny_deployment, costs=card(speed)), **asked)

    return run


def test_where_time_is_enough_the_best_plan_is_the_request_itself(planned, fill):
    run, plain = planned(100, engine="flux"), fill(PHOTO, MASK, engine="flux")
    assert (run.report.quality, run.report.fallbacks) == (0, ())
    assert run.report.expected_ms > 0
    np.testing.assert_array_equal(run.image, plain.image)


def test_the_size_gives_way_before_steps_that_the_request_names(planned):
    # On that card 256 px take 65 s of the deadline, 128 px 17.
    run = planned(2.5, engine="flux", steps=40, deadline_ms=40_000)
    (window,) = run.report.windows
    assert window.working_px == 128
    assert (run.report.quality, run.report.steps, run.report.steps_taken) == (1, 40, 40)
    assert run.report.expected_ms <= 0.85 * 40_000
    assert run.fallbacks == [("plan", "128 px")]
    reason = "deadline_ms: 40000 ms are too few for 256 px and 40 steps"
    assert run.report.fallbacks[0].reason == reason


def test_the_profiles_steps_give_way_before_the_size(fill, tiny, tiny_deployment):
    many = replace(tiny.flux, steps=40)
    deployment = with_chain(tiny_deployment, settings=many, costs=card(2.5))
    run = fill(PHOTO, MASK, deployment=deployment, engine="flux", steps=None, deadline_ms=60_000)
    assert (run.report.quality, run.report.steps) == (1, 30)
    assert run.fallbacks == [("plan", "fewer steps")]
    (window,) = run.report.windows
    assert window.working_px == 256


def test_where_no_plan_fits_patches_answer_without_a_try(planned, fill):
    run = planned(0.01, deadline_ms=20_000)
    assert run.calls("flux_vae_encoder") == 0
    assert run.report.engine == "patch"
    assert run.fallbacks == [("flux", "patch")]
    assert run.report.total_ms < 20_000
    np.testing.assert_array_equal(run.image, fill(PHOTO, MASK, engine="patch").image)


def test_where_no_plan_fits_and_flux_is_insisted_on_the_error_says_what_would_be_needed(planned):
    run = planned(0.01, engine="flux", deadline_ms=20_000)
    assert run.error.kind is ErrorKind.DEADLINE
    assert run.error.message.startswith("deadline_ms: expected at least ")
    assert run.error.message.endswith(
        "for FLUX.1-Fill at its least, 128 px and 3 steps, got 20000 ms"
    )
    assert run.models.called == ["onnx_networks", "mask_cleanup"]


@pytest.mark.parametrize("engine", ["auto", "flux", "patch"])
def test_a_deadline_of_a_millisecond_is_an_error_that_says_so(fill, engine):
    slow = {} if engine == "flux" else {"mask_cleanup": late(0.01)}
    run = fill(SMALL, HOLE, engine=engine, deadline_ms=1, before=slow)
    assert run.error.kind is ErrorKind.DEADLINE
    # By FLUX's plan where it is asked for by name, else by the clock.
    expected = "at least " if engine == "flux" else "an answer within 1 ms, got "
    assert run.error.message.startswith(f"deadline_ms: expected {expected}")


@pytest.mark.parametrize("chain", ALL_CHAINS, indirect=True)
@pytest.mark.parametrize("part", ["vae_encoder", "transformer", "vae_decoder"])
def test_out_of_memory_the_run_is_tried_once_at_the_next_smaller_size(fill, chain, part):
    run = fill(PHOTO, MASK, before={getattr(chain, part): raising(FULL, last=1)}, seed=3)
    assert run.report.engine == chain.name
    assert run.fallbacks == [(chain.name, "128 px")]
    assert run.report.fallbacks[0].reason == str(FULL)
    (window,) = run.report.windows
    assert window.working_px == 128
    # One that looks at the canvas looks at the smaller one anew, for both prompts.
    assert run.calls(chain.text_encoder) in ((2, 4) if chain.name == "edit" else (1,))


@pytest.mark.parametrize("chain", ALL_CHAINS, indirect=True)
def test_out_of_memory_at_every_size_patches_are_the_answer(fill, chain):
    full = {chain.transformer: raising(FULL)}
    run = fill(PHOTO, MASK, before=full)
    assert run.fallbacks == [(chain.name, "128 px"), (chain.name, "patch")]
    assert run.calls(chain.transformer) == 2
    np.testing.assert_array_equal(run.image, fill(PHOTO, MASK, engine="patch").image)
    insisted = fill(PHOTO, MASK, engine=chain.name, before=full)
    assert insisted.error.kind is ErrorKind.OUT_OF_MEMORY


@pytest.mark.parametrize("chain", ["flux", "klein"], indirect=True)
def test_a_text_encoder_out_of_memory_is_not_helped_by_a_smaller_size(fill, chain):
    run = fill(PHOTO, MASK, before={chain.text_encoder: raising(FULL)})
    assert run.fallbacks == [(chain.name, "patch")]
    assert run.calls(chain.text_encoder) == 1


def test_a_second_seed_that_fails_leaves_who_insists_the_first_fill(fill, tiny, tiny_deployment):
    strict = replace(tiny, check=CheckSettings(seam_step=0.0, strange_coverage=0.2))
    glaring = {"match_colour": False, "feather_px": 0, "engine": "flux"}
    down = {"flux_vae_decoder": raising(PawfectError(ErrorKind.MODEL_DOWN, "died"), at=2)}
    run = fill(
        SMALL, HOLE, deployment=replace(tiny_deployment, profile=strict), before=down, **glaring
    )
    assert run.fallbacks == [("check", "a second seed"), ("check", "the first fill")]
    assert run.report.windows[0].seed == 0
    np.testing.assert_array_equal(run.image, fill(SMALL, HOLE, **glaring).image)


@pytest.mark.parametrize("chain", ALL_CHAINS, indirect=True)
def test_steps_so_slow_that_too_few_fit_leave_the_patches(fill, chain):
    floor = fill(SMALL, HOLE, engine="patch").image
    # Four steps of four seconds are more than twelve.
    slow = {chain.transformer: late(4.0)}
    run = fill(SMALL, HOLE, steps=50, strength=1.0, deadline_ms=12_000, before=slow)
    np.testing.assert_array_equal(run.image, floor)
    assert run.calls(chain.transformer) <= 3
    (fallback,) = run.report.fallbacks
    assert (fallback.stage, fallback.instead) == (chain.name, "patch")
    assert "at least 4 of 50 steps" in fallback.reason
    assert run.report.total_ms < 12_000


@pytest.mark.parametrize("chain", ALL_CHAINS, indirect=True)
@pytest.mark.parametrize("part", ["vae_encoder", "transformer"])
def test_a_model_that_hangs_costs_its_chain_and_not_the_deadline(fill, chain, part):
    model = getattr(chain, part)
    run = fill(SMALL, HOLE, deadline_ms=5000, before={model: late(60)})
    assert run.report.engine == "patch"
    assert run.fallbacks == [(chain.name, "patch")]
    assert "expected an answer within 4800 ms" in run.report.fallbacks[0].reason
    assert run.report.total_ms < 5000
    insisted = fill(SMALL, HOLE, engine=chain.name, deadline_ms=1500, before={model: late(60)})
    assert insisted.error.kind is ErrorKind.DEADLINE
    assert "within 1500 ms" in insisted.error.message


@pytest.mark.parametrize("chain", ["flux", "klein", "edit"], indirect=True)
@pytest.mark.parametrize("insists", [False, True])
def test_cancelling_stops_the_denoising_within_one_step(fill, chain, insists):
    run = fill(
        SMALL, HOLE, engine=chain.name if insists else "auto", steps=50,
        before={chain.transformer: late(0.3)},
        cancelled=lambda models: models.called.count(chain.transformer) >= 4,
    )  # fmt: skip
    assert run.error.kind is ErrorKind.CANCELLED
    assert run.calls(chain.transformer) == 4
    assert run.calls(chain.vae_decoder) == 0


@pytest.mark.parametrize("chain", ALL_CHAINS, indirect=True)
@pytest.mark.parametrize("part", ["floor", "vae_encoder", "text_encoder", "vae_decoder"])
def test_cancelling_ends_whatever_goes_on(fill, chain, part):
    model = "patch_fill" if part == "floor" else getattr(chain, part)
    run = fill(
        SMALL, HOLE, strength=0.5, before={model: late(60)},
        cancelled=lambda models: model in models.called,
    )  # fmt: skip
    assert run.error.kind is ErrorKind.CANCELLED


@pytest.mark.parametrize("chain", ALL_CHAINS, indirect=True)
def test_what_the_text_encoder_left_out_of_the_prompt_is_in_the_report(fill, chain):
    def cut(outputs, count):
        return {**outputs, "CUT": np.array([3], np.int32)}

    run = fill(SMALL, HOLE, after={chain.text_encoder: cut}, steps=1)
    assert run.report.prompt_cut == 3


@pytest.mark.parametrize("chain", ["edit"], indirect=True)
def test_the_plan_counts_the_text_of_what_is_not_wanted_where_it_is_read(fill, chain):
    costly = with_chain(chain.deployment, "edit", costs=card(25, text_ms=700))
    runs = [fill(SMALL, HOLE, deployment=costly, steps=1, guidance_scale=scale) for scale in (1, 4)]
    assert [run.calls(chain.text_encoder) for run in runs] == [1, 2]
    without, guided = (run.report.expected_ms for run in runs)
    assert guided - without == pytest.approx(700, abs=0.1)
