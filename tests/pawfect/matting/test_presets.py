"""Presets, overrides, defaults of the environment, and modes that are off."""

from __future__ import annotations

import pytest

from pawfect.contract.cutout import CutoutParams
from pawfect.contract.errors import ErrorKind
from pawfect.matting.presets import FEATURES, PRESETS, plan, read_defaults
from pawfect.settings import CutoutSettings
from tests.refusals import refusal

SETTINGS = CutoutSettings(("inspyrenet", "u2netp"), "standard", tuple(FEATURES))
BOTH = ("inspyrenet", "u2netp")
PHOTO = (4000, 3000)


def planned(params=None, environment=None, there=BOTH, size=PHOTO, *, background=False):
    defaults = read_defaults(SETTINGS, environment or {})
    return plan(CutoutParams.parse(params or {}), defaults, there, size, background=background)


@pytest.mark.parametrize(
    ("preset", "size", "resize", "edges", "seen"),
    [
        ("fast", 384, "static", "none", (384, 384)),
        ("standard", 1024, "static", "guided", (1024, 1024)),
        ("high", 1536, "dynamic", "matting", (2048, 1536)),
        ("maximum", 2048, "dynamic", "matting", (2720, 2048)),
    ],
)
def test_a_preset_is_size_resize_and_edges(preset, size, resize, edges, seen):
    got = planned({"preset": preset})
    assert (got.view.size, got.view.resize, got.edges, got.seen) == (size, resize, edges, seen)
    assert got.network.name == "inspyrenet"
    assert got.fallbacks == ()


def test_without_a_word_the_standard_is_taken():
    assert planned() == planned({"preset": "standard"})


def test_each_part_of_a_preset_can_be_asked_for_by_itself():
    got = planned({"preset": "fast", "edges": "matting", "size": 1024, "threshold": 0.3})
    assert (got.view.size, got.edges, got.threshold) == (1024, "matting", 0.3)


@pytest.mark.parametrize(
    ("longer", "size", "resize"),
    [
        (1024, 1024, "static"),
        (1025, 1536, "dynamic"),
        (2048, 1536, "dynamic"),
        (2049, 2048, "dynamic"),
    ],
)
def test_an_automatic_size_follows_the_longer_side(longer, size, resize):
    view = planned({"size": "auto"}, size=(longer, 700)).view
    assert (view.size, view.resize) == (size, resize)


@pytest.mark.parametrize("size", [1536, 2048])
def test_a_larger_size_alone_is_looked_at_in_the_photos_shape(size):
    got = planned({"size": size})
    assert (got.view.size, got.view.resize, got.fallbacks) == (size, "dynamic", ())
    assert planned({"size": size, "resize": "static"}).view.size == 1024


def test_a_default_network_that_is_not_here_gives_way_to_one_that_is():
    got = planned(environment={"INSPIRENET_MODE": "base-nightly"})
    assert got.network.name == "inspyrenet"
    (fallback,) = got.fallbacks
    assert (fallback.stage, fallback.instead) == ("network", "inspyrenet")
    assert "pawfect weights fetch inspyrenet-nightly" in fallback.reason


def test_an_empty_variable_is_as_none_and_blanks_between_features_are_allowed():
    assert planned(environment={"INSPIRENET_MODE": "", "PAWFECT_CUTOUT_PRESET": ""}) == planned()
    both = {"PAWFECT_CUTOUT_FEATURES": "dynamic, matting"}
    assert planned({"preset": "high"}, both).fallbacks == ()


def test_what_a_network_lacks_is_a_fallback_that_names_both():
    got = planned({"preset": "high", "network": "u2netp"})
    assert got.seen == (320, 320)
    (fallback,) = got.fallbacks
    assert fallback.stage == "preset"
    assert "u2netp has no view of 1536 px dynamic" in fallback.reason
    assert fallback.instead == "320 px static"


def test_the_first_network_that_is_here_is_taken_where_none_is_asked_for():
    assert planned(there=("u2netp",)).network.name == "u2netp"


def test_a_network_whose_weights_are_not_here_is_unavailable_with_the_mending_command():
    said = refusal(ErrorKind.UNAVAILABLE, planned, {"network": "birefnet"})
    assert "pawfect weights fetch birefnet" in said


def test_an_unknown_network_is_the_requests_own_fault():
    assert "inspyrenet" in refusal(ErrorKind.INVALID_ARG, planned, {"network": "unet"})


@pytest.mark.parametrize(
    ("environment", "part", "value"),
    [
        ({"PAWFECT_CUTOUT_PRESET": "fast"}, "preset", "fast"),
        ({"INSPIRENET_MODE": "fast"}, "preset", "fast"),
        ({"INSPIRENET_THRESHOLD": "0.5"}, "threshold", 0.5),
        ({"INSPIRENET_OUTPUT": "green"}, "output", "green"),
        ({"INSPIRENET_THRESHOLD": "0.5", "PAWFECT_CUTOUT_THRESHOLD": "0.7"}, "threshold", 0.7),
        ({"PAWFECT_CUTOUT_EDGES": "none"}, "edges", "none"),
    ],
)
def test_defaults_come_from_the_environment_ours_before_the_originals(environment, part, value):
    assert getattr(planned(environment=environment), part) == value


def test_the_originals_resize_is_read():
    view = planned(environment={"INSPIRENET_RESIZE": "dynamic"}).view
    assert (view.size, view.resize) == (1024, "dynamic")


def test_a_request_is_stronger_than_the_environment():
    environment = {"PAWFECT_CUTOUT_OUTPUT": "green", "PAWFECT_CUTOUT_EDGES": "none"}
    got = planned({"output": "white", "preset": "high"}, environment)
    assert (got.output, got.edges) == ("white", "matting")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PAWFECT_CUTOUT_PRESET", "best"),
        ("INSPIRENET_MODE", "slow"),
        ("INSPIRENET_THRESHOLD", "half"),
        ("INSPIRENET_THRESHOLD", "nan"),
        ("PAWFECT_CUTOUT_OUTPUT", "#12"),
        ("PAWFECT_CUTOUT_FEATURES", "magic"),
        ("PAWFECT_CUTOUT_NETWORK", "unet"),
        ("PAWFECT_CUTOUT_OUTPUT", "background"),
    ],
)
def test_a_variable_that_no_request_may_have_is_named(variable, value):
    assert variable in refusal(ErrorKind.UNAVAILABLE, read_defaults, SETTINGS, {variable: value})


def test_modes_that_are_off_give_way_to_the_stable_ones():
    off = {"PAWFECT_CUTOUT_FEATURES": ""}
    got = planned({"preset": "maximum"}, off)
    assert (got.view.size, got.view.resize, got.edges) == (1024, "static", "guided")
    said = [fallback.reason for fallback in got.fallbacks]
    assert "resize=dynamic is off here" in said
    assert "edges=matting is off here" in said
    assert planned({"preset": "standard"}, off).fallbacks == ()


def test_a_background_is_what_the_subject_is_laid_on_and_needed_where_asked_for():
    assert planned(background=True).output == "background"
    assert planned().output == "rgba"
    assert planned({"output": "map"}, background=True).output == "map"
    refusal(ErrorKind.INVALID_ARG, planned, {"output": "background"})


def test_the_presets_of_the_contract_are_those_of_the_table():
    assert tuple(PRESETS) == ("fast", "standard", "high", "maximum")
