"""What stages cost: read from a profile, and between its sizes."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect.costs import CASES, PARTS, SHARED, StageCost, costs_of, stages_of
from pawfect.profile import ProfileError, load_profile, parse_profile, profile_names

STEP = StageCost("measured", "a card", (16, 32), (1.0, 4.0), (2.0, 8.0), (3.0, 12.0))


@pytest.mark.parametrize(
    ("pixels", "ms"), [(256, 2.0), (1024, 8.0), (640, 5.0), (1792, 14.0), (128, 1.0), (0, 0.0)]
)
def test_times_are_linear_in_the_area_between_and_beyond_the_sizes(pixels, ms):
    assert STEP.ms(pixels) == pytest.approx(ms)
    assert [STEP.ms(pixels, case) for case in CASES] == pytest.approx([ms / 2, ms, ms * 1.5])


def test_no_time_is_negative_and_one_size_alone_holds_for_all():
    steep = StageCost("modelled", "a card", (16, 32), (0.0, 9.0), (0.0, 9.0), (0.0, 9.0))
    assert steep.ms(1) == 0
    constant = StageCost("modelled", "a card", (0,), (1.0,), (2.0,), (3.0,))
    assert {constant.ms(pixels) for pixels in (0, 10, 10**7)} == {2.0}


WITH_COSTS = tuple(name for name in profile_names() if load_profile(name).cost)
# The tests' profile of all chains has FLUX's alone.
CHAINS_OF = [
    (name, chain)
    for name in WITH_COSTS
    for chain in (("flux",) if name == "tiny-all" else load_profile(name).chains)
]


@given(st.sampled_from(CHAINS_OF), st.integers(16, 8192), st.integers(16, 8192))
def test_more_tokens_and_more_pixels_never_cost_less(of, one, other):
    name, chain = of
    costs = costs_of(load_profile(name).cost, chain)
    assert costs is not None
    few, many = sorted((one, other))
    assert 0 < costs.step_ms(few) <= costs.step_ms(many)
    for stage in (costs.encode_ms, costs.decode_ms, costs.rest_ms):
        assert 0 < stage(256 * few) <= stage(256 * many)


@pytest.mark.parametrize("name", WITH_COSTS)
def test_low_is_at_most_likely_is_at_most_high(name):
    profile = load_profile(name)
    assert tuple(profile.cost) == stages_of(chain for of, chain in CHAINS_OF if of == name)
    for stage in profile.cost.values():
        for times in zip(stage.low, stage.likely, stage.high, strict=True):
            assert 0 < times[0] <= times[1] <= times[2]


def test_a_profile_without_a_table_has_no_costs():
    assert costs_of(load_profile("embedded").cost, "flux") is None


def test_each_chain_has_costs_of_its_own_and_shares_the_rest():
    def constant(ms: float) -> StageCost:
        return StageCost("measured", "a card", (0,), (ms,), (ms,), (ms,))

    table = {stage: constant(float(at)) for at, stage in enumerate(stages_of(["flux", "klein"]))}
    flux, klein = (costs_of(table, chain) for chain in ("flux", "klein"))
    assert flux is not None
    assert klein is not None
    assert (flux.step_ms(1), flux.encode_ms(1), flux.decode_ms(1), flux.text_ms) == (0, 1, 2, 3)
    assert (klein.step_ms(1), klein.encode_ms(1), klein.decode_ms(1), klein.text_ms) == (4, 5, 6, 7)
    assert (flux.labels_ms, flux.rest_ms(1)) == (klein.labels_ms, klein.rest_ms(1)) == (8, 9)
    assert costs_of(table, "edit") is None
    for missing in (f"klein_{PARTS[-1]}", SHARED[0]):
        assert costs_of({k: v for k, v in table.items() if k != missing}, "klein") is None


def test_a_step_costs_by_all_tokens_those_of_references_too():
    table = dict.fromkeys(stages_of(["klein"]), STEP)
    costs = costs_of(table, "klein")
    assert costs is not None
    # A canvas and a reference of 16 px each hold 512 px between them.
    assert costs.step_ms(2) == pytest.approx(STEP.ms(512))
    assert costs.step_ms(2) > costs.step_ms(1) == pytest.approx(STEP.ms(256))


def t4_table() -> dict:
    return tomllib.loads((resources.files("pawfect") / "profiles" / "t4.toml").read_text("utf-8"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"basis": "guessed"}, "basis: expected one of modelled, measured, got 'guessed'"),
        ({"on": ""}, "on: expected a text"),
        ({"px": [512, 256]}, "px: expected rising"),
        ({"px": []}, "px: expected rising"),
        ({"low": []}, "low: expected at least one"),
        ({"likely": "fast"}, "likely: expected at least one"),
        ({"high": [1.0, "2"]}, r"high\[1\]: expected a number"),
        ({"high": [1.0, -2.0]}, r"high\[1\]: expected at least 0"),
        ({"high": [1.0, float("inf")]}, r"high\[1\]: expected at least 0"),
        ({"high": [1.0, True]}, r"high\[1\]: expected a number"),
        ({"high": [1.0]}, "expected a time for each"),
        ({"medium": [1.0]}, "expected"),
    ],
)
def test_an_impossible_cost_is_refused_by_name(change, says):
    table = t4_table()
    table["cost"]["rest"].update(change)
    with pytest.raises(ProfileError, match=f"rest: {says}"):
        parse_profile("broken", table)


def test_a_table_without_one_of_the_stages_is_refused():
    table = t4_table()
    del table["cost"]["rest"]
    with pytest.raises(ProfileError, match="broken: cost: expected"):
        parse_profile("broken", table)


def test_a_table_with_stages_of_a_chain_that_is_not_there_is_refused():
    table = t4_table()
    table["cost"]["klein_transformer"] = table["cost"]["flux_transformer"]
    with pytest.raises(ProfileError, match=r"broken: cost: expected .* got .*klein_transformer"):
        parse_profile("broken", table)
