"""RUN and STEPS: every step says whose it is and what follows; what was kept is forgotten."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from tests.pawfect.orchestrator.cards import card
from tests.pawfect.orchestrator.conftest import HOLE, SMALL, holes, late, lawn, raising


def runs(run) -> set[int]:
    return {int(inputs["RUN"][0]) for inputs in run.models.steps}


def test_each_step_names_its_run_the_schedule_and_what_is_left(fill):
    run = fill(SMALL, HOLE, engine="flux", steps=3, seed=5)
    for inputs in run.models.steps:
        assert (inputs["RUN"].dtype, inputs["RUN"].shape) == (np.int64, (1,))
        assert (inputs["STEPS"].dtype, inputs["STEPS"].shape) == (np.int32, (2,))
    assert [inputs["STEPS"].tolist() for inputs in run.models.steps] == [[3, 2], [3, 1], [3, 0]]
    assert len(runs(run)) == 1
    # The last step freed what was kept: there is nothing to forget.
    assert run.models.forgotten == []
    # Not the seed, nor anything that follows from it.
    assert runs(run).isdisjoint(runs(fill(SMALL, HOLE, engine="flux", steps=3, seed=5)))


def test_from_a_prior_the_steps_left_are_those_that_run(fill):
    run = fill(SMALL, HOLE, engine="flux", steps=10, strength=0.3)
    assert [inputs["STEPS"].tolist() for inputs in run.models.steps] == [[10, 2], [10, 1], [10, 0]]


def test_each_canvas_is_a_run_of_its_own(fill):
    photo, mask = lawn(96, 400), holes(96, 400, (20, 40, 36, 56), (360, 40, 376, 56))
    run = fill(photo, mask, engine="flux", steps=2)
    assert len(run.report.windows) == len(runs(run)) == 2


@pytest.mark.parametrize(
    "kind", [ErrorKind.MODEL_DOWN, ErrorKind.OUT_OF_MEMORY, ErrorKind.INTERNAL]
)
def test_after_a_failure_the_run_is_forgotten_by_one_small_call(fill, kind):
    down = {"flux_transformer": raising(PawfectError(kind, "down"), at=2)}
    run = fill(SMALL, HOLE, steps=4, before=down)
    assert run.report.engine == "patch"
    (forgotten,) = run.models.forgotten
    assert runs(run) == {int(forgotten["RUN"][0])}
    assert forgotten["STEPS"].tolist() == [4, -1]
    assert sum(array.nbytes for array in forgotten.values()) < 5000
    step = run.models.steps[0]
    assert set(forgotten) == set(step)
    for name, array in forgotten.items():
        assert array.dtype == step[name].dtype
        assert array.shape[1:] == step[name].shape[1:]


def test_after_cancelling_the_run_is_forgotten(fill):
    run = fill(
        SMALL, HOLE, steps=50, before={"flux_transformer": late(0.2)},
        cancelled=lambda models: len(models.steps) >= 3,
    )  # fmt: skip
    assert run.error is not None
    assert run.error.kind is ErrorKind.CANCELLED
    (forgotten,) = run.models.forgotten
    assert runs(run) == {int(forgotten["RUN"][0])}


def test_where_nothing_was_begun_there_is_nothing_to_forget(fill):
    down = {"flux_vae_encoder": raising(PawfectError(ErrorKind.MODEL_DOWN, "down"))}
    run = fill(SMALL, HOLE, before=down)
    assert run.models.forgotten == run.models.steps == []


@pytest.mark.parametrize(("deadline", "named"), [(600_000, False), (35_000, True)])
def test_a_plan_without_reuse_keeps_the_run_to_itself(fill, tiny, tiny_setup, deadline, named):
    cached = replace(tiny.flux, step_cache="first_block", step_cache_threshold=0.1, steps=40)
    setup = replace(
        tiny_setup,
        profile=replace(tiny, flux=cached),
        costs=card(1, labels_ms=0, text_ms=0),
    )
    run = fill(SMALL, HOLE, setup=setup, engine="flux", steps=None, deadline_ms=deadline)
    assert run.report.steps == 40
    assert {("RUN" in inputs) for inputs in run.models.steps} == {named}
