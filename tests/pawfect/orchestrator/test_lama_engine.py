"""The engine `lama`: by name, under `auto` beside patches, as FLUX's floor, and where it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import InpaintParams
from pawfect.local import LocalModels, inpaint_local
from pawfect.orchestrator import Control, Deployment, InpaintRequest, InpaintResult, inpaint
from pawfect.orchestrator.deployment import read_deployment
from pawfect.orchestrator.lama import WINDOW_MS
from pawfect.orchestrator.patch import estimate_ms
from pawfect.patch.engine import fill as fill_patches
from pawfect.picture.box import Box
from pawfect.picture.window import plan_windows, with_context
from pawfect.profile import Profile, load_profile
from pawfect.settings import LamaSettings
from pawfect.weights.lock import BUILT_HERE, now
from pawfect.weights.store import ROOT_VARIABLE, Store, locked_folder
from tests.lawn import holes
from tests.pawfect.lama import networks
from tests.pawfect.orchestrator.conftest import SMALL, raising
from tests.pawfect.patch.test_lead import bay, off
from tests.pawfect.patch.textures import hidden
from tests.refusals import refusal

ENTRY = "tiny-lama"
SIDE = 240
TRUTH = bay(SIDE)
EDGES = (60, 60, 180, 180)
MASK = holes(SIDE, SIDE, EDGES)
PHOTO = hidden(TRUTH, MASK)
Install = Callable[..., Profile]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a network into a weights' root, and return the embedded profile with it."""
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))

    def installed(write: Callable[..., Path], *given: Any, **settings: Any) -> Profile:
        write(tmp_path / ENTRY, *given)
        Store(tmp_path).lock.put(ENTRY, locked_folder(tmp_path / ENTRY, BUILT_HERE, now()))
        lama = replace(LamaSettings("cpu", 1, 96, 60_000), **settings)
        return replace(load_profile("embedded"), weights={"lama": ENTRY}, lama=lama)

    return installed


def answer(picture: np.ndarray) -> np.ndarray:
    """What a network that draws this photo gives of its one window, at 96 px."""
    part = picture[with_context(Box(*EDGES), SIDE, SIDE).slices]
    assert part.shape == (SIDE, SIDE, 3)
    return np.asarray(cv2.resize(part, (96, 96), interpolation=cv2.INTER_AREA))


class Counted:
    """The real models, counted; a test may do something before `lama_fill` works."""

    def __init__(self, profile: Profile, before: Any = None) -> None:
        self._models, self._before = LocalModels(profile), before
        self.called: list[str] = []

    async def __call__(self, model, inputs, parameters):
        self.called.append(model)
        if model == "lama_fill" and self._before is not None:
            await self._before(self.called.count(model))
        return await self._models(model, inputs, parameters)


def run(
    profile: Profile, photo=PHOTO, mask=MASK, *, calls: Counted | None = None, protect=None, **given
) -> InpaintResult:
    params = InpaintParams.parse({"dilate_px": 0, "deadline_ms": 60_000} | given)
    request = InpaintRequest(photo, mask, params, protect)
    deployment, control = read_deployment(profile), Control(params.deadline_ms)
    call = calls or Counted(profile)
    return asyncio.run(inpaint(request, deployment, call, control))


def plain(**given: Any) -> InpaintResult:
    """What patches alone make of it."""
    return inpaint_local(
        PHOTO, MASK, profile=load_profile("embedded"), engine="patch", dilate_px=0, **given
    )


def test_by_name_lama_fills_alone_and_the_report_says_so(install):
    profile = install(networks.knowing, answer(TRUTH))
    calls = Counted(profile)
    result = run(profile, engine="lama", seed=5, calls=calls)
    report = result.report
    assert (report.engine, report.engine_reason) == ("lama", "asked for")
    assert [window.method for window in report.windows] == ["lama"]
    assert list(report.weights) == ["lama"]
    assert report.weights["lama"].startswith("tiny-lama@")
    assert report.fallbacks == ()
    assert calls.called == ["mask_cleanup", "lama_fill"]
    assert "lama_fill" in report.stage_ms
    np.testing.assert_array_equal(result.image[MASK == 0], PHOTO[MASK == 0])
    assert off(result.image, TRUTH, MASK) < 0.6 * off(plain(seed=5).image, TRUTH, MASK)
    again = run(profile, engine="lama", seed=5)
    np.testing.assert_array_equal(again.image, result.image)


