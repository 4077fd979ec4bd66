"""Estimates of a profile's stages: what they depend on, and in which direction."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawfect.cost.cards import CARDS, CASES
from pawfect.cost.costs import Costs
from pawfect.cost.estimates import costs_of
from pawfect.profile import Profile, load_profile

CHAINS = ("t4", "l4", "h200")
COMMON = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("PAWFECT_WEIGHTS", str(tmp_path))


def known(profile: Profile, case: str = "likely") -> Costs:
    costs = costs_of(profile, case)
    assert costs is not None
    return costs


@COMMON
@given(
    name=st.sampled_from(CHAINS),
    case=st.sampled_from(CASES),
    tokens=st.tuples(st.integers(16, 8192), st.integers(16, 8192)).map(sorted),
)
def test_more_tokens_and_more_pixels_never_cost_less(name, case, tokens):
    costs = known(load_profile(name), case)
    few, many = tokens
    assert costs.step_ms(few) <= costs.step_ms(many)
    for stage in (costs.encode_ms, costs.decode_ms, costs.rest_ms):
        assert 0 < stage(256 * few) <= stage(256 * many)


@COMMON
@given(
    name=st.sampled_from(CHAINS),
    tokens=st.integers(16, 8192),
    modulation=st.sampled_from(["layers", "cached"]),
)
def test_low_is_at_most_likely_is_at_most_high(name, tokens, modulation):
    profile = load_profile(name)
    assert profile.flux is not None
    flux = replace(profile.flux, modulation=modulation)
    by_case = [known(replace(profile, flux=flux), case) for case in CASES]
    for values in (
        [costs.step_ms(tokens) for costs in by_case],
        [costs.encode_ms(256 * tokens) for costs in by_case],
        [costs.decode_ms(256 * tokens) for costs in by_case],
        [costs.rest_ms(256 * tokens) for costs in by_case],
        [costs.text_ms for costs in by_case],
        [costs.labels_ms for costs in by_case],
    ):
        assert values == sorted(values)


def test_cached_modulation_saves_what_decoding_it_takes():
    profile = load_profile("t4")
    assert profile.flux is not None
    steps = [
        known(
            replace(
                profile,
                weights={**profile.weights, "flux_transformer": "flux-fill-dev-q4_0"},
                flux=replace(profile.flux, modulation=modulation),
            )
        ).step_ms(1024)
        for modulation in ("layers", "cached")
    ]
    # 3.23 of 11.83 billion weights are not decoded: at 512 px a tenth of the step or more.
    assert steps[1] < 0.9 * steps[0]


def test_published_28_steps_on_an_h200_come_out():
    profile = load_profile("h200")
    assert profile.flux is not None
    costs = known(replace(profile, flux=replace(profile.flux, text_tokens=512)))
    fill_s = (28 * costs.step_ms(4096) + costs.decode_ms(1024 * 1024)) / 1000
    # 5.58 s, eager and bf16.
    assert fill_s == pytest.approx(5.58, rel=0.1)


def test_the_rates_of_every_card_fall_from_low_to_high():
    for card in CARDS.values():
        low, likely, high = (card.rates[case] for case in CASES)
        for fast, slow in ((low, likely), (likely, high)):
            assert all(fast.product[kind] >= slow.product[kind] for kind in fast.product)
            assert (fast.attention, fast.moved) >= (slow.attention, slow.moved)
            assert (fast.launch_s, fast.call_s) <= (slow.launch_s, slow.call_s)


def test_the_tiny_profile_is_known_by_its_weights(in_tiny_weights, tiny):
    costs = known(tiny)
    assert 0 < costs.step_ms(64) < costs.step_ms(256) < 1000


def test_what_is_not_known_is_none_and_never_an_error(tiny):
    assert costs_of(tiny) is None
    assert costs_of(load_profile("embedded")) is None
    t4 = load_profile("t4")
    assert t4.flux is not None
    assert costs_of(replace(t4, flux=replace(t4.flux, card="a card of tomorrow"))) is None


def test_a_damaged_config_is_as_good_as_none(tiny, tmp_path):
    (tmp_path / "tiny-flux-fill" / "transformer").mkdir(parents=True)
    (tmp_path / "tiny-flux-fill" / "transformer" / "config.json").write_text("{")
    assert costs_of(tiny) is None


def test_an_unknown_case_is_an_error():
    with pytest.raises(ValueError, match="expected one of low, likely, high, got 'worst'"):
        costs_of(load_profile("t4"), "worst")


def test_planning_imports_no_torch():
    code = (
        "import sys; from pawfect.cost import estimates, memory; "
        "from pawfect.profile import load_profile; "
        "assert estimates.costs_of(load_profile('t4')) and memory.plan_of(load_profile('t4')); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
