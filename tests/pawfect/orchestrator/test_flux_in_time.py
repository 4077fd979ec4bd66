"""The deadline and cancellation while FLUX works."""

from __future__ import annotations

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.orchestrator import Control
from tests.pawfect.orchestrator.conftest import HOLE, SMALL, late


def test_steps_so_slow_that_too_few_fit_leave_the_patches(fill):
    floor = fill(SMALL, HOLE, engine="patch").image
    # Four steps of four seconds are more than twelve.
    slow = {"flux_transformer": late(4.0)}
    run = fill(SMALL, HOLE, steps=50, deadline_ms=12_000, before=slow)
    np.testing.assert_array_equal(run.image, floor)
    assert run.calls("flux_transformer") <= 3
    (fallback,) = run.report.fallbacks
    assert (fallback.stage, fallback.instead) == ("flux", "patch")
    assert "at least 4 of 50 steps" in fallback.reason
    assert run.report.total_ms < 12_000


@pytest.mark.parametrize("model", ["flux_vae_encoder", "flux_transformer"])
def test_a_model_that_hangs_costs_flux_and_not_the_deadline(fill, model):
    run = fill(SMALL, HOLE, deadline_ms=5000, before={model: late(60)})
    assert run.report.engine == "patch"
    assert run.fallbacks == [("flux", "patch")]
    assert "expected an answer within 4800 ms" in run.report.fallbacks[0].reason
    assert run.report.total_ms < 5000
    insisted = fill(SMALL, HOLE, engine="flux", deadline_ms=1500, before={model: late(60)})
    assert insisted.error.kind is ErrorKind.DEADLINE
    assert "within 1500 ms" in insisted.error.message


@pytest.mark.parametrize("engine", ["auto", "flux"])
def test_cancelling_stops_the_denoising_within_one_step(fill, engine):
    run = fill(
        SMALL, HOLE, engine=engine, steps=50,
        before={"flux_transformer": late(0.3)},
        cancelled=lambda models: models.called.count("flux_transformer") >= 4,
    )  # fmt: skip
    assert run.error.kind is ErrorKind.CANCELLED
    assert run.calls("flux_transformer") == 4
    assert run.calls("flux_vae_decoder") == 0


@pytest.mark.parametrize(
    "model", ["patch_fill", "flux_vae_encoder", "flux_text_encoder", "flux_vae_decoder"]
)
def test_cancelling_ends_whatever_goes_on(fill, model):
    run = fill(
        SMALL, HOLE, strength=0.5, before={model: late(60)},
        cancelled=lambda models: model in models.called,
    )  # fmt: skip
    assert run.error.kind is ErrorKind.CANCELLED


def test_a_reserving_clock_ends_early_and_shares_the_rest():
    cancelled = False
    control = Control(10_000, lambda: cancelled)
    early = control.reserving(4000).reserving(1000)
    assert early.started == control.started
    assert 4000 < control.remaining_ms() - early.remaining_ms() < 5001
    with early.stage("denoise"):
        pass
    assert "denoise" in control.stage_ms
    late_clock = control.reserving(11_000)
    control.check("x")
    for clock, kind in ((late_clock, ErrorKind.DEADLINE), (early, ErrorKind.CANCELLED)):
        cancelled = kind is ErrorKind.CANCELLED
        with pytest.raises(Exception, match=kind.value):
            clock.check("x")
