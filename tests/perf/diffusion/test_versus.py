"""The comparison with diffusers' own pipelines: FLOP are counted right, the window saves them."""

from __future__ import annotations

import pytest
import torch
from click.testing import CliRunner
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

from pawfect.picture.mask import clean_mask
from pawfect.picture.window import plan_windows
from pawfect_export.tiny import flux as tiny
from perf.diffusion.compared import COMPARED
from perf.diffusion.counted import Counted, Runs, count_pipeline, count_product, one_hole
from perf.diffusion.counting import flop_of
from perf.diffusion.pipelines import Pipeline, Sampling
from perf.diffusion.product import SEED, Product
from perf.diffusion.versus import bounds, main, timed_rounds
from perf.diffusion.versus_page import markdown
from perf.scenes import load_scene
from tests import edit_oracle

FLUX = COMPARED["flux"]


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    folder = tmp_path_factory.mktemp("versus")
    FLUX.build(folder, SEED, FLUX.sizes["small"])
    profile = FLUX.profile_of("small", (256, 384, 512))
    return Product.load("flux", folder, profile), Pipeline.load("flux", folder)


@pytest.fixture(scope="module")
def photo():
    """The reference scene shrunk: its hole and its photo shrink alike."""
    return one_hole(load_scene()).resized(100, 75)


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


def counted_at(side, tokens, text, engine, items=1):
    calls = {"text": 1, "encode": 1, "step": 1, "decode": 1}
    fill = Counted(None, (0, 0, side, side), (side, side), {}, calls, (tokens, text), items)
    return fill.at_full_size(engine)


