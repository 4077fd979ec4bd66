"""The comparison with FluxFillPipeline: FLOP are counted right, and the window saves them."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

from pawfect_export.tiny import flux as tiny
from perf.diffusion import versus
from perf.diffusion.sides import SEED, Pipeline, Product, flop_of
from perf.diffusion.versus import (
    SIZES,
    Counted,
    bounds,
    count_pipeline,
    count_product,
    markdown,
    profile_of,
    timed_rounds,
)
from perf.scenes import load_scene


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    folder = tmp_path_factory.mktemp("versus")
    tiny.build(folder, SEED, SIZES["small"])
    return Product.load(folder, profile_of("small", (256, 384, 512))), Pipeline.load(folder)


@pytest.fixture(scope="module")
def photo():
    """The reference scene shrunk: its hole and its photo shrink alike."""
    return load_scene().resized(100, 75)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_products_convolutions_and_attention_count_two_flop_a_multiply_add(device, mode):
    linear = torch.nn.Linear(24, 40, device=device)
    convolution = torch.nn.Conv2d(3, 8, 3, padding=1, device=device)
    with mode(), torch.device(device):
        assert flop_of(lambda: linear(torch.zeros(10, 24))) == 2 * 10 * 24 * 40
        pixels = torch.zeros(1, 3, 32, 16)
        assert flop_of(lambda: convolution(pixels)) == 2 * 32 * 16 * 8 * 27
        heads = torch.zeros(1, 4, 64, 32)
        attention = torch.nn.functional.scaled_dot_product_attention
        assert flop_of(lambda: attention(heads, heads, heads)) == 2 * 2 * 4 * 64 * 64 * 32


def test_full_size_counts_are_the_published_ones():
    # TFLOP a step, image and text tokens: computed from the architecture by hand.
    for side, tokens, expected in ((1024, 512, 74.4), (768, 128, 35.6)):
        fill = Counted(None, (0, 0, side, side), (side, side), {}).at_full_size(tokens, 1)
        assert fill.flop["flux_transformer"] / 1e12 == pytest.approx(expected, rel=0.01)


def test_the_same_steps_in_a_window_take_at_most_a_third_of_the_pipelines_flop(
    sides, photo, monkeypatch
):
    product, pipeline = sides
    monkeypatch.setattr(pipeline, "px", 512)
    own, prompt = count_product(product, photo, 256)
    assert prompt == "grass with fallen leaves"
    assert set(own.flop) == {
        "flux_text_encoder", "flux_vae_encoder", "flux_transformer", "flux_vae_decoder",
    }  # fmt: skip
    whole = count_pipeline(pipeline, photo, prompt)
    assert set(whole.flop) == set(own.flop)
    by_name = {bound["name"]: bound["measured"] for bound in bounds(own, whole, {})}
    assert by_name["FLOP at 8 steps each"] >= 3
    assert by_name["FLOP, 8 steps against 28"] >= 10
    assert all(bound["reached"] for bound in bounds(own, whole, {}))
    # The pipeline encodes twice, and where both work at one size nothing but that and text differs.
    assert whole.flop["flux_vae_decoder"] == full_decoder(pipeline, 512)


def full_decoder(pipeline, px):
    latents = torch.zeros(1, 16, px // 8, px // 8)
    with torch.no_grad():
        return flop_of(lambda: pipeline.pipe.vae.decode(latents))


def test_every_step_counts_the_same(sides, photo, monkeypatch):
    product, pipeline = sides
    one, _ = count_product(product, photo, 256)
    product.count(photo, 3, 256)
    # But for the modulation's rows, which a run computes once and the cache may hold already.
    assert sum(product.flop.values()) == pytest.approx(one.total(3), rel=1e-3)
    monkeypatch.setattr(pipeline, "px", 128)
    single = count_pipeline(pipeline, photo, "grass")
    pipeline.count(photo, 3, "grass")
    assert sum(pipeline.flop.values()) == single.total(3)


def test_both_sides_are_timed_as_often_and_in_turns(sides, photo, monkeypatch, capsys):
    product, pipeline = sides
    monkeypatch.setattr(pipeline, "px", 64)
    monkeypatch.setattr(versus, "OWN_STEPS", 1)
    monkeypatch.setattr(versus, "PIPELINE_STEPS", 2)
    seconds = timed_rounds(product, pipeline, photo, "grass", 2)
    assert {name: len(values) for name, values in seconds.items()} == {
        "product": 2, "equal": 2, "own": 2,
    }  # fmt: skip
    order = [line.split(": ")[1].split()[0] for line in capsys.readouterr().out.splitlines()]
    assert order == ["product", "equal", "own", "own", "equal", "product"]


def test_a_missed_bound_is_written_as_missed():
    around = {"flux_text_encoder": 0, "flux_vae_encoder": 0}
    own = Counted(
        512, (0, 0, 10, 10), (5, 5), {**around, "flux_transformer": 10, "flux_vae_decoder": 20}
    )
    whole = Counted(
        None, (0, 0, 20, 20), (20, 20), {**around, "flux_transformer": 50, "flux_vae_decoder": 0}
    )
    seconds = {"product": [1.0, 1.0, 9.0], "equal": [2.0, 4.0, 27.0], "own": [11.0, 30.0, 45.0]}
    found = {bound["name"]: bound for bound in bounds(own, whole, seconds)}
    assert found["FLOP at 8 steps each"]["measured"] == pytest.approx(400 / 100)
    assert found["FLOP, 8 steps against 28"]["measured"] == pytest.approx(1400 / 100)
    assert found["wall time at 8 steps each"]["measured"] == 3.0
    assert found["wall time, 8 steps against 28"]["measured"] == 11.0
    assert found["wall time, 8 steps against 28"]["reached"]
    missed = bounds(own, whole, {**seconds, "equal": [2.0, 2.0, 2.0]})
    assert [bound["reached"] for bound in missed] == [True, False, True, True]
    source = {"command": "c", "date": "d", "machine": "m", "versions": {}}
    result = {"provenance": source, "parameters": 1, "seconds": seconds, "bounds": missed}
    page = markdown(result, [own, whole], [own, whole])
    assert "| wall time at 8 steps each | 2.00 times | 2.5 | NO |" in page


def test_the_large_checkpoint_has_over_100_million_parameters():
    with torch.device("meta"):
        config = {**tiny.TRANSFORMER, **SIZES["large"]["transformer"]}
        module = FluxTransformer2DModel.from_config(config)
    assert 100e6 < sum(parameter.numel() for parameter in module.parameters()) < 300e6
