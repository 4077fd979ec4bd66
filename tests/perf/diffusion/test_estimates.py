"""Estimates of a profile's stages: what they depend on, and in which direction."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect.costs import CASES, costs_of
from pawfect.profile import Profile, load_profile
from perf.diffusion.cards import CARDS, CPU
from perf.diffusion.estimates import cost_table, estimate, write_costs

PROFILES = {name: load_profile(name) for name in CARDS}
CHAINS = [(name, chain) for name, profile in PROFILES.items() for chain in profile.chains]


@given(of=st.sampled_from(CHAINS), tokens=st.integers(16, 16384))
def test_low_is_at_most_likely_is_at_most_high(of, tokens):
    name, chain = of
    by_case = [estimate(PROFILES[name], chain, case) for case in CASES]
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


@pytest.mark.parametrize("name", CARDS)
def test_a_profiles_costs_are_those_of_the_model(name, tmp_path):
    profile = load_profile(name)
    table = cost_table(profile)
    assert profile.cost == table, "make t4 renews it"
    text = (resources.files("pawfect") / "profiles" / f"{name}.toml").read_text("utf-8")
    written = tmp_path / "profile.toml"
    written.write_text(text, "utf-8")
    write_costs(written, table)
    assert written.read_text("utf-8") == text


@pytest.mark.parametrize(("name", "chain"), CHAINS)
def test_between_the_tables_sizes_a_step_is_off_by_less_than_a_percent(name, chain):
    profile = load_profile(name)
    read, modelled, settings = (
        costs_of(profile.cost, chain), estimate(profile, chain), profile.chain(chain)
    )  # fmt: skip
    assert read is not None
    # Alone on its canvas, and with pictures of its own size beside it.
    for pictures in (1,) if chain == "flux" else (1, 2, 4):
        for side in range(settings.sizes[0], settings.sizes[-1] + 1, 16):
            tokens = pictures * (side // 16) ** 2
            assert read.step_ms(tokens) == pytest.approx(modelled.step_ms(tokens), rel=0.01)


def t4_klein(**settings) -> Profile:
    profile = load_profile("t4-klein")
    assert profile.klein is not None
    return replace(profile, klein=replace(profile.klein, **settings))


def test_a_klein_step_without_its_reference_takes_less_than_half():
    costs = estimate(load_profile("t4-klein"), "klein")
    for side in (768, 1024):
        tokens = (side // 16) ** 2
        assert costs.step_ms(tokens) < 0.5 * costs.step_ms(2 * tokens)


def test_a_prompt_takes_a_hundred_times_as_long_on_a_cpu_as_in_4_bits_on_the_card():
    on_card, profile = t4_klein(), t4_klein(text_device="cpu", text_dtype="float32", text_threads=4)
    weights = {**profile.weights, "klein_text": "klein-4b"}
    on_cpu = replace(profile, weights=weights)
    card_s, cpu_s = (estimate(each, "klein").text_ms / 1000 for each in (on_card, on_cpu))
    assert card_s < 0.2
    assert 20 < cpu_s < 30


def test_both_branches_of_guidance_take_twice_a_step():
    profile = load_profile("l4-edit")
    assert profile.edit is not None
    guided = replace(profile, edit=replace(profile.edit, guidance_scale=4.0))
    one, both = (estimate(each, "edit").step_ms(4096) for each in (profile, guided))
    assert both == pytest.approx(2 * one, rel=0.03)


@pytest.mark.parametrize(
    ("name", "chain", "case", "says"),
    [
        ("embedded", "flux", "likely", "profile: expected one of t4, "),
        ("tiny", "flux", "likely", "profile: expected one of t4, "),
        ("t4", "flux", "worst", "case: expected one of low, "),
        ("t4", "klein", "likely", "chain: expected one of flux, got 'klein'"),
    ],
)
def test_an_unknown_card_case_or_chain_is_an_error(name, chain, case, says):
    with pytest.raises(ValueError, match=says):
        estimate(load_profile(name), chain, case)