def test_under_auto_lama_is_taken_where_it_differs_and_shows_no_fault(install):
    profile = install(networks.knowing, answer(TRUTH))
    result = run(profile)
    assert result.report.engine == "lama"
    assert "LaMa differs" in result.report.engine_reason
    np.testing.assert_array_equal(result.image, run(profile, engine="lama").image)


def test_under_auto_patches_are_taken_where_lama_draws_the_same(install):
    # A network that draws what patches make of it anyway.
    profile = install(networks.knowing, answer(fill_patches(PHOTO, MASK).image))
    result = run(profile)
    assert result.report.engine == "patch"
    assert result.report.weights == {}
    assert result.report.fallbacks == ()
    assert "agree" in result.report.engine_reason
    np.testing.assert_array_equal(result.image, plain().image)


def test_under_auto_patches_are_taken_where_the_photo_has_nothing_of_the_drawing(install):
    result = run(install(networks.knowing, answer(np.full_like(TRUTH, (0, 0, 255)))))
    assert result.report.engine == "patch"
    assert "cannot follow" in result.report.engine_reason
    np.testing.assert_array_equal(result.image, plain().image)


def test_without_its_weights_auto_does_without_and_by_name_it_says_what_mends_it(
    tmp_path, monkeypatch
):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "none"))
    profile = load_profile("embedded")
    calls = Counted(profile)
    report = run(profile, calls=calls).report
    assert (report.engine, report.fallbacks) == ("patch", ())
    assert "lama_fill" not in calls.called
    message = refusal(ErrorKind.UNAVAILABLE, run, profile, engine="lama")
    assert "weights lama-512-int8" in message
    assert "pawfect weights fetch embedded" in message


def test_damaged_weights_are_a_fallback_under_auto_and_an_error_by_name(install, tmp_path):
    profile = install(networks.random)
    file = tmp_path / ENTRY / "network.onnx"
    file.write_bytes(file.read_bytes()[:-1])
    report = run(profile).report
    (fallback,) = report.fallbacks
    assert (fallback.stage, fallback.instead) == ("lama_fill", "patch")
    assert fallback.kind is ErrorKind.UNAVAILABLE
    assert (report.engine, report.weights) == ("patch", {})
    assert report.engine_reason.startswith("lama failed")
    refusal(ErrorKind.UNAVAILABLE, run, profile, engine="lama")


@pytest.mark.parametrize("kind", [ErrorKind.MODEL_DOWN, ErrorKind.INTERNAL, ErrorKind.QUEUE_FULL])
def test_whatever_else_ails_lama_the_patches_answer(kind, install):
    profile = install(networks.random)
    calls = Counted(profile, raising(PawfectError(kind, "lama_fill: x")))
    result = run(profile, calls=calls)
    assert [fallback.kind for fallback in result.report.fallbacks] == [kind]
    np.testing.assert_array_equal(result.image, plain().image)
    again = Counted(profile, raising(PawfectError(kind, "lama_fill: x")))
    refusal(kind, run, profile, engine="lama", calls=again)


def test_lama_is_not_waited_for_longer_than_its_profile_says(install):
    profile = install(networks.random, timeout_ms=50)

    async def forever(count: int) -> None:
        await asyncio.Event().wait()

    result = run(profile, calls=Counted(profile, forever))
    (fallback,) = result.report.fallbacks
    assert (fallback.stage, fallback.kind) == ("lama_fill", ErrorKind.DEADLINE)
    np.testing.assert_array_equal(result.image, plain().image)


def test_a_cancelled_request_is_cancelled_whoever_fills(install):
    profile = install(networks.random)
    for engine in ("auto", "lama"):
        error = raising(PawfectError(ErrorKind.CANCELLED, "gone"))
        refusal(ErrorKind.CANCELLED, run, profile, engine=engine, calls=Counted(profile, error))


FAR = holes(240, 700, (30, 30, 60, 60), (600, 150, 640, 190), (320, 100, 340, 120))
WIDE = np.ascontiguousarray(np.tile(TRUTH, (1, 3, 1))[:, :700])


def test_every_window_is_lamas_by_name(install):
    profile = install(networks.random)
    calls = Counted(profile)
    result = run(profile, WIDE, FAR, engine="lama", calls=calls)
    assert [window.method for window in result.report.windows] == ["lama"] * 3
    assert calls.called.count("lama_fill") == 3
    np.testing.assert_array_equal(result.image[FAR == 0], WIDE[FAR == 0])


