"""A chain failing at each of its models: patches instead, or the error where it was insisted on."""

from __future__ import annotations

import asyncio
import gc
import warnings

import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.local import LocalModels, inpaint_local
from pawfect.profile import load_profile
from tests.lawn import holes, lawn
from tests.pawfect.conftest import ALL_CHAINS, TinyChain
from tests.pawfect.orchestrator.conftest import HOLE, SMALL, late, raising

# Each model of the chain, and the call at which it fails.
PLACES = {"text_encoder": 1, "vae_encoder": 1, "transformer": 3, "vae_decoder": 1}
DOWN = (
    ErrorKind.UNAVAILABLE,
    ErrorKind.QUEUE_FULL,
    ErrorKind.MODEL_DOWN,
    ErrorKind.DEADLINE,
    ErrorKind.INTERNAL,
)
# What is the request's own doing is no failure of the chain.
THE_CALLERS = (ErrorKind.CANCELLED, ErrorKind.INVALID_ARG)
EACH = [
    *((model, ErrorKind.UNAVAILABLE) for model in PLACES),
    *(("transformer", kind) for kind in DOWN[1:]),
]


def failing(chain: TinyChain, part: str, kind: ErrorKind, message: str = "out of memory"):
    # A later step that is late is done without; the first cannot be.
    at = 1 if kind is ErrorKind.DEADLINE else PLACES[part]
    model = getattr(chain, part)
    return {model: raising(PawfectError(kind, f"{model}: {message}"), at)}


@pytest.fixture(scope="module")
def floor() -> np.ndarray:
    """What the patch engine makes of it, without any neural model."""
    return inpaint_local(SMALL, HOLE, profile=load_profile("embedded"), dilate_px=0).image


@pytest.mark.parametrize("chain", ALL_CHAINS, indirect=True)
@pytest.mark.parametrize(("part", "kind"), EACH)
def test_where_a_chain_fails_the_patches_are_the_answer_or_its_error_where_it_is_insisted_on(
    fill, chain, floor, part, kind
):
    name, model = chain.name, getattr(chain, part)
    run = fill(SMALL, HOLE, before=failing(chain, part, kind))
    np.testing.assert_array_equal(run.image, floor)
    (fallback,) = run.report.fallbacks
    assert (fallback.stage, fallback.instead) == (name, "patch")
    assert fallback.reason == f"{kind.value}: {model}: out of memory"
    assert run.report.engine == "patch"
    assert run.report.engine_reason == f"{name} failed: {fallback.reason}"
    assert [window.method for window in run.report.windows] != [name]
    assert (run.report.labels, run.report.labels_source) == (("grass",), "request")
    insisted = fill(SMALL, HOLE, engine=name, before=failing(chain, part, kind))
    assert insisted.error.kind is kind
    assert str(insisted.error) == fallback.reason
    assert insisted.calls(chain.transformer) <= PLACES["transformer"]


@pytest.mark.parametrize("chain", ALL_CHAINS, indirect=True)
@pytest.mark.parametrize("insists", [False, True])
@pytest.mark.parametrize("kind", THE_CALLERS)
@pytest.mark.parametrize("part", ["text_encoder", "transformer"])
def test_what_the_caller_did_is_never_swallowed(fill, chain, insists, kind, part):
    engine = chain.name if insists else "auto"
    run = fill(SMALL, HOLE, engine=engine, before=failing(chain, part, kind))
    assert run.error.kind is kind


@pytest.mark.parametrize("chain", ALL_CHAINS, indirect=True)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_velocity_that_is_not_finite_is_a_failure_of_the_chain(fill, chain, floor, value):
    def broken(outputs, count):
        velocity = outputs["VELOCITY"].copy()
        velocity[5, 7] = value if count == 3 else velocity[5, 7]
        return outputs | {"VELOCITY": velocity}

    after = {chain.transformer: broken}
    run = fill(SMALL, HOLE, after=after)
    np.testing.assert_array_equal(run.image, floor)
    assert run.fallbacks == [(chain.name, "patch")]
    assert "expected finite values, got 1 that are not" in run.report.fallbacks[0].reason
    insisted = fill(SMALL, HOLE, engine=chain.name, after=after)
    assert insisted.error.kind is ErrorKind.INTERNAL


