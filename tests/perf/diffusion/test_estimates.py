"""Estimates of a profile's stages: what they depend on, and in which direction."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect.costs import CASES, costs_of
from pawfect.profile import load_profile
from perf.diffusion.cards import CARDS, CPU
from perf.diffusion.estimates import cost_table, estimate, write_costs

CHAINS = tuple(CARDS)


@given(
    name=st.sampled_from(CHAINS),
    tokens=st.integers(16, 8192),
    modulation=st.sampled_from(["layers", "cached"]),
)
def test_low_is_at_most_likely_is_at_most_high(name, tokens, modulation):
    profile = load_profile(name)
    assert profile.flux is not None
    profile = replace(profile, flux=replace(profile.flux, modulation=modulation))
    by_case = [estimate(profile, "flux", case) for case in CASES]
    for values in (
        [costs.step_ms(tokens) for costs in by_case],
        [costs.encode_ms(256 * tokens) for costs in by_case],
        [costs.decode_ms(256 * tokens) for costs in by_case],
        [costs.rest_ms(256 * tokens) for costs in by_case],
        [costs.text_ms for costs in by_case],
        [costs.labels_ms for costs in by_case],
    ):
        assert values == sorted(values)
        assert values[0] > 0


def test_cached_modulation_saves_what_decoding_it_takes():
    profile = load_profile("t4")
    assert profile.flux is not None
    weights = {**profile.weights, "flux_transformer": "flux-fill-dev-q4_0"}
    layers, cached = (
        estimate(
            replace(profile, weights=weights, flux=replace(profile.flux, modulation=kind)), "flux"
        )
        for kind in ("layers", "cached")
    )
    # 3.23 of 11.83 billion weights are not decoded: at 512 px a tenth of the step or more.
    assert cached.step_ms(1024) < 0.9 * layers.step_ms(1024)


def test_published_28_steps_on_an_h200_come_out():
    profile = load_profile("h200")
    assert profile.flux is not None
    costs = estimate(replace(profile, flux=replace(profile.flux, text_tokens=512)), "flux")
    fill_s = (28 * costs.step_ms(4096) + costs.decode_ms(1024 * 1024)) / 1000
    # 5.58 s, eager and bf16.
    assert fill_s == pytest.approx(5.58, rel=0.1)


def test_the_rates_of_every_card_fall_from_low_to_high():
    for card in (*CARDS.values(), CPU):
        for rates in (*card.product.values(), card.attention, card.moved):
            assert list(rates) == sorted(rates, reverse=True)
        for waits in (card.launch_us, card.call_ms):
            assert list(waits) == sorted(waits)


@pytest.mark.parametrize("name", CHAINS)
def test_a_profiles_costs_are_those_of_the_model(name, tmp_path):
    profile = load_profile(name)
    table = cost_table(profile)
    assert profile.cost == table, "make t4 renews it"
    text = (resources.files("pawfect") / "profiles" / f"{name}.toml").read_text("utf-8")
    written = tmp_path / "profile.toml"
    written.write_text(text, "utf-8")
    write_costs(written, table)
    assert written.read_text("utf-8") == text


@pytest.mark.parametrize("name", CHAINS)
def test_between_the_tables_sizes_a_step_is_off_by_less_than_a_percent(name):
    profile = load_profile(name)
    read, modelled = costs_of(profile.cost, "flux"), estimate(profile, "flux")
    assert read is not None
    assert profile.flux is not None
    for side in range(profile.flux.sizes[0], profile.flux.sizes[-1] + 1, 16):
        tokens = (side // 16) ** 2
        assert read.step_ms(tokens) == pytest.approx(modelled.step_ms(tokens), rel=0.01)


@pytest.mark.parametrize(
    ("name", "case"), [("embedded", "likely"), ("tiny", "likely"), ("t4", "worst")]
)
def test_a_profile_of_no_known_card_and_an_unknown_case_are_errors(name, case):
    with pytest.raises(ValueError, match="expected one of"):
        estimate(load_profile(name), "flux", case)
