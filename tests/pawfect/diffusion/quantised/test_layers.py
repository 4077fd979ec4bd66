"""Quantised layers: integer arithmetic against exact arithmetic, at any shape and size."""

from __future__ import annotations

import copy
import math

import gguf
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.diffusion.quantised import int4, product, rotation, sizes
from pawfect.diffusion.quantised.int4 import Int4
from pawfect.diffusion.quantised.int8 import Int8
from pawfect.diffusion.quantised.kernels import TORCH, ComfyKernels, choose_kernels
from pawfect.diffusion.quantised.scheme import SCHEMES, find_scheme
from perf.diffusion.quantisation import filled
from tests.refusals import refusal

# FLUX.1's widths: the blocks', the feed-forward layers', the single blocks' last.
WIDTHS = (3072, 12288, 15360)


def linear(inputs: int, outputs: int, seed: int = 0) -> torch.nn.Linear:
    torch.manual_seed(seed)
    return torch.nn.Linear(inputs, outputs).requires_grad_(False)


def relative(got: torch.Tensor, expected: torch.Tensor) -> float:
    return float((got - expected).norm() / expected.norm())


@pytest.mark.parametrize("size", [1, 4, 16, 64, 256])
def test_a_rotation_is_orthogonal_and_its_own_inverse(size):
    matrix = rotation.hadamard(size).double()
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(size).double())
    torch.testing.assert_close(matrix, matrix.T)
    values = torch.randn(3, 5, 4 * size)
    twice = rotation.rotated(rotation.rotated(values, size), size)
    torch.testing.assert_close(twice, values, rtol=1e-5, atol=1e-5)


def test_blocks_are_the_largest_powers_of_four_that_fit():
    assert [rotation.block_size(width) for width in (*WIDTHS, 640, 48, 5)] == [256] * 3 + [
        64,
        16,
        1,
    ]
    assert rotation.block_size(3072, largest=1) == 1
    with pytest.raises(ValueError, match="power of four, got 8"):
        rotation.hadamard(8)


def test_an_outlier_is_spread_over_its_block():
    values = torch.zeros(1, 3072)
    values[0, 700] = 160.0
    turned = rotation.rotated(values, 256)
    torch.testing.assert_close(turned.abs().amax(), torch.tensor(10.0))
    assert int(turned.count_nonzero()) == 256


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_integer_products_are_exact_at_any_shape(rows, width, outputs, seed):
    rng = np.random.default_rng(seed)
    left = rng.integers(-127, 128, (rows, width), np.int8)
    right = rng.integers(-127, 128, (outputs, width), np.int8)
    got = product.integer_product(torch.from_numpy(left), torch.from_numpy(right))
    assert got.dtype == torch.int32
    np.testing.assert_array_equal(got.numpy(), left.astype(np.int64) @ right.T.astype(np.int64))


def test_sums_of_the_widest_layer_stay_exact():
    widest = torch.full((32, WIDTHS[-1]), 127, dtype=torch.int8)
    assert product.integer_product(widest, widest).unique().tolist() == [127 * 127 * WIDTHS[-1]]


@pytest.mark.parametrize("name", ["int8", "int4"])
def test_the_output_is_what_the_stored_integers_say(name):
    layer = linear(512, 96)
    made = filled(SCHEMES[name], layer)
    inputs = torch.randn(2, 1300, 512)
    weight = made.weight if name == "int8" else int4.decoded(made.weight, made.group_scale)
    codes, unit = product.quantised_rows(inputs.flatten(0, 1), 256)
    exact = codes.double() @ weight.double().T * unit.double() * made.weight_scale.double()
    expected = (exact + layer.bias.double()).reshape(2, 1300, 96)
    torch.testing.assert_close(made(inputs).double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "error"), [("q8_0", 0.006), ("int8", 0.013), ("int4", 0.08)])
def test_a_layer_is_as_exact_as_its_bits_allow(name, error):
    layer, inputs = linear(3072, 256), torch.randn(64, 3072)
    made = filled(SCHEMES[name], layer)
    assert relative(made(inputs), layer(inputs)) <= error


@pytest.mark.parametrize("scheme", [Int8(), Int4()])
def test_rotation_is_what_protects_against_an_outlier_channel(scheme):
    layer, inputs = linear(3072, 256), torch.randn(64, 3072)
    inputs[:, 5] *= 100
    layer.weight[:, 5] /= 10
    rotated = relative(filled(scheme, layer)(inputs), layer(inputs))
    plain = relative(filled(type(scheme)(rotation=1), layer)(inputs), layer(inputs))
    assert rotated <= {"int8": 0.04, "int4": 0.15}[scheme.name]
    assert rotated < 0.95 * plain


def test_a_token_is_computed_as_if_it_were_alone():
    made = filled(SCHEMES["int8"], linear(256, 64))
    inputs = torch.randn(2000, 256)
    alone, beside = made(inputs[1500:1501]), made(inputs)[1500:1501]
    torch.testing.assert_close(alone, beside, rtol=1e-5, atol=1e-6)