@pytest.mark.parametrize("engine", ["lama", "auto"])
def test_windows_that_lama_has_no_time_for_are_patches(engine, install):
    profile = install(networks.random)
    calls = Counted(profile)
    # Time for two.
    deadline_ms = round(5 * WINDOW_MS)
    report = run(profile, WIDE, FAR, engine=engine, deadline_ms=deadline_ms, calls=calls).report
    assert calls.called.count("lama_fill") == 2
    assert report.windows[2].method == "patches"
    if engine == "lama":
        assert [window.method for window in report.windows[:2]] == ["lama"] * 2
        (fallback,) = report.fallbacks
        assert (fallback.stage, fallback.instead) == ("lama_fill", "patches in 1 of 3 windows")


def test_protected_pixels_stay(install):
    profile = install(networks.random)
    protect = holes(SIDE, SIDE, (150, 100, 220, 200))
    for engine in ("lama", "auto"):
        result = run(profile, TRUTH, MASK, protect=protect, engine=engine)
        np.testing.assert_array_equal(result.image[protect > 0], TRUTH[protect > 0])


@pytest.fixture
def with_floor(tiny_deployment: Deployment) -> Deployment:
    """The tiny chain, LaMa before patches."""
    profile = replace(tiny_deployment.profile, engines=("flux", "lama", "patch"))
    return replace(tiny_deployment, profile=profile)


# Large enough for a spot that does not reach its rim.
OPEN = holes(96, 96, (24, 24, 72, 72))


def lighter(outputs: dict[str, Any], count: int) -> dict[str, Any]:
    """What a network would have led to that knows of a light spot in the hole."""
    rows, columns = np.mgrid[: SMALL.shape[0], : SMALL.shape[1]]
    spot = 70 * np.exp(-((rows - 48.0) ** 2 + (columns - 48.0) ** 2) / (2 * 6.0**2))
    base = fill_patches(SMALL, OPEN).image
    lit = np.clip(base + spot[..., None] * (OPEN > 0)[..., None], 0, 255).astype(np.uint8)
    report = np.array([b'{"method": "lama", "off_drawing": 1.0}'], np.object_)
    return outputs | {"IMAGE": lit, "REPORT": report}


def test_under_flux_lama_is_the_floor_where_it_does_better(fill, with_floor):
    broken = {"flux_vae_decoder": raising(PawfectError(ErrorKind.MODEL_DOWN, "gone"))}
    run = fill(SMALL, OPEN, deployment=with_floor, before=broken, after={"lama_fill": lighter})
    assert run.calls("lama_fill") == 1
    assert run.report.engine == "lama"
    assert run.fallbacks == [("flux", "lama")]
    assert run.report.windows[0].method == "lama"
    assert list(run.report.weights) == ["lama"]


def test_under_flux_lama_is_the_prior_where_it_does_better(fill, with_floor):
    given = {"deployment": with_floor, "strength": 0.5}
    led = fill(SMALL, OPEN, after={"lama_fill": lighter}, **given)
    same = fill(SMALL, OPEN, before={"lama_fill": raising(PawfectError(ErrorKind.INTERNAL, "x"))},
                **given)  # fmt: skip
    assert led.report.engine == same.report.engine == "flux"
    assert (led.image != same.image).any()
    assert ("lama_fill", "patch") in same.fallbacks
    assert same.report.fallbacks[-1].kind is ErrorKind.INTERNAL


def test_a_prior_that_lama_takes_part_in_is_planned_for(fill, with_floor, tiny_deployment):
    given = {"strength": 0.5, "deadline_ms": 60_000}
    without = fill(SMALL, OPEN, deployment=tiny_deployment, **given).report.expected_ms
    led = fill(SMALL, OPEN, deployment=with_floor, **given).report.expected_ms
    windows = plan_windows(np.array([[24, 24, 72, 72]], np.int32), 96, 96)
    by_patches = estimate_ms(windows, [48 * 48])
    assert led - without == pytest.approx(WINDOW_MS - by_patches, abs=1)


def test_where_both_fail_the_patches_are_the_floor(fill, with_floor):
    broken = {
        "flux_transformer": raising(PawfectError(ErrorKind.MODEL_DOWN, "gone")),
        "lama_fill": raising(PawfectError(ErrorKind.MODEL_DOWN, "gone too")),
    }
    run = fill(SMALL, OPEN, deployment=with_floor, before=broken)
    assert run.report.engine == "patch"
    assert run.fallbacks == [("lama_fill", "patch"), ("flux", "patch")]


def test_the_tiny_profile_fills_by_lama_only_where_it_is_asked_to(fill):
    assert fill(SMALL, OPEN).calls("lama_fill") == 0
    named = fill(SMALL, OPEN, engine="lama")
    assert (named.report.engine, named.calls("lama_fill")) == ("lama", 1)
    assert named.calls("flux_transformer") == 0