def test_what_was_known_before_flux_failed_is_in_the_report(fill, chain):
    down = failing(chain, "vae_decoder", ErrorKind.MODEL_DOWN)
    run = fill(SMALL, HOLE, scene_labels=(), before=down)
    assert run.report.labels_source == "sam3"
    assert run.report.labels
    assert run.report.prompt_source == "labels"


NO_FLOOR = {"patch_fill": raising(PawfectError(ErrorKind.MODEL_DOWN, "patch_fill died"))}


def test_flux_needs_no_floor_and_starts_from_noise_where_there_is_no_prior(fill):
    alone = fill(SMALL, HOLE, engine="flux")
    for engine in ("auto", "flux"):
        run = fill(SMALL, HOLE, engine=engine, before=NO_FLOOR)
        assert run.report.engine == "flux"
        np.testing.assert_array_equal(run.image, alone.image)
    run = fill(SMALL, HOLE, strength=0.5, before=NO_FLOOR)
    assert run.fallbacks == [("patch_fill", "strength 1")]
    assert "patch_fill died" in run.report.fallbacks[0].reason
    np.testing.assert_array_equal(run.image, alone.image)


@pytest.mark.parametrize("chain", ["klein", "edit"], indirect=True)
def test_a_chain_that_starts_from_the_floor_is_nothing_without_it(fill, chain):
    for engine in ("auto", chain.name):
        run = fill(SMALL, HOLE, engine=engine, before=NO_FLOOR)
        assert str(run.error) == "PAWFECT_MODEL_DOWN: patch_fill died"
        assert run.calls(chain.transformer) == 0


@pytest.mark.parametrize("chain", ALL_CHAINS, indirect=True)
def test_where_both_fail_the_error_of_the_patches_is_the_answer(fill, chain):
    broken = NO_FLOOR | failing(chain, "vae_encoder", ErrorKind.UNAVAILABLE)
    run = fill(SMALL, HOLE, before=broken)
    assert str(run.error) == "PAWFECT_MODEL_DOWN: patch_fill died"


@pytest.mark.parametrize("chain", ALL_CHAINS, indirect=True)
def test_one_failing_canvas_of_several_ends_the_others(fill, chain):
    photo, mask = lawn(96, 400), holes(96, 400, (20, 40, 36, 56), (360, 40, 376, 56))
    run = fill(photo, mask, steps=50, before=failing(chain, "transformer", ErrorKind.MODEL_DOWN))
    assert len(run.report.windows) == 2
    assert run.fallbacks == [(chain.name, "patch")]
    # Three calls and the other canvas's that was under way.
    assert run.calls(chain.transformer) <= 4
    assert run.calls(chain.vae_decoder) == 0


@pytest.mark.parametrize("boom", [MemoryError(), ValueError("/secret/path")])
def test_a_models_own_exception_is_a_failure_like_any_other(boom):
    def broken(inputs, parameters, stop):
        raise boom

    models = LocalModels()
    models._loaded["flux_vae_encoder"] = broken
    kind = ErrorKind.OUT_OF_MEMORY if isinstance(boom, MemoryError) else ErrorKind.INTERNAL
    with pytest.raises(PawfectError) as caught:
        asyncio.run(models("flux_vae_encoder", {}, {}))
    assert caught.value.kind is kind
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is boom


@pytest.mark.parametrize("chain", ALL_CHAINS, indirect=True)
def test_no_failure_leaves_anything_behind_in_asyncios_debug_mode(fill, chain, monkeypatch):
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for engine in ("auto", chain.name):
            fill(
                SMALL, HOLE, engine=engine,
                before=failing(chain, "vae_encoder", ErrorKind.MODEL_DOWN)
                | {chain.text_encoder: late(0.2)},
            )  # fmt: skip
        gc.collect()
