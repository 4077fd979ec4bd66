"""The check of a fill: a second seed, then patches; what fails is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.texts import text_tensor
from pawfect.orchestrator import budget
from pawfect.scores.seam import seam_step
from pawfect.settings import CheckSettings
from tests.pawfect.conftest import ALL_CHAINS
from tests.pawfect.orchestrator.conftest import HOLE, SMALL, late, raising

# What random weights paint is far from the photo where its tone is not fitted.
GLARING = {"match_colour": False, "feather_px": 0}
STRICT = CheckSettings(seam_step=0.0, strange_coverage=0.2)
LENIENT = CheckSettings(seam_step=1000.0, strange_coverage=0.2)


@pytest.fixture
def checked(fill, chain):
    def run(check: CheckSettings, **asked):
        profile = replace(chain.profile, check=check)
        deployment = replace(chain.deployment, profile=profile)
        return fill(SMALL, HOLE, deployment=deployment, **asked)

    return run


def seeing(*answers: str):
    """SAM3 sees these surfaces, one at each call, the last ever after."""

    def after(outputs, count):
        name = answers[min(count, len(answers)) - 1]
        one = np.ones(1, np.float32)
        return {"LABELS": text_tensor(name), "SCORES": one, "COVERAGE": one}

    return {"sam3_labeling": after}


@pytest.mark.parametrize("chain", ALL_CHAINS, indirect=True)
def test_a_fill_that_passes_leaves_as_it_is(checked, fill, chain):
    run = checked(LENIENT, after=seeing("grass"))
    assert (run.report.engine, run.report.check, run.report.fallbacks) == (chain.name, "passed", ())
    assert run.report.stage_ms["check"] >= 0
    np.testing.assert_array_equal(run.image, fill(SMALL, HOLE, engine=chain.name).image)


@pytest.mark.parametrize("chain", ALL_CHAINS, indirect=True)
def test_a_glaring_seam_costs_a_second_seed_and_then_the_patches(checked, fill, chain):
    run = checked(STRICT, seed=3, **GLARING)
    assert run.fallbacks == [("check", "a second seed"), ("check", "patch")]
    for fallback in run.report.fallbacks:
        assert fallback.reason.startswith("seam step ")
    assert run.calls(chain.vae_encoder) == 2
    assert run.report.engine == "patch"
    assert run.report.check == run.report.fallbacks[1].reason
    assert run.report.engine_reason == f"{chain.name}: {run.report.check}"
    np.testing.assert_array_equal(run.image, fill(SMALL, HOLE, engine="patch", seed=3).image)


def test_where_flux_is_insisted_on_the_second_try_is_the_answer_and_the_report_says_so(
    checked, fill
):
    run = checked(STRICT, engine="flux", seed=3, **GLARING)
    assert run.fallbacks == [("check", "a second seed")]
    assert run.report.engine == "flux"
    assert run.report.check.startswith("seam step ")
    (window,) = run.report.windows
    assert (run.report.seed, window.seed) == (3, 4)
    again = fill(SMALL, HOLE, engine="flux", seed=4, **GLARING)
    np.testing.assert_array_equal(run.image, again.image)


def test_a_second_seed_that_passes_is_the_answer(checked, fill, chain):
    run = checked(LENIENT, seed=7, after=seeing("dog bed", "grass"))
    assert run.fallbacks == [("check", "a second seed")]
    assert run.report.fallbacks[0].reason == "the fill shows dog bed"
    assert (run.report.engine, run.report.check) == (chain.name, "passed")
    assert [window.seed for window in run.report.windows] == [8]
    np.testing.assert_array_equal(run.image, fill(SMALL, HOLE, engine=chain.name, seed=8).image)


def test_a_surface_that_its_surroundings_do_not_have_is_invented(checked):
    run = checked(LENIENT, after=seeing("sofa fabric"))
    assert run.fallbacks == [("check", "a second seed"), ("check", "patch")]
    assert run.report.check == "the fill shows sofa fabric"
    assert run.report.engine == "patch"


def test_without_time_for_a_second_seed_the_patches_follow_at_once(checked, monkeypatch):
    monkeypatch.setattr(budget, "SECOND_TRY", 1e9)
    run = checked(STRICT, **GLARING)
    assert run.fallbacks == [("check", "patch")]
    assert run.calls("flux_vae_encoder") == 1


def test_where_the_labels_inside_cannot_be_had_the_seam_decides_alone(checked):
    down = {"sam3_labeling": raising(PawfectError(ErrorKind.MODEL_DOWN, "sam3 died"))}
    run = checked(LENIENT, before=down)
    assert run.fallbacks == [("check", "seam only")]
    assert (run.report.engine, run.report.check) == ("flux", "passed")


def test_without_a_floor_a_fill_that_fails_the_check_is_still_an_answer(checked):
    down = {"patch_fill": raising(PawfectError(ErrorKind.MODEL_DOWN, "patch_fill died"))}
    run = checked(STRICT, before=down, **GLARING)
    assert run.report.engine == "flux"
    assert run.report.check.startswith("seam step ")
    assert [stage for stage, _ in run.fallbacks] == ["check", "patch_fill"]


@pytest.mark.parametrize("chain", ALL_CHAINS, indirect=True)
def test_a_second_try_that_fails_leaves_the_patches(checked, chain):
    down = {chain.vae_decoder: raising(PawfectError(ErrorKind.MODEL_DOWN, "died"), at=2)}
    run = checked(STRICT, before=down, **GLARING)
    assert run.fallbacks == [("check", "a second seed"), (chain.name, "patch")]
    assert run.report.engine == "patch"
    assert run.report.check is not None


def test_a_seam_that_passes_by_itself_waits_for_no_patches(checked):
    run = checked(LENIENT, before={"patch_fill": late(120)}, after=seeing("grass"))
    assert (run.report.engine, run.report.check) == ("flux", "passed")
    assert run.report.total_ms < 120_000


def test_a_seam_is_measured_against_that_of_the_patches(checked, monkeypatch):
    monkeypatch.setattr(budget, "SECOND_TRY", 1e9)
    run = checked(STRICT, engine="flux", **GLARING)
    assert run.report.check is not None
    allowed = float(run.report.check.split("at most ")[1])
    patched = checked(STRICT, engine="patch")
    assert allowed == round(seam_step(patched.image, patched.filled.clean_mask > 0), 1) > 0


def test_patches_that_are_late_are_not_measured_against(checked, monkeypatch):
    monkeypatch.setattr(budget, "SECOND_TRY", 1e9)
    # Most of the time is kept free, so that the check goes on early without them.
    monkeypatch.setattr(budget, "RESERVE_MS", 50_000.0)
    run = checked(
        STRICT, engine="flux", deadline_ms=52_000, before={"patch_fill": late(120)}, **GLARING
    )
    assert run.report.engine == "flux"
    assert run.report.check.endswith("expected at most 0.0")