def test_int4_is_closer_to_the_weight_than_q4_0_in_as_many_bytes():
    layer = linear(3072, 512)
    torch.nn.init.normal_(layer.weight)
    kind = gguf.GGMLQuantizationType.Q4_0
    rows = gguf.quants.quantize(layer.weight.numpy(), kind)
    by_gguf = torch.from_numpy(gguf.quants.dequantize(rows, kind))
    made = filled(Int4(rotation=1), layer)
    decoded = int4.decoded(made.weight, made.group_scale).float() * made.weight_scale[:, None]
    assert relative(decoded, layer.weight) < 0.9 * relative(by_gguf, layer.weight)
    assert sizes.stored_bytes("int4", 3072, 3072) <= 1.003 * sizes.stored_bytes("q4_0", 3072, 3072)


def test_the_levels_are_lloyds_for_normal_groups():
    # The fixed point of Lloyd's iteration: each level is the mean of what is coded with it.
    generator = torch.Generator().manual_seed(0)
    groups = torch.randn(400, 100, sizes.INT4_GROUP, generator=generator)
    scale = int4._fitted(groups)
    table = int4.levels()
    bounds = (table[1:] + table[:-1]) / 2
    code = torch.bucketize(groups / scale.unsqueeze(2), bounds).flatten()
    weights = (scale * scale).unsqueeze(2).expand_as(groups).flatten()
    total = torch.zeros(16).index_add_(0, code, (groups * scale.unsqueeze(2)).flatten())
    means = total / torch.zeros(16).index_add_(0, code, weights)
    torch.testing.assert_close(means / means[-1], table, rtol=0, atol=0.01)


@pytest.mark.parametrize("name", SCHEMES)
def test_the_bytes_are_those_that_the_planner_counts(name):
    made = SCHEMES[name].quantise(torch.randn(48, 256))
    assert sum(t.nbytes for t in made.values()) == sizes.stored_bytes(name, 48, 256)
    hollow = SCHEMES[name].linear(256, 48, False, torch.float32).state_dict()
    assert {n: (t.shape, t.dtype) for n, t in made.items()} == {
        n: (t.shape, t.dtype) for n, t in hollow.items()
    }


@pytest.mark.parametrize("name", SCHEMES)
def test_a_weight_of_zeros_gives_the_bias(name):
    layer = linear(64, 8)
    layer.weight.zero_()
    made = filled(SCHEMES[name], layer)
    for inputs in (torch.randn(3, 64), torch.zeros(3, 64)):
        torch.testing.assert_close(made(inputs), layer.bias.expand(3, 8), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["int8", "int4"])
@pytest.mark.parametrize("width", [3072, 12288])
def test_float16_overflows_nowhere_at_full_width(name, width):
    # Every channel large, and some at the largest that float16 holds: AdaLN's outputs and GELU's
    # are far smaller; what is known of FLUX is that its hidden states pass 65504, where diffusers
    # clips them.
    layer = linear(width, 128)
    made = copy.deepcopy(filled(SCHEMES[name], layer))
    made.bias.data = made.bias.data.half()
    torch.manual_seed(1)
    inputs = (torch.randn(24, width) * 500).half()
    inputs[:, :3] = torch.tensor([65504.0, -65504.0, 30000.0], dtype=torch.float16)
    inputs[0] = 65504.0
    expected = layer(inputs.float()).clamp(-65504, 65504)
    got = made(inputs)
    assert got.dtype == torch.float16
    assert bool(torch.isfinite(got).all())
    assert relative(got[1:].float(), expected[1:]) <= {"int8": 0.03, "int4": 0.12}[name]


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_what_is_no_number_is_not_hidden(value):
    made = filled(SCHEMES["int8"], linear(64, 8))
    inputs = torch.randn(2, 64)
    inputs[1, 3] = value
    got = made(inputs)
    assert bool(torch.isfinite(got[0]).all())
    assert bool(torch.isnan(got[1]).all())


def test_an_unknown_scheme_is_named_with_those_there_are():
    with pytest.raises(PawfectError, match="expected one of int8, int4, q4_0, q8_0, got 'int3'"):
        find_scheme("int3")
    assert "K-quants are read from published GGUF files" in refusal(
        ErrorKind.INVALID_ARG, find_scheme, "q5_k"
    )


def test_without_a_card_torch_computes():
    assert choose_kernels("cpu") is TORCH
    assert choose_kernels("cpu").name == "torch._int_mm"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("name", ["int8", "int4"])
def test_comfy_kitchen_reads_the_same_tensors_and_agrees(name, dtype):
    """Its portable code; the CUDA kernels behind the same calls need a card."""
    library = pytest.importorskip("comfy_kitchen")
    made = filled(SCHEMES[name], linear(1024, 96))
    made.bias.data = made.bias.data.to(dtype)
    inputs = torch.randn(2, 40, 1024)
    inputs[..., 7] *= 60
    inputs = inputs.to(dtype)
    got = getattr(ComfyKernels(library, "eager"), name)(made, inputs)
    allowed = 0.001 if dtype == torch.float32 else 0.005
    assert relative(got.float(), made(inputs).float()) <= allowed
