"""Estimates of a profile's stages: what they depend on, and in which direction."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawfect.costs import CASES, Costs, costs_of
from pawfect.profile import Profile, load_profile
from perf.flux.cards import CARDS
from perf.flux.cost_table import cost_table, write_costs
from perf.flux.estimates import estimate
from perf.flux.storage import FUSED

CHAINS = ("t4", "l4", "h200")
COMMON = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("PAWFECT_WEIGHTS", str(tmp_path))


def known(profile: Profile, case: str = "likely") -> Costs:
    costs = estimate(profile, case, kernels=FUSED)
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
    assert tiny.cost == cost_table(tiny), "make t4 renews it"


@pytest.mark.parametrize("name", CHAINS)
def test_a_profiles_costs_are_those_of_the_model(name):
    profile = load_profile(name)
    assert profile.cost == cost_table(profile), "make t4 renews it"


@pytest.mark.parametrize("name", CHAINS)
def test_what_is_written_into_a_profile_is_what_it_says_already(name, tmp_path):
    profile = load_profile(name)
    path = resources.files("pawfect") / "profiles" / f"{name}.toml"
    written = tmp_path / "profile.toml"
    written.write_text(path.read_text("utf-8"), "utf-8")
    table = cost_table(profile)
    assert table is not None
    write_costs(written, table)
    assert written.read_text("utf-8") == path.read_text("utf-8")


@pytest.mark.parametrize("name", CHAINS)
def test_between_the_tables_sizes_a_step_is_off_by_less_than_a_percent(name):
    profile = load_profile(name)
    read, modelled = costs_of(profile.cost), known(profile)
    assert read is not None
    assert profile.flux is not None
    for side in range(profile.flux.sizes[0], profile.flux.sizes[-1] + 1, 16):
        tokens = (side // 16) ** 2
        assert read.step_ms(tokens) == pytest.approx(modelled.step_ms(tokens), rel=0.01)


def test_what_is_not_known_is_none_and_never_an_error(tiny):
    assert estimate(tiny) is None
    assert estimate(load_profile("embedded")) is None
    assert estimate(replace(load_profile("t4"), name="a card of tomorrow")) is None


def test_a_damaged_config_is_as_good_as_none(tiny, tmp_path):
    (tmp_path / "tiny-flux-fill" / "transformer").mkdir(parents=True)
    (tmp_path / "tiny-flux-fill" / "transformer" / "config.json").write_text("{")
    assert estimate(tiny) is None


def test_an_unknown_case_is_an_error():
    with pytest.raises(ValueError, match="expected one of low, likely, high, got 'worst'"):
        estimate(load_profile("t4"), "worst")
