"""What stages cost: read from a profile, and between its sizes."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect.costs import CASES, STAGES, StageCost, costs_of
from pawfect.profile import ProfileError, load_profile, parse_profile

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


@given(st.sampled_from(["t4", "l4", "h200", "tiny"]), st.integers(16, 8192), st.integers(16, 8192))
def test_more_tokens_and_more_pixels_never_cost_less(name, one, other):
    costs = costs_of(load_profile(name).cost)
    assert costs is not None
    few, many = sorted((one, other))
    assert 0 < costs.step_ms(few) <= costs.step_ms(many)
    for stage in (costs.encode_ms, costs.decode_ms, costs.rest_ms):
        assert 0 < stage(256 * few) <= stage(256 * many)


@pytest.mark.parametrize("name", ["t4", "l4", "h200", "tiny"])
def test_low_is_at_most_likely_is_at_most_high(name):
    cost = load_profile(name).cost
    assert tuple(cost) == STAGES
    for stage in cost.values():
        for times in zip(stage.low, stage.likely, stage.high, strict=True):
            assert 0 < times[0] <= times[1] <= times[2]


def test_a_profile_without_a_table_has_no_costs():
    assert costs_of(load_profile("embedded").cost) is None


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
