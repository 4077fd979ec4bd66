"""What `inpaint` protects by itself: with a network that is always right, and without one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import MappingProxyType

import cv2
import numpy as np
import pytest

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import InpaintParams
from pawfect.local import LocalModels
from pawfect.orchestrator import Control, InpaintRequest, inpaint
from pawfect.orchestrator.deployment import Deployment, read_deployment
from perf.scenes import load_scene, scene_names
from tests.pawfect.orchestrator.looked import KNOWN, Answering

WIDTH, HEIGHT = 640, 480
# No lawn, leaf, hand or leash has it.
MAGENTA = (255, 0, 255)


@pytest.fixture(autouse=True)
def known_networks(monkeypatch):
    monkeypatch.setattr("pawfect.matting.networks.networks", lambda: KNOWN)


def finding(deployment: Deployment) -> Deployment:
    """The same, with a network that sees photos of these tests as they are."""
    profile = deployment.profile
    protect = replace(profile.protect, networks=("exact",), size=2048)
    finders = MappingProxyType({"exact": "exact@1"})
    return replace(deployment, profile=replace(profile, protect=protect), finders=finders)


def filled(deployment, photo, mask, pet, own=None, mode="auto", **params):
    """Fill with a network that answers with the true mask of the pet, and return its calls."""
    models = Answering(deployment.profile, lambda picture, *_: pet >= 128)
    asked = {"engine": "patch", "deadline_ms": 600_000, "protect": mode} | params
    request = InpaintRequest(photo, mask, InpaintParams.parse(asked), own)
    control = Control(600_000)
    return asyncio.run(inpaint(request, deployment, models, control)), models.asked


@pytest.fixture(scope="module")
def embedded_deployment(embedded):
    return finding(Deployment(embedded))


# In these the hand is before the pet itself, which goes on under it.
BEFORE = {"dog_portrait", "dog_touching"}
SHORT = {"reference_768", "dog_morning", "dog_near"}
# Pixels of claws that the leash's mask touches, thinner than the rim of what goes may be.
CLAWS = {"dog_morning": 31, "dog_overcast": 1}


@pytest.mark.parametrize(
    "name",
    [
        name if name in SHORT else pytest.param(name, marks=pytest.mark.slow)
        for name in scene_names("reference", "variation")
        if name not in BEFORE
    ],
)
def test_no_pixel_of_the_pet_changes_and_none_is_copied(name, embedded_deployment):
    scene = load_scene(name).resized(WIDTH, HEIGHT)
    pet = scene.protect
    # A colour that only the pet has shows where it was copied from.
    photo = np.where(pet[..., None] >= 128, np.uint8(MAGENTA), scene.photo)
    result, asked = filled(embedded_deployment, photo, scene.mask, pet, engine="patch")
    assert asked == [("exact:2048:dynamic", None)]
    kept = (pet >= 128) & (scene.mask < 128)
    changed = kept & ((result.image != photo).any(2) | (result.clean_mask > 0))
    assert np.count_nonzero(changed) <= CLAWS.get(name, 0)
    hole = result.clean_mask > 0
    far = np.abs(result.image[hole].astype(int) - MAGENTA).sum(1)
    # The pet's own soft rim has a little of it.
    rim = cv2.dilate(pet, np.ones((9, 9), np.uint8)) >= 128
    assert (far[~rim[hole]] > 150).all()
    report = result.report
    assert (report.protect_source, report.protect_confidence) == ("exact", 1.0)
    assert report.protected_share == pytest.approx((kept).mean(), abs=0.02)
    assert report.weights["protect"] == "exact@1"
    assert report.stage_ms["protect"] >= 0


def test_a_pet_that_the_hand_is_before_is_what_the_hole_is_filled_with(embedded_deployment):
    scene = load_scene("dog_portrait").resized(320, 240)
    result, _ = filled(embedded_deployment, scene.photo, scene.mask, scene.protect)
    assert "going on under a hole" in result.report.protect_reason
    without, _ = filled(Deployment(embedded_deployment.profile), scene.photo, scene.mask, None)
    np.testing.assert_array_equal(result.image, without.image)


def test_with_flux_too_the_pet_stays(tiny, in_tiny_weights):
    scene = load_scene("reference_768").resized(256, 192)
    read = read_deployment(replace(tiny, protect=None))
    deployment = finding(replace(read, profile=tiny))
    asked = {"engine": "flux", "steps": 2}
    result, _ = filled(deployment, scene.photo, scene.mask, scene.protect, **asked)
    assert result.report.engine == "flux"
    kept = (scene.protect >= 128) & (scene.mask < 128)
    np.testing.assert_array_equal(result.image[kept], scene.photo[kept])


@pytest.fixture(scope="module")
def small():
    return load_scene("reference_768").resized(256, 192)


def test_protect_none_is_as_if_there_were_no_network(embedded_deployment, small):
    asked = {"engine": "patch", "mode": "none"}
    result, calls = filled(embedded_deployment, small.photo, small.mask, small.protect, **asked)
    without, _ = filled(Deployment(embedded_deployment.profile), small.photo, small.mask, None)
    assert calls == []
    np.testing.assert_array_equal(result.image, without.image)
    assert (result.report.protect_source, result.report.protect_reason) == ("none", "protect=none")
    assert without.report.protect_reason == "no network that finds a subject is here"


def test_a_protect_of_the_requests_own_asks_no_network(embedded_deployment, small):
    own = np.zeros_like(small.mask)
    own[:, 200:] = 255
    result, calls = filled(embedded_deployment, small.photo, small.mask, None, own, engine="patch")
    assert calls == []
    assert result.report.protect_source == "request"
    assert result.report.protected_share == pytest.approx(56 / 256, abs=1e-3)


@pytest.mark.parametrize("value", [0.3, 0.7])
def test_under_the_stated_confidence_nothing_is_protected(embedded_deployment, small, value):
    answer = np.where(small.protect >= 128, value, 0)
    result = answered(embedded_deployment, small, lambda picture, *_: answer)
    assert result.report.protect_source == "none"
    assert "confidence of at least 0.8" in result.report.protect_reason
    assert result.report.fallbacks == ()


@pytest.mark.parametrize("kind", [ErrorKind.UNAVAILABLE, ErrorKind.INTERNAL, ErrorKind.MODEL_DOWN])
def test_a_network_that_fails_is_a_fallback_and_the_photo_is_filled(
    embedded_deployment, small, kind
):
    def failing(picture, *_):
        raise PawfectError(kind, "onnx_networks: broken")

    result = answered(embedded_deployment, small, failing)
    (fallback,) = result.report.fallbacks
    assert (fallback.stage, fallback.kind) == ("protect", kind)
    assert fallback.instead == "nothing protected"
    assert result.report.engine == "patch"


def test_a_network_that_is_late_is_a_fallback_in_time_for_the_fill(embedded_deployment, small):
    async def hanging(model, inputs, parameters):
        if model == "onnx_networks":
            await asyncio.Event().wait()
        return LocalModels(embedded_deployment.profile).run(model, inputs, parameters)

    params = InpaintParams(engine="patch", deadline_ms=4000)
    request = InpaintRequest(small.photo, small.mask, params)
    control = Control(4000)
    result = asyncio.run(inpaint(request, embedded_deployment, hanging, control))
    (fallback,) = [one for one in result.report.fallbacks if one.stage == "protect"]
    assert fallback.kind is ErrorKind.DEADLINE
    assert result.report.stage_ms["onnx_networks"] < 2000


def test_what_the_mask_marks_is_not_protected_though_it_is_salient(embedded_deployment, small):
    both = np.maximum(small.protect, small.object_mask)
    result = answered(embedded_deployment, small, lambda picture, *_: both >= 128)
    marked = (small.mask >= 128) & (small.object_mask >= 128)
    assert (result.clean_mask[marked] > 0).mean() > 0.99
    kept = (small.protect >= 128) & (small.mask < 128)
    np.testing.assert_array_equal(result.image[kept], small.photo[kept])


def answered(deployment, scene, answer):
    models = Answering(deployment.profile, answer)
    params = InpaintParams(engine="patch", deadline_ms=600_000)
    request = InpaintRequest(scene.photo, scene.mask, params)
    return asyncio.run(inpaint(request, deployment, models, Control(600_000)))