def test_full_size_counts_are_the_published_ones():
    # TFLOP a step, image and text tokens: computed from the architecture by hand.
    for side, tokens, expected in ((1024, 512, 74.4), (768, 128, 35.6)):
        fill = counted_at(side, (side // 16) ** 2, tokens, "flux")
        assert fill.flop["step"] / 1e12 == pytest.approx(expected, rel=0.01)


def test_references_and_a_second_branch_of_guidance_are_counted_at_full_size():
    with_reference = counted_at(768, 2 * 48**2, 512, "klein").flop["step"]
    assert counted_at(768, 48**2, 512, "klein").flop["step"] < with_reference / 1.9
    one, two = (counted_at(768, 48**2, 700, "edit", items).flop["step"] for items in (1, 2))
    assert two == pytest.approx(2 * one, rel=1e-3)


@pytest.mark.slow
def test_the_same_steps_in_a_window_take_at_most_a_third_of_the_pipelines_flop(
    sides, photo, monkeypatch
):
    product, pipeline = sides
    monkeypatch.setattr(pipeline, "px", 512)
    own, prompt = count_product(product, photo, 256)
    assert prompt == "grass with fallen leaves"
    assert set(own.flop) == {"text", "encode", "step", "decode"}
    whole = count_pipeline(pipeline, photo, prompt)
    assert set(whole.flop) == set(own.flop)
    assert (whole.canvas, whole.tokens) == ((512, 512), (1024, 512))
    found = bounds(own, {"equal": whole, "own": whole}, Runs.of(FLUX), {})
    by_name = {bound["name"]: bound["measured"] for bound in found}
    assert by_name["FLOP at 8 steps each"] >= 3
    assert by_name["FLOP, 8 steps against 28"] >= 10
    assert all(bound["reached"] for bound in found)
    # The pipeline encodes twice, and where both work at one size nothing but that and text differs.
    assert (own.calls["encode"], whole.calls["encode"]) == (1, 2)
    assert whole.flop["decode"] == full_decoder(pipeline, 512)


def full_decoder(pipeline, px):
    latents = torch.zeros(1, 16, px // 8, px // 8)
    with torch.no_grad():
        return flop_of(lambda: pipeline.pipe.vae.decode(latents))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "text", "branches"), [("klein", (512, 512), (1, 1)), ("edit", None, (1, 2))]
)
def test_engines_that_are_shown_the_photo_are_counted_with_it_on_both_sides(
    engine, text, branches, tmp_path
):
    compared = COMPARED[engine]
    compared.build(tmp_path, SEED, compared.sizes[compared.size])
    product = Product.load(engine, tmp_path, compared.profile_of("small", (128,)))
    pipeline = Pipeline.load(engine, tmp_path)
    scene = one_hole(load_scene()).resized(400, 300)
    own, prompt = count_product(product, scene, 256)
    assert "grass with fallen leaves" in prompt
    # Qwen-Image-Edit's pipeline scales every photo to a megapixel.
    with edit_oracle.areas(384 * 384, 400 * 300):
        whole = count_pipeline(pipeline, scene, prompt, Runs.of(compared).own.guidance)
    for side, items in zip((own, whole), branches, strict=True):
        canvas_tokens = side.canvas[0] * side.canvas[1] // 256
        assert side.tokens[0] == 2 * canvas_tokens
        assert side.items == items
        assert min(side.flop.values()) > 0
    assert text is None or (own.tokens[1], whole.tokens[1]) == text
    assert whole.canvas[0] * whole.canvas[1] > 4 * own.canvas[0] * own.canvas[1]
    runs = Runs.of(compared)
    found = bounds(own, {"equal": whole, "own": whole}, runs, {})
    assert found[0]["measured"] > 3
    assert len(found) == (1 if runs.alike else 2)
    full = [side.at_full_size(engine) for side in (own, whole)]
    result = {"provenance": SOURCE, "size": "small", "parameters": 1, "seconds": {},
              "bounds": found}  # fmt: skip
    page = markdown(compared, result, [own, whole, whole], [*full, full[1]])
    assert f"against {pipeline.kind.name} on the whole image" in page
    assert page.count("pipeline, whole image: 400x300 px") == 2


SOURCE = {"command": "c", "date": "d", "machine": "m", "versions": {}}


def test_every_step_counts_the_same(sides, photo, monkeypatch):
    product, pipeline = sides
    # The modulation's rows are computed once for each step's place: here they have been.
    for _ in range(2):
        one, _ = count_product(product, photo, 256)
        product.count(photo, 3, 256)
    assert sum(product.done.flop.values()) == pytest.approx(one.total(3), rel=1e-3)
    monkeypatch.setattr(pipeline, "px", 128)
    single = count_pipeline(pipeline, photo, "grass")
    done = pipeline.count(photo, "grass", Sampling(3))
    assert sum(done.flop.values()) == single.total(3)


def test_both_sides_are_timed_as_often_and_in_turns(sides, photo, monkeypatch, capsys):
    product, pipeline = sides
    monkeypatch.setattr(pipeline, "px", 64)
    runs = Runs(Sampling(1), Sampling(1), Sampling(2))
    seconds = timed_rounds(product, pipeline, photo, "grass", runs, 2)
    assert {name: len(values) for name, values in seconds.items()} == {
        "product": 2, "equal": 2, "own": 2,
    }  # fmt: skip
    order = [line.split(": ")[1].split()[0] for line in capsys.readouterr().out.splitlines()]
    assert order == ["product", "equal", "own", "own", "equal", "product"]


def test_a_missed_bound_is_written_as_missed():
    around = {"text": 0, "encode": 0}
    shape = {"calls": around, "tokens": (1, 1), "items": 1}
    own = Counted(512, (0, 0, 10, 10), (5, 5), {**around, "step": 10, "decode": 20}, **shape)
    whole = Counted(None, (0, 0, 20, 20), (20, 20), {**around, "step": 50, "decode": 0}, **shape)
    both, runs = {"equal": whole, "own": whole}, Runs.of(FLUX)
    seconds = {"product": [1.0, 1.0, 9.0], "equal": [2.0, 4.0, 27.0], "own": [11.0, 30.0, 45.0]}
    found = {bound["name"]: bound for bound in bounds(own, both, runs, seconds)}
    assert found["FLOP at 8 steps each"]["measured"] == pytest.approx(400 / 100)
    assert found["FLOP, 8 steps against 28"]["measured"] == pytest.approx(1400 / 100)
    assert found["wall time at 8 steps each"]["measured"] == 3.0
    assert found["wall time, 8 steps against 28"]["measured"] == 11.0
    assert found["wall time, 8 steps against 28"]["reached"]
    missed = bounds(own, both, runs, {**seconds, "equal": [2.0, 2.0, 2.0]})
    assert [bound["reached"] for bound in missed] == [True, False, True, True]
    result = {"provenance": SOURCE, "size": "large", "parameters": 1, "seconds": seconds,
              "bounds": missed}  # fmt: skip
    page = markdown(FLUX, result, [own, whole, whole], [own, whole, whole])
    assert "| wall time at 8 steps each | 2.00 times | 2.5 | NO |" in page
    assert "the same at its own guidance" not in page


def test_the_reference_scene_is_one_window_for_the_product_as_it_is_for_the_pipeline():
    cleaned = clean_mask(one_hole(load_scene()).mask)
    assert len(plan_windows(cleaned.boxes, *cleaned.mask.shape)) == 1


@pytest.mark.parametrize("engine", ["klein", "edit"])
def test_a_size_that_an_engine_lacks_is_refused(engine):
    said = CliRunner().invoke(main, ["--engine", engine, "--size", "large"])
    assert said.exit_code == 2
    assert f"{engine}: expected one of small, got large" in said.output


def test_the_large_checkpoint_has_over_100_million_parameters():
    with torch.device("meta"):
        config = {**tiny.TRANSFORMER, **FLUX.sizes["large"]["transformer"]}
        module = FluxTransformer2DModel.from_config(config)
    assert 100e6 < sum(parameter.numel() for parameter in module.parameters()) < 300e6
