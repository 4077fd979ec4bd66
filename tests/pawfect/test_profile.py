"""Profiles: what is in the files, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pawfect.contract.errors import ErrorKind
from pawfect.matting.networks import find_network
from pawfect.models import MODELS
from pawfect.profile import (
    NONCOMMERCIAL_VARIABLE,
    ProfileError,
    load_profile,
    parse_profile,
    profile_names,
)
from pawfect.weights.manifest import may_be_sold
from tests.refusals import refusal

GOOD = {
    "description": "x",
    "models": ["inpaint"],
    "engines": ["patch"],
    "limits": {"max_in_flight": 4, "ready_s": 60},
}


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_loads_models_of_the_contract(name):
    profile = load_profile(name)
    assert set(profile.models) <= set(MODELS)
    assert profile.limits.max_in_flight >= 1


def test_the_variable_chooses_and_embedded_is_the_default(monkeypatch):
    monkeypatch.delenv("PAWFECT_PROFILE", raising=False)
    assert load_profile().name == "embedded"
    monkeypatch.setenv("PAWFECT_PROFILE", "nonsense")
    with pytest.raises(ProfileError, match=r"expected one of .*embedded.*, got 'nonsense'"):
        load_profile()


@pytest.mark.parametrize("name", ["../embedded", "/etc/passwd", "Embedded", " "])
def test_a_name_is_never_a_path(name):
    with pytest.raises(ProfileError):
        load_profile(name)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"models": []}, "models"),
        ({"models": ["lama"]}, "lama"),
        ({"engines": []}, "engines"),
        ({"engines": ["auto"]}, "engines"),
        ({"engines": ["lama", "patch"]}, "engine lama: expected models lama_fill"),
        ({"models": ["inpaint", "lama_fill"]}, "lama_fill: expected a table lama"),
        ({"limits": {"max_in_flight": 0, "ready_s": 60}}, "max_in_flight"),
        ({"limits": {"max_in_flight": True, "ready_s": 60}}, "max_in_flight"),
        ({"limits": {}}, "limits"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_an_impossible_profile_is_refused_by_name(change, says):
    with pytest.raises(ProfileError, match=says):
        parse_profile("broken", GOOD | change)


def test_a_part_that_the_profile_does_not_name_is_the_whole_models():
    klein = load_profile("tiny-klein")
    assert "klein_text" not in klein.weights
    assert klein.entry("klein_text") == klein.entry("klein") == "tiny-klein"
    weights = {**klein.weights, "klein_text": "tiny-klein-text-int4"}
    assert replace(klein, weights=weights).entry("klein_text") == "tiny-klein-text-int4"


@pytest.mark.parametrize("name", ["t4-klein", "l4-edit"])
def test_a_profile_for_commercial_use_names_nothing_that_may_not_be_sold(name):
    profile = load_profile(name)
    assert not profile.allow_noncommercial
    # What swaps faces is named, and barred until somebody says that it may be used.
    assert {part for part, entry in profile.weights.items() if not may_be_sold(entry)} == {"swap"}
    assert profile.cutout is not None
    networks = (*profile.cutout.networks, *profile.protect.networks)
    assert all(may_be_sold(find_network(network).weights) for network in networks)
    # Larger parts are quantised, and come from the whole model's entry where they are not.
    assert profile.entry(f"{profile.engines[0]}_text").endswith("-text-int4")


@pytest.mark.parametrize(("said", "allowed"), [("true", True), ("false", False)])
def test_the_environment_says_whether_weights_may_be_used_that_may_not_be_sold(
    monkeypatch, said, allowed
):
    monkeypatch.setenv(NONCOMMERCIAL_VARIABLE, said)
    assert {load_profile(name).allow_noncommercial for name in profile_names()} == {allowed}


@pytest.mark.parametrize("said", ["1", "yes", "True", " true"])
def test_an_environment_that_says_neither_true_nor_false_is_refused(monkeypatch, said):
    monkeypatch.setenv(NONCOMMERCIAL_VARIABLE, said)
    with pytest.raises(ProfileError, match=f"{NONCOMMERCIAL_VARIABLE}: expected true or false"):
        load_profile("embedded")


def test_a_card_with_room_for_all_takes_flux_first_and_the_free_ones_after_it():
    h200 = load_profile("h200")
    assert h200.engines == ("flux", "klein", "edit", "lama", "patch")
    assert h200.allow_noncommercial


def test_an_engine_that_the_profile_lacks_is_unavailable_with_its_reason(embedded):
    assert embedded.engine("auto", without=("lama",))[0] == "patch"
    assert embedded.engine("auto")[0] == "lama"
    assert embedded.engine("patch") == ("patch", "asked for")
    assert "profile embedded has lama, patch only" in refusal(
        ErrorKind.UNAVAILABLE, embedded.engine, "flux"
    )


def test_lama_runs_on_the_cpu_in_every_profile_and_only_the_neural_ones_need_torch():
    for name in profile_names():
        profile = load_profile(name)
        assert profile.device(MODELS["lama_fill"]) == "cpu"
        assert profile.neural == (name != "embedded")
