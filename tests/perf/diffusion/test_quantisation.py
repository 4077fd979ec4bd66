"""The bounds of quantisation on a small model with the outliers of the large one."""

from __future__ import annotations

import pytest
import torch

from perf.diffusion.quantisation import (
    CONFIG,
    VARIANTS,
    as_text,
    build_model,
    errors_of,
    in_half,
    measure,
    outlier_ratios,
    quantised,
    steps,
    velocities,
)

SMALL = dict(CONFIG) | {
    "num_attention_heads": 2, "num_layers": 1, "num_single_layers": 2, "joint_attention_dim": 256,
}  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return build_model(SMALL)


@pytest.fixture(scope="module")
def given():
    return steps(SMALL, 8, 16)


@pytest.fixture(scope="module")
def truth(model, given):
    return velocities(model, given)


@pytest.fixture(scope="module")
def errors(model, given, truth):
    return {
        name: max(errors_of(quantised(model, scheme), given, truth))
        for name, scheme in VARIANTS.items()
    }


def test_every_layer_has_outliers_and_the_steps_differ(model, given, truth):
    ratios = outlier_ratios(model, given[1])
    assert min(ratios.values()) > 10
    assert max(ratios.values()) > 100
    early, late = truth[0].flatten(), truth[2].flatten()
    assert float(torch.nn.functional.cosine_similarity(early, late, dim=0)) < 0.9


def test_the_errors_stay_within_their_bounds(errors):
    assert errors["Q8_0"] < 0.01
    assert errors["int8"] < 0.03
    assert errors["int4"] <= errors["Q4_0"]


def test_rotation_is_worth_its_cost(errors):
    assert errors["int8"] < 0.5 * errors["int8, not rotated"]
    assert errors["int4"] < errors["int4, not rotated"]


def test_float16_adds_little_to_int8(model, given, truth, errors):
    own = in_half(quantised(model, VARIANTS["int8"]))
    row = measure("int8", own, given, truth, "float16")
    assert row["error"] < 1.2 * errors["int8"]
    assert row["linear_bytes"] < row["total_bytes"]


def test_the_same_seed_makes_the_same_model(model):
    again = build_model(SMALL).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in model.state_dict().items())


def test_the_table_has_a_row_for_each_scheme(model, given, truth):
    row = measure("plain", model, given, truth)
    assert row["errors"] == [0.0, 0.0, 0.0]
    result = {
        "source": {"command": "c", "date": "d", "machine": "m", "versions": {"python": "3"}},
        "parameters": 1_000_000,
        "outlier_ratio": {"least": 10.0, "median": 20.0, "largest": 30.0},
        "tokens": 64,
        "text_tokens": 16,
        "rows": [row],
    }
    text = as_text(result)
    assert "| plain | float32 | 0.00% |" in text
    assert "1 M parameters" in text
