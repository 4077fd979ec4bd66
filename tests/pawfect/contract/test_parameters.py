"""Request parameters: strict types, bounds, no unknown names."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.parameters import FillParams, InpaintParams, MaskParams
from tests.refusals import refusal

INTEGERS = {
    "steps": (1, 100),
    "seed": (0, 2**63 - 1),
    "deadline_ms": (1, 600_000),
    "dilate_px": (0, 64),
    "least_speck_px": (0, 65_536),
    "window_px": (256, 2048),
    "preview_every": (0, 100),
}


def refused(**given: object) -> str:
    with pytest.raises(PawfectError) as caught:
        InpaintParams.parse(given)  # type: ignore[arg-type]
    assert caught.value.kind is ErrorKind.INVALID_ARG
    return caught.value.message


def test_nothing_given_means_the_documented_defaults():
    params = InpaintParams.parse({})
    assert (params.engine, params.seed, params.deadline_ms) == ("auto", 0, 30_000)
    assert (params.strength, params.preview_every) == (None, 1)
    assert params.steps is params.guidance_scale is params.dilate_px is params.window_px is None


@pytest.mark.parametrize(("name", "bounds"), INTEGERS.items())
def test_integers_are_taken_up_to_their_bounds_and_no_further(name, bounds):
    for value in bounds:
        assert getattr(InpaintParams.parse({name: value}), name) == value
    assert f"got {bounds[0] - 1}" in refused(**{name: bounds[0] - 1})
    assert f"got {bounds[1] + 1}" in refused(**{name: bounds[1] + 1})


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("value", [True, False, "8", 8.0, "", None, [8]])
def test_an_integer_is_not_made_from_anything_else(name, value):
    assert refused(**{name: value}).startswith(f"{name}: expected an integer, got")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.1, 100.1])
def test_guidance_outside_its_bounds_is_refused(value):
    assert refused(guidance_scale=value).startswith("guidance_scale: expected from 0.0 to 100.0")


def test_strength_lies_above_zero_up_to_one():
    assert InpaintParams.parse({"strength": 1}).strength == 1.0
    assert InpaintParams.parse({"strength": 0.01}).strength == 0.01
    assert "above 0.0 to 1.0, got 0" in refused(strength=0.0)
    assert "got bool True" in refused(strength=True)


def test_an_unknown_engine_is_answered_with_the_known_ones():
    assert (
        refused(engine="sdxl")
        == "engine: expected one of auto, flux, klein, edit, lama, patch, got 'sdxl'"
    )
    assert (
        refused(engine=1)
        == "engine: expected one of auto, flux, klein, edit, lama, patch, got int 1"
    )


def test_an_unknown_name_is_answered_with_the_known_ones():
    message = refused(sead=1)
    assert message.endswith("got sead")
    assert "seed" in message


def test_auto_leaves_to_the_server_what_has_no_default_of_its_own():
    params = InpaintParams.parse({"dilate_px": "auto", "steps": "auto", "seed": 3})
    assert params == InpaintParams(seed=3)
    assert MaskParams.parse({"dilate_px": "auto"}) == MaskParams()
    assert refused(seed="auto") == "seed: expected an integer, got str 'auto'"
    assert refused(fill_outlines="auto").startswith("fill_outlines: expected true or false")


def test_parameters_of_one_model_are_unknown_to_another():
    for params, name in ((MaskParams, "seed"), (FillParams, "engine")):
        with pytest.raises(PawfectError, match=f"got {name}"):
            params.parse({name: 1})


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(st.dictionaries(st.text(max_size=12), values))
def test_anything_else_is_a_clear_refusal_or_a_valid_set(given):
    try:
        params = InpaintParams.parse(given)  # type: ignore[arg-type]
    except PawfectError as error:
        assert error.kind is ErrorKind.INVALID_ARG
        assert "expected" in error.message
        assert "got" in error.message
    else:
        read = {name: getattr(params, name) for name in given}
        assert read == {name: None if value == "auto" and name != "engine" else value
                        for name, value in given.items()}  # fmt: skip


@pytest.mark.parametrize(
    "given",
    [
        {"seed\nERROR forged\x1b[2J\0": 1},
        {"seed": "1\nERROR forged\x1b[2J\0"},
        {"engine": "\nERROR forged"},
        {"x" * 100_000: 1},
        {"seed": "x" * 100_000},
        {"engine": "x" * 100_000},
        {"seed": b"\0" * 100_000},
    ],
)
def test_what_came_is_told_in_one_short_printable_line(given):
    message = refusal(ErrorKind.INVALID_ARG, InpaintParams.parse, given)
    assert message.isprintable()
    assert len(message) < 2000
